import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import hntf
from tests.problems import few, seeds


def draw(seed, kind, backend):
    """Draw data of a kind, the same as a dense array with weights, and factors."""
    rng = np.random.default_rng(seed)
    X = rng.random((6, 5)) * (rng.random((6, 5)) < 0.7)
    W = rng.random((6, 5)) if kind == "weighted" else np.ones((6, 5))
    S, A = rng.random((6, 3)) + 0.1, rng.random((5, 3)) + 0.1
    if kind == "sparse":
        return hntf.as_data(scipy.sparse.csr_array(X)), X, W, S, A
    data = hntf.as_data(backend(X), weights=backend(W) if kind == "weighted" else None)
    return data, X, W, S, A


@few
@given(seed=seeds, kind=st.sampled_from(["dense", "weighted", "sparse"]))
def test_ratio_and_divergence(backend, seed, kind):
    data, X, W, S, A = draw(seed, kind, backend)
    backend = np.asarray if kind == "sparse" else backend
    model = S @ A.T
    ratio = data.ratio([backend(S), backend(A)])
    value = data.divergence(ratio)
    np.testing.assert_allclose(np.asarray(ratio.mttkrp([None, backend(A)], 0)), (W * X / model) @ A)
    logs = np.log(np.where(X > 0, X / model, 1.0))
    np.testing.assert_allclose(value, np.sum(W * (X * logs - X)))
    dC = np.random.default_rng(seed).standard_normal(S.shape)
    gradient = data.ratio_gradient(ratio, [backend(S), backend(A)], backend(dC))
    np.testing.assert_allclose(
        np.asarray(gradient.mttkrp([backend(S), None], 1)), -((dC @ A.T) * W * X / model**2).T @ S
    )
    for mode, expected in enumerate((W @ A, W.T @ S)):
        sums = np.asarray(data.weights_mttkrp([backend(S), backend(A)], mode))
        np.testing.assert_allclose(sums + 0 * expected, expected)


@pytest.mark.parametrize("kind", ["dense", "weighted", "sparse"])
def test_take(backend, kind):
    data, X, W, _, A = draw(0, kind, backend)
    backend = np.asarray if kind == "sparse" else backend
    rows = np.array([4, 0, 2])
    part = data.take(rows)
    assert part.shape == (3, 5)
    np.testing.assert_allclose(np.asarray(part.mttkrp([None, backend(A)], 0)), (W * X)[rows] @ A)
    np.testing.assert_allclose(part.norm_squared(), np.sum(W[rows] * X[rows] ** 2))


def test_a_model_of_zero_does_not_divide_by_zero(backend):
    data = hntf.as_data(backend(np.ones((2, 2))))
    ratio = data.ratio([backend(np.zeros((2, 1))), backend(np.zeros((2, 1)))])
    assert np.isfinite(np.asarray(ratio.array)).all()
    assert np.isfinite(data.divergence(ratio))
