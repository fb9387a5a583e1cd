import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.losses import LabelL2, Reconstruction, Supervised
from hntf.models import Unrolled
from tests.problems import few, seeds


@few
@given(seed=seeds, beta=st.sampled_from([1, 2]), untied=st.integers(0, 3), weighted=st.booleans())
def test_gradients_of_unrolled_updates(backend, seed, beta, untied, weighted):
    rng = np.random.default_rng(seed)
    X, y = backend(rng.random((8, 6))), np.concatenate([[0, 1], rng.integers(-1, 2, 6)])
    data = hntf.as_data(X, weights=backend(rng.random((8, 6)))) if weighted else X
    factors = [backend(rng.random((6, 3)) + 0.1) for _ in range(untied + 1)]
    model = Unrolled(factors, n_steps=4, beta=beta, sparsity=0.1)
    report = hntf.gradcheck(Supervised(Reconstruction(), LabelL2()), [model, data, y], rtol=1e-5)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


@pytest.mark.parametrize("beta", [1, 2])
def test_unrolled_updates_are_those_of_the_paper(rng, beta):
    X, A = rng.random((5, 4)), [rng.random((4, 2)) for _ in range(3)]
    model = Unrolled(A, n_steps=4, beta=beta, sparsity=0.2)
    S = np.repeat(X.sum(axis=1, keepdims=True) / 8, 2, axis=1)
    for D in (A[0], A[0], A[1], A[2]):
        model_of_X = S @ D.T
        S = S * ((X * model_of_X ** (beta - 2)) @ D) / (model_of_X ** (beta - 1) @ D + 0.2)
    data = hntf.as_data(X)
    tape = model.solve(data)
    np.testing.assert_allclose(tape.S, S)
    error = np.linalg.norm(X - S @ A[-1].T) / np.linalg.norm(X)
    np.testing.assert_allclose(model.errors(data, model.codes(tape)), [error])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Unrolled([np.ones((3, 2))] * 4, n_steps=2), "n_steps"),
        (lambda: Unrolled([np.ones((3, 2))], n_steps=2, beta=0), "beta"),
    ],
)
def test_bad_networks_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
