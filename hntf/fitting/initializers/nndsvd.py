"""Nonnegative double SVD: the positive or negative parts of the leading singular vectors, level by level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.arrays import Array, from_numpy, to_numpy
from hntf.data import Data, DenseData
from hntf.fitting.scaling import balanced
from hntf.least_squares.solver import solve

OVERSAMPLING = 10
POWER_ITERATIONS = 4


def nndsvd(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Start from the nonnegative double SVD of the data and then of the codes, level by level; zeros are kept.

    References
    ----------
    Boutsidis, Gallopoulos (2008), *SVD based initialization: a head start for nonnegative matrix factorization*.
    """
    return _level_by_level(data, ranks, random_state, fill="zero")


def nndsvda(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Start as `nndsvd`, with zeros filled with the mean of their factor."""
    return _level_by_level(data, ranks, random_state, fill="mean")


def nndsvdar(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Start as `nndsvd`, with zeros filled with random numbers up to a hundredth of the mean of their factor."""
    return _level_by_level(data, ranks, random_state, fill="random")


def _level_by_level(data: Data, ranks: Sequence[int], random_state: np.random.RandomState, *, fill: str) -> list[Array]:
    factors = []
    for rank in ranks:
        A = _nonnegative_double_svd(data, rank, random_state)
        if fill == "mean":
            A[A == 0] = A.mean()
        elif fill == "random":
            zeros = A == 0
            A[zeros] = 0.01 * A.mean() * random_state.uniform(size=np.count_nonzero(zeros))
        factor = from_numpy(A, data.prototype)
        factors.append(factor)
        data = DenseData(solve(data.gram([None, factor]), data.mttkrp([None, factor], 0)).S)
    return balanced(factors)


def _nonnegative_double_svd(data: Data, rank: int, random_state: np.random.RandomState) -> np.ndarray:
    """Return the feature factor `(m, rank)`: for each singular pair, the larger of its positive and negative parts."""
    U, sigma, V = truncated_svd(data, rank, random_state)
    A = np.zeros((data.shape[1], rank))
    for j in range(len(sigma)):
        u, v = U[:, j], V[:, j]
        parts = [(np.maximum(sign * u, 0), np.maximum(sign * v, 0)) for sign in (1, -1)]
        weights = [np.linalg.norm(a) * np.linalg.norm(b) for a, b in parts]
        heavier = int(np.argmax(weights))
        if weights[heavier] > 0:
            side = parts[heavier][1]
            A[:, j] = np.sqrt(sigma[j] * weights[heavier]) * side / np.linalg.norm(side)
    # Columns beyond the rank of the data, or lost to rounding, start from noise: a zero column would remain zero.
    dead = ~A.any(axis=0)
    A[:, dead] = random_state.uniform(size=(len(A), np.count_nonzero(dead))) * (A.mean() or 1.0)
    return A


def truncated_svd(
    data: Data, rank: int, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the leading singular triplets by randomized subspace iteration, which only requires products with the data."""
    n, m = data.shape
    size = min(rank + OVERSAMPLING, n, m)
    V = np.linalg.qr(random_state.standard_normal((m, size)))[0]
    for _ in range(POWER_ITERATIONS):
        U = np.linalg.qr(to_numpy(data.mttkrp([None, from_numpy(V, data.prototype)], 0)))[0]
        projected = to_numpy(data.mttkrp([from_numpy(U, data.prototype), None], 1))
        V = np.linalg.qr(projected)[0]
    V, sigma, rotation = np.linalg.svd(projected, full_matrices=False)
    return (U @ rotation.T)[:, :rank], sigma[:rank], V[:, :rank]
