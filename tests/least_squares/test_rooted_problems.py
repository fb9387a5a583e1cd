import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
from hntf.least_squares.certificate import kkt_residual
from hntf.maps import Dense
from tests.problems import seeds


def of_nnls(A, B, weights, l1, l2):
    return hntf.nnls(A, B, weights=weights, l1=l1, l2=l2)


def of_torch(A, B, weights, l1, l2):
    X, A, weights = (None if x is None else torch.as_tensor(x) for x in (B.T, A, weights))
    return hntf.torch.nnls(X, A, weights=None if weights is None else weights.mT, l1=l1, l2=l2).numpy().T


def of_layer(A, B, weights, l1, l2):
    data = hntf.data.as_data(B.T, weights=None if weights is None else weights.T)
    return NNLSLayer(Dense(A), l1=l1, l2=l2).forward(data)[0].T


@given(
    seeds,
    st.sampled_from([of_nnls, of_torch, of_layer]),
    st.sampled_from(["none", "rows", "entries"]),
    st.sampled_from([0.0, 1e-3]),
)
@pytest.mark.parametrize("twins", [True, False])
def test_columns_smaller_than_the_root_of_their_ridge_keep_their_digits(twins, seed, solve, weighted, l1):
    rng = np.random.default_rng(seed)
    m, k, n = 12, 6, 4
    size = 10.0 ** rng.uniform(-12, 8, k)
    A = rng.random((m, k))
    if twins:
        A[:, 1] = A[:, 0] * (1 + 1e-9 * rng.random(m))
        size[:2] = 10.0 ** rng.uniform(2, 8)
    A = A * size
    l2 = 10.0 ** rng.uniform(-8, 2)
    B = A @ (rng.random((k, n)) / size[:, None]) + rng.standard_normal((m, n))
    weights = {"none": None, "rows": rng.random((m, 1)), "entries": rng.random((m, n))}[weighted]
    weights = None if weights is None else np.broadcast_to(weights, (m, n)) + 0.1

    X = np.asarray(solve(A, B, weights, l1, l2), np.longdouble)
    residual = (1.0 if weights is None else weights) * (A.astype(np.longdouble) @ X - B)
    Y = A.T.astype(np.longdouble) @ residual + np.longdouble(l2) * X + np.longdouble(l1)
    # The scale of a column is its own, not that of its penalty.
    scale = np.linalg.norm(A, axis=0)[:, None] * (np.linalg.norm(B, axis=0) + A.sum(axis=0) @ X) + l1
    violation = np.where(X > 0, np.abs(Y), np.maximum(-Y, 0))
    assert np.max(violation / scale) < 1e-13


def of_masked_layer(A, B, weights, l1, l2):
    hidden = np.arange(B.size).reshape(B.T.shape) % 7 == 0
    data = hntf.data.as_data(np.where(hidden, np.nan, B.T), mask="nan")
    return NNLSLayer(Dense(A), l1=l1, l2=l2).forward(data)[0].T


@pytest.mark.parametrize("solve", [of_nnls, of_torch, of_layer, of_masked_layer])
@pytest.mark.parametrize("size", [1e-8, 1e-12, 1e-16, 1e-100, 0.0])
@pytest.mark.parametrize("l2", [0.0, 1e-30])
def test_a_column_that_a_penalty_keeps_out_does_not_change_the_others(rng, solve, size, l2):
    A, B = rng.random((50, 12)), 5 * rng.random((50, 40))
    others = np.arange(12) != 3
    A[:, 3] *= size
    codes = solve(A, B, None, 1.0, l2)
    assert not codes[3].any()
    np.testing.assert_allclose(codes[others], solve(A[:, others], B, None, 1.0, l2), atol=1e-10)


def test_the_certificate_does_not_measure_by_a_column_that_a_penalty_keeps_out(rng):
    A, B = rng.random((50, 12)), 5 * rng.random((50, 40))
    A[:, 3] *= 1e-12
    expected = 1e-3 * np.abs(hntf.nnls(A, B, l1=1.0)).max()
    X, A_torch, support = (torch.as_tensor(x) for x in (B.T, A, np.ones((40, 12), bool)))
    for info in (
        hntf.nnls(A, B, l1=1.0, return_info=True)[1],
        hntf.torch.nnls(X, A_torch, l1=1.0, support=support, return_info=True)[1],
    ):
        assert info.kkt_residual < 1e-14
        (rows,) = info._problems
        wrong = kkt_residual(rows.G, rows.C, rows.S + expected, rows.Y + expected)
        assert float(wrong.min()) > 1e-6


@given(seeds, st.sampled_from([of_nnls, of_torch, of_layer]))
def test_more_columns_than_rows_with_a_tiny_ridge(seed, solve):
    rng = np.random.default_rng(seed)
    m, k = rng.integers(1, 4), rng.integers(3, 10)
    A, l2 = rng.standard_normal((m, k)), 10.0 ** rng.uniform(-22, -4)
    A = A * np.where(rng.random(k) < 0.5, 10.0 ** rng.uniform(0, 8, k), l2**0.5 * 10.0 ** rng.uniform(-6, 1, k))
    A[:, rng.random(k) < 0.1] = 0.0
    B = rng.random((m, 16))
    X = solve(A, B, None, 0.0, l2)
    norms = np.linalg.norm(A, axis=0)[:, None]
    assert not X[norms[:, 0] == 0].any()
    Y = A.T @ (A @ X - B) + l2 * X
    violation = np.where(X > 0, np.abs(Y), np.maximum(-Y, 0)) / (norms + (norms == 0))
    assert np.max(violation / (np.linalg.norm(B, axis=0) + norms[:, 0] @ X)) < 1e-9
