import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from tests.problems import few, hierarchy, naive_level_errors, seeds

LOSSES = {
    "reconstruction": (hntf.losses.Reconstruction(), (0, 0, 1)),
    "energy": (hntf.losses.Energy(), (1, 1, 1)),
    "weighted energy": (hntf.losses.Energy([0.5, 0.0, 2.0]), (0.5, 0, 2)),
}


@few
@given(seed=seeds, name=st.sampled_from(list(LOSSES)), masked=st.booleans())
def test_value_and_gradient(backend, seed, name, masked):
    rng = np.random.default_rng(seed)
    loss, weights = LOSSES[name]
    stack, X = hierarchy(rng, 7, (4, 3, 2), backend), rng.random((5, 7))
    mask = rng.random(X.shape) < 0.8 if masked else None
    data = hntf.as_data(backend(X), mask=None if mask is None else backend(mask))
    value, gradients = loss.value_and_grad(stack, data)
    codes = [np.asarray(S) for S in stack.forward(data)[0]]
    errors = naive_level_errors(X, [np.asarray(A) for A in stack.factors], codes, 1.0 if mask is None else mask)
    np.testing.assert_allclose(value, np.dot(weights, errors), rtol=1e-9)
    assert [tuple(g.shape) for g in gradients] == [tuple(A.shape) for A in stack.factors]
    report = hntf.gradcheck(loss, [stack, data], rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_a_mask_given_to_the_loss(rng):
    stack, X, mask = hierarchy(rng, 6, (3, 2)), rng.random((5, 6)), rng.random((5, 6)) < 0.8
    loss = hntf.losses.Energy()
    value, _ = loss.value_and_grad(stack, X, mask=mask)
    assert value == loss.value_and_grad(stack, hntf.as_data(X, mask=mask))[0]


def test_weights_of_one_change_nothing(rng):
    stack, X = hierarchy(rng, 6, (3, 2)), rng.random((5, 6))
    value, gradients = hntf.losses.Energy().value_and_grad(stack, X)
    weighted, weighted_gradients = hntf.losses.Energy().value_and_grad(stack, hntf.as_data(X, weights=np.ones(X.shape)))
    np.testing.assert_allclose(weighted, value)
    for a, b in zip(weighted_gradients, gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_sparse_data_give_the_dense_value_and_gradient(rng):
    stack, X = hierarchy(rng, 9, (4, 2)), scipy.sparse.random(12, 9, 0.4, "csr", rng=rng)
    value, gradients = hntf.losses.Energy().value_and_grad(stack, X)
    dense, dense_gradients = hntf.losses.Energy().value_and_grad(stack, X.toarray())
    np.testing.assert_allclose(value, dense)
    for a, b in zip(gradients, dense_gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_relative_errors_far_below_the_cancellation_of_the_gram_form(rng):
    """A relative error of 1e-9 is reported right, though ‖X‖² − 2⟨C, S⟩ + ⟨SG, S⟩ cannot resolve its square."""
    stack = hierarchy(rng, 8, (3,))
    clean = rng.uniform(0.5, 1, (30, 3)) @ stack.factors[0].T
    noise = rng.standard_normal(clean.shape)
    X = clean + 1e-9 * np.linalg.norm(clean) / np.linalg.norm(noise) * noise
    data = hntf.as_data(X)
    (error,) = stack.errors(data, stack.codes(stack.solve(data)))
    residual = X - hntf.nnls(stack.factors[0], X.T).T @ stack.factors[0].T
    np.testing.assert_allclose(error, np.linalg.norm(residual) / np.linalg.norm(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda h, X: hntf.losses.Energy([1.0]).value_and_grad(h, X), "one entry per level"),
        (lambda h, X: hntf.losses.Energy([-1.0, 1.0]), "weights must be at least 0"),
        (lambda h, X: hntf.losses.Energy().value_and_grad(h, X, y=[0, 1, 0, 1, 1]), "y must be None"),
        (lambda h, X: hntf.losses.Energy().value_and_grad(h, X[:, :2]), "X must have shape"),
    ],
)
def test_bad_input_is_named(rng, call, words):
    with pytest.raises(ValueError, match=words):
        call(hierarchy(rng, 6, (3, 2)), rng.random((5, 6)))
