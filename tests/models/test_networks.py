import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.hierarchies import SparseCoding, Unfolded
from hntf.losses import CrossEntropy, Energy, LabelL2, Penalised, Reconstruction, Supervised
from tests.problems import few, seeds


@few
@given(seed=seeds, beta=st.sampled_from([1, 2]), untied=st.integers(0, 3), weighted=st.booleans())
def test_gradients_of_unfolded_updates(backend, seed, beta, untied, weighted):
    rng = np.random.default_rng(seed)
    X, y = backend(rng.random((8, 6))), np.concatenate([[0, 1], rng.integers(-1, 2, 6)])
    data = hntf.as_data(X, weights=backend(rng.random((8, 6)))) if weighted else X
    factors = [backend(rng.random((6, 3)) + 0.1) for _ in range(untied + 1)]
    model = Unfolded(factors, n_steps=4, beta=beta, sparsity=0.1)
    report = hntf.gradcheck(Supervised(Reconstruction(), LabelL2()), [model, data, y], rtol=1e-5)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


@pytest.mark.parametrize("beta", [1, 2])
def test_unfolded_updates_are_those_of_the_paper(rng, beta):
    X, A = rng.random((5, 4)), [rng.random((4, 2)) for _ in range(3)]
    model = Unfolded(A, n_steps=4, beta=beta, sparsity=0.2)
    S = np.repeat(X.sum(axis=1, keepdims=True) / 8, 2, axis=1)
    for D in (A[0], A[0], A[1], A[2]):
        model_of_X = S @ D.T
        S = S * ((X * model_of_X ** (beta - 2)) @ D) / (model_of_X ** (beta - 1) @ D + 0.2)
    tape = model.solve(hntf.as_data(X))
    np.testing.assert_allclose(tape.S, S)
    error = np.linalg.norm(X - S @ A[-1].T) / np.linalg.norm(X)
    np.testing.assert_allclose(model.relative_errors(tape), [error])


@pytest.mark.slow
@few
@given(seed=seeds, train=st.booleans())
def test_gradients_of_sparse_coding(backend, seed, train):
    rng = np.random.default_rng(seed)
    X, y = backend(rng.standard_normal((6, 3))), np.concatenate([[0, 1], rng.integers(-1, 2, 4)])
    pairs = [(backend(rng.random(shape)), backend(rng.random(shape))) for shape in ((3, 4), (4, 2))]
    penalties = backend(rng.uniform(0.01, 0.1, (2, 2)))
    model = SparseCoding(pairs, penalties, train_penalties=train)
    assert len(model.factors) == 4 + train
    report = hntf.gradcheck(Supervised(Energy(), CrossEntropy()), [model, X, y], rtol=1e-5)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_layers_of_sparse_coding_are_elastic_nets(rng):
    X = rng.standard_normal((7, 5))
    pairs = [(rng.random((5, 6)), rng.random((5, 6))), (rng.random((6, 2)), rng.random((6, 2)))]
    model = SparseCoding(pairs, np.array([[0.05, 0.1], [0.02, 0.3]]))
    first, second = model.codes(model.solve(hntf.as_data(X)))
    D = [(P - N) / np.linalg.norm(P - N, axis=0) for P, N in pairs]
    np.testing.assert_allclose(first, hntf.nnls(D[0], X.T, l1=0.05, l2=0.1).T, atol=1e-10)
    np.testing.assert_allclose(second, hntf.nnls(D[1], first.T, l1=0.02, l2=0.3).T, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Unfolded([np.ones((3, 2))] * 4, n_steps=2), "n_steps"),
        (lambda: Unfolded([np.ones((3, 2))], n_steps=2, beta=0), "beta"),
        (lambda: SparseCoding([(np.ones((3, 2)), np.ones((3, 2)))], np.ones((2, 2))), "penalties must have shape"),
        (lambda: SparseCoding([(np.ones((3, 2)),) * 2, (np.ones((3, 2)),) * 2], np.ones((2, 2))), "fit on each other"),
        (lambda: Penalised(Energy(), code_l1=-1.0), "code_l1"),
    ],
)
def test_bad_networks_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
