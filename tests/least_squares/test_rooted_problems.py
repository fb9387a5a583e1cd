import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
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
