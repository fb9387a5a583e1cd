"""Problems in square-root form: `R` with `G = RᵀR`, on which the condition number of the Gram matrix is not squared.

A factor has a square root by an orthogonal factorization; a Gram matrix that is given alone has one by its eigenvalues, with the
accuracy that the Gram matrix has. Both leave out what lies below rounding.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from hntf.least_squares.gram import unit_columns
from hntf.scales import EPS, inverse_power
from hntf.threads import over_rows

REMEMBERED = 8
"""Number of Gram matrices whose condition and inverse are remembered: for a backward pass, and other parts of the samples."""

INVERSE_ITERATIONS = 3
"""Number of inverse iterations that estimate the smallest eigenvalue."""

WELL_CONDITIONED = 1e-4
"""Reciprocal condition number of a Gram matrix with unit columns above which its inverse is used."""

FEWEST_COLUMNS = 5
"""Number of columns from which updates of the inverse are worth it."""

GRAM_ROUNDING = 32
"""Rounding error of the eigenvalues of a Gram matrix with unit columns, in units of `k` times the machine epsilon."""


class SquareRoot(NamedTuple):
    """A square root of a Gram matrix.

    Attributes
    ----------
    columns : array, `(k, q)`, float64, C-contiguous
        The columns of `R` as rows.
    basis : array, `(m, q)` or `(k, q)`
        The matrix that takes a sample `x` `(m,)`, or a right-hand side `c` `(k,)`, to `z` with `Rᵀz = c`.
    tolerance : float
        The relative distance from the span of other columns at which a column depends on them.
    """

    columns: np.ndarray
    basis: np.ndarray
    tolerance: float


def reciprocal_condition(G: np.ndarray) -> float:
    """Return an estimate of the reciprocal condition number of a Gram matrix `(1, k, k)` with unit columns.

    Zero columns, which never enter a support, do not count. Pivots do not bound it: all those of `I - triu(1, 1)` are 1. For
    several Gram matrices return 1: each is judged where it is eliminated.
    """
    return _reciprocal_condition(G[0].tobytes(), G.shape[-1]) if len(G) == 1 else 1.0


@lru_cache(REMEMBERED)
def _reciprocal_condition(content: bytes, k: int) -> float:
    G = np.frombuffer(content).reshape(k, k)
    nonzero = np.diagonal(G) > 0
    G = G if nonzero.all() else G[np.ix_(nonzero, nonzero)]
    if len(G) <= 1:
        return 1.0
    scaled, _ = unit_columns(G)
    factor, failed = scipy.linalg.lapack.dpotrf(scaled)
    if failed:
        return 0.0
    norm = float(np.abs(scaled).sum(axis=0).max())
    estimate, _ = scipy.linalg.lapack.dpocon(factor, norm)
    # Inverse iteration from a random vector, too: symmetries, such as those of twins, can mislead the estimate.
    v, size = _random_vector(len(G)), 1.0
    for _ in range(INVERSE_ITERATIONS):
        v, _ = scipy.linalg.lapack.dpotrs(factor, v / size)
        size = float(v @ v) ** 0.5
    return min(float(estimate), 1.0 / (norm * size))


@cache
def _random_vector(k: int) -> np.ndarray:
    """Return a random vector of unit norm."""
    v = np.random.default_rng(0).standard_normal(k)
    return v / np.linalg.norm(v)


def inverse_of(G: np.ndarray, n: int, condition: float) -> np.ndarray:
    """Return the inverse of the Gram matrix `(1, k, k)` of `n` rows if it is well-conditioned and worth it, otherwise `(0, 0)`.

    `condition` is its reciprocal condition number.
    """
    k = G.shape[-1]
    if len(G) > 1 or n < k or k < FEWEST_COLUMNS or condition < WELL_CONDITIONED or not np.all(np.diagonal(G[0]) > 0):
        return np.empty((0, 0))
    return _inverse(G[0].tobytes(), k)


@lru_cache(REMEMBERED)
def _inverse(content: bytes, k: int) -> np.ndarray:
    scaled, norms = unit_columns(np.frombuffer(content).reshape(k, k))
    return np.linalg.inv(scaled) / norms / norms[:, None]


def of_factor(A: np.ndarray) -> SquareRoot:
    """Return `R` and `Q` with `A = Q R` up to rounding; `R` has as many rows as the numerical rank."""
    # Scaling by powers of two is exact and makes the columns comparable; columns of subnormal size count as zero.
    largest = np.max(np.abs(A), axis=0)
    scale = inverse_power(largest)
    A = np.where(largest * scale < 0.5, 0.0, A)
    Q, R, order = scipy.linalg.qr(A * scale, mode="economic", pivoting=True)
    diagonal = np.abs(np.diagonal(R))
    rank = int(np.count_nonzero(diagonal > 0.25 * EPS * diagonal[0]))
    columns = np.empty((A.shape[1], rank))
    columns[order] = R[:rank].T
    return SquareRoot(
        np.ascontiguousarray(columns / scale[:, None]), np.ascontiguousarray(Q[:, :rank]), 8 * len(columns) * EPS
    )


def of_gram(G: np.ndarray) -> SquareRoot:
    """Return `R` and `T` with `G = RᵀR` and `z = c T`."""
    (columns,), (basis,), tolerance = of_grams(G[None])
    kept = basis.any(axis=0)
    return SquareRoot(np.ascontiguousarray(columns[:, kept]), basis[:, kept], tolerance)


def of_grams(G: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the columns `(g, k, k)`, bases `(g, k, k)` and the tolerance of the square roots of Gram matrices.

    Of directions that are rounding both are zero.
    """
    scaled, norms = unit_columns(G)
    values, vectors = np.linalg.eigh(scaled)
    rounding = GRAM_ROUNDING * G.shape[-1] * EPS
    kept = values > rounding * np.maximum(values[:, -1:], 0.0)
    roots = np.sqrt(np.where(kept, values, 1.0))[:, None, :]
    vectors = np.where(kept[:, None, :], vectors, 0.0)
    norms = norms[:, :, None]
    columns = np.where(np.einsum("gjj->gj", G)[:, :, None] > 0, vectors * roots * norms, 0.0)
    # Half of what is kept: a support that is independent in exact arithmetic is never rejected.
    return np.ascontiguousarray(columns), vectors / roots / norms, 0.5 * rounding**0.5


def in_basis(root: SquareRoot, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return right-hand sides as samples `Z` and linear costs `F = Z R − C`, which no column reaches; `F` is empty for rounding."""
    (Z,), (F,) = in_bases(root.columns[None], root.basis[None], C[None])
    return Z, F if F.any() else F[:0]


def in_bases(columns: np.ndarray, bases: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return samples `(g, n, q)` and linear costs `(g, n, k)` of right-hand sides `(g, n, k)` of Gram matrices."""
    norms = np.linalg.norm(columns, axis=2)[:, None, :]
    norms = norms + (norms == 0)
    largest = np.max(np.abs(C) / norms, axis=2, keepdims=True)
    # What would be a huge sample along a short direction stays a linear cost: it would hide the rest of `z` in rounding.
    Z = np.clip(C @ bases, -largest, largest)
    F = Z @ columns.transpose(0, 2, 1) - C
    F[np.abs(F) <= 64 * C.shape[2] * EPS * largest * norms] = 0.0
    return Z, F


def solve(
    root: SquareRoot, Z: np.ndarray, F: np.ndarray, support: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` for every row, from a known support or from zero.

    Parameters
    ----------
    root : SquareRoot
        The square root of the Gram matrix.
    Z : array, `(n, q)`
        The samples in its basis.
    F : array, `(n, k)` or `(0, k)`
        Linear costs; an empty array is zero.
    support : bool array, `(n, k)`, or None
        The columns from which the search starts.

    Returns
    -------
    S, support : arrays, `(n, k)`
        The solution, and where it is positive.
    iterations : array, `(n,)`
        The iterations of every row.
    """
    from hntf.least_squares.active_set import active_set

    return searched(active_set, (root.columns, root.tolerance), Z, F, support, len(root.columns))


def searched(
    kernel: Any, given: tuple[Any, ...], Z: np.ndarray, F: np.ndarray, support: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a kernel of the active set over all rows, with `k` columns; `given` are its first arguments."""
    n, q = Z.shape
    S, iterations = np.empty((n, k)), np.empty(n, np.int64)
    found = np.zeros((n, k), bool) if support is None else np.array(support, bool, order="C")
    arguments = (*given, np.ascontiguousarray(Z), np.ascontiguousarray(F), S, found, iterations)
    over_rows(lambda first, last: kernel(*arguments, first, last), n, q * k**2)
    return S, found, iterations


def solve_on_support(root: SquareRoot, D: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Solve `R_PᵀR_P v_P = d_P` on the support `P` of every row, zero elsewhere."""
    from hntf.least_squares.active_set import on_support

    return solved_on_support(on_support, (root.columns, root.tolerance), D, support, root.columns.shape[1])


def solved_on_support(kernel: Any, given: tuple[Any, ...], D: np.ndarray, support: np.ndarray, q: int) -> np.ndarray:
    """Run a kernel that solves on supports over all rows, with columns of length `q`; `given` are its first arguments."""
    V = np.empty(D.shape)
    arguments = (*given, np.ascontiguousarray(D), np.ascontiguousarray(support), V)
    over_rows(lambda first, last: kernel(*arguments, first, last), len(D), q * D.shape[1] ** 2)
    return V
