"""Dictionaries of overlapping columns, where rounding of a long search would show: against SciPy, and by their optimality."""

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense


def overlapping(k, width):
    t = np.arange(k)
    return np.exp(-(((t[:, None] - t) / width) ** 2))


def relaxation(k):
    return np.exp(-np.linspace(0.01, 3, k + 5)[:, None] / np.logspace(-2, 1, k))


DICTIONARIES = {
    "narrow": overlapping(60, 2),
    "wide": overlapping(100, 6),
    "wider": overlapping(60, 8),
    "relaxation": relaxation(40),
}


def residuals(A, X, B):
    return np.linalg.norm(A @ X - B, axis=0) / np.linalg.norm(B, axis=0)


@pytest.mark.parametrize("name", DICTIONARIES)
@pytest.mark.parametrize("noise", [0.0, 1e-6, 1e-3])
def test_residuals_are_as_small_as_those_of_scipy(name, noise):
    A, rng = DICTIONARIES[name], np.random.default_rng(0)
    B = A @ rng.random((A.shape[1], 60))
    B += noise * rng.standard_normal(B.shape)
    X, info = hntf.nnls(A, B, return_info=True)
    expected = np.stack([scipy.optimize.nnls(A, b)[0] for b in B.T], axis=1)
    assert (residuals(A, X, B) - residuals(A, expected, B)).max() < 1e-13
    assert info.kkt_residual < 1e-14
    # Rounding ends no search by its maximum of iterations.
    assert info.n_iter < 12 * A.shape[1]
    again, info = hntf.nnls(A, B, support=X > 0, return_info=True)
    assert (residuals(A, again, B) - residuals(A, expected, B)).max() < 1e-13
    assert info.kkt_residual < 1e-14


@pytest.mark.parametrize("name", DICTIONARIES)
def test_a_start_leaves_nothing_behind_under_a_sparsity_penalty(name):
    A, rng = DICTIONARIES[name], np.random.default_rng(0)
    B = A @ rng.random((A.shape[1], 60))
    expected = hntf.nnls(A, B, l1=0.5)
    for support in (np.ones(expected.shape, bool), rng.random(expected.shape) < 0.5):
        X, info = hntf.nnls(A, B, l1=0.5, support=support, return_info=True)
        assert info.kkt_residual < 1e-14
        costs = [0.5 * np.square(A @ S - B).sum(axis=0) + 0.5 * S.sum(axis=0) for S in (X, expected)]
        np.testing.assert_allclose(*costs, rtol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_more_columns_than_a_gram_matrix_tells_apart(seed):
    rng, (m, k) = np.random.default_rng(seed), (20, 50)
    Q, P = (np.linalg.qr(rng.standard_normal((n, m)))[0] for n in (m, k))
    A = Q * np.logspace(0, -5, m) @ P.T
    X = rng.random((20, m))
    _, info = hntf.nnls_gram(A.T @ A, X @ A, return_info=True)
    assert info.kkt_residual < 1e-13


@pytest.mark.parametrize("exponent", [3.3, 3.9, 4.6, 6.0, 8.0])
def test_gradients_do_not_square_the_condition_number(exponent):
    rng, (m, k) = np.random.default_rng(0), (30, 8)
    Q, P = (np.linalg.qr(rng.standard_normal((n, k)))[0] for n in (m, k))
    A = (Q * np.logspace(0, -exponent, k)) @ P.T
    X = np.maximum(rng.standard_normal((20, k)), 0) @ A.T + 1e-3 * rng.standard_normal((20, m))
    dS = rng.standard_normal((20, k))
    layer = NNLSLayer(Dense(A))
    _, tape = layer.forward(X)
    dX, _ = layer.backward(tape, dS)
    for row, support, cotangent in zip(dX, tape.support, dS, strict=True):
        # `A_P (A_PᵀA_P)⁻¹ d = Q R⁻ᵀ d`
        basis, R = np.linalg.qr(A[:, support])
        expected = basis @ scipy.linalg.solve_triangular(R, cotangent[support], trans="T")
        np.testing.assert_allclose(row, expected, atol=1e-14 * 10**exponent * np.abs(expected).max(initial=1e-300))


@pytest.mark.parametrize("exponent", [4, 6, 8, 10])
@pytest.mark.parametrize("l1", [1e-30, 1e-14])
def test_a_tiny_penalty_takes_no_digits(exponent, l1):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        U, V = (np.linalg.qr(rng.standard_normal((n, 5)))[0] for n in (12, 5))
        A = (U * np.logspace(0, -exponent, 5)) @ V.T
        S = rng.random((5, 3)) + 0.1
        B = A @ S
        X, info = hntf.nnls(A, B, l1=l1, return_info=True)
        # The cost is at most that of the code itself.
        assert np.linalg.norm(A @ X - B) <= 1e-14 + (2 * l1 * S.sum()) ** 0.5
        assert info.kkt_residual < 1e-14
        if l1 == 1e-30:
            assert np.linalg.norm(A @ X - B) < 1e-14
            np.testing.assert_allclose(X, S, rtol=1e-14 * 10.0 ** (1.2 * exponent))


@pytest.mark.parametrize("delta", [1e-3, 3e-3, 1e-2, 3e-2, 1e-1])
@pytest.mark.parametrize("is_torch", [False, True])
def test_moderate_conditions_take_no_digits(delta, is_torch):
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a = rng.standard_normal(10)
        A = np.stack([a, -a + delta * rng.standard_normal(10)], axis=1)
        b = A @ np.ones(2)
        x = hntf.torch.nnls(*map(torch.tensor, (b[None], A)))[0].numpy() if is_torch else hntf.nnls(A, b)
        assert np.linalg.norm(A @ x - b) < 5e-13
        assert np.abs(x - 1).max() < 5e-12


@pytest.mark.parametrize("name", [*DICTIONARIES, "dependent", "fewer entries than columns", "graded"])
@pytest.mark.parametrize("l1", [0.0, 1e-3])
def test_rows_with_weights_of_their_own(name, l1):
    rng = np.random.default_rng(0)
    A = {
        "dependent": rng.random((30, 10)) @ rng.random((10, 40)),
        "fewer entries than columns": rng.random((20, 30)),
        "graded": rng.random((30, 8)) * 10.0 ** np.arange(0, -160, -20),
    }.get(name)
    A = DICTIONARIES[name] if A is None else A
    B = A @ rng.random((A.shape[1], 30)) + 1e-3 * rng.standard_normal((len(A), 30))
    W = (rng.random(B.shape) < 0.7) * rng.random(B.shape)
    W[:, 0] = 0.0
    roots = np.sqrt(W)
    hidden = np.where(W > 0, B, np.nan)
    X, info = hntf.nnls(A, hidden, weights=W, l1=l1, return_info=True)
    assert info.kkt_residual < 1e-13
    np.testing.assert_array_equal(X[:, 0], 0)
    for i in range(1, 30):
        # The same problem by itself, and SciPy's, in which a penalty on the sum has no place.
        alone = hntf.nnls(A * roots[:, i, None], B[:, i] * roots[:, i], l1=l1)
        costs = [0.5 * np.sum((roots[:, i] * (A @ x - B[:, i])) ** 2) + l1 * x.sum() for x in (X[:, i], alone)]
        np.testing.assert_allclose(*costs, rtol=1e-10, atol=1e-25)
        if not l1:
            expected = scipy.optimize.nnls(A * roots[:, i, None], B[:, i] * roots[:, i])[1]
            assert (2 * costs[0]) ** 0.5 <= expected + 1e-13 * np.linalg.norm(B[:, i])
    as_torch = hntf.torch.nnls(torch.tensor(B.T.copy()), torch.tensor(A), weights=torch.tensor(W.T.copy()), l1=l1)
    np.testing.assert_allclose(A @ as_torch.numpy().T, A @ X, atol=1e-9 * np.abs(B).max())


@pytest.mark.parametrize("n", [0, 1, 2])
def test_weights_of_few_rows(n, backend):
    A, B = np.ones((3, 2)), np.ones((3, n))
    for dictionary in (A, np.zeros((3, 2))):
        X = hntf.nnls(backend(dictionary), backend(B), weights=backend(B))
        assert tuple(X.shape) == (2, n)
        np.testing.assert_allclose(np.asarray(X).sum(axis=0), float(dictionary.any()))
