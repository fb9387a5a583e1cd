"""The support of every row and the solution on it, by the implementation that fits the array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, host_view, to_numpy
from hntf.least_squares import kinks, portable
from hntf.least_squares.gram import Gram, StructuredGram, row_grams, unit_columns
from hntf.least_squares.on_support import kernel_arrays
from hntf.threads import over_rows

GUESS_RIDGE = 1e-10
"""Relative ridge for the first guess of a support, large enough to invert any Gram matrix."""


class Solution(NamedTuple):
    """The solution of `min_{S ≥ 0} ½⟨S G, S⟩ − ⟨C, S⟩`: `S`, `support`, both `(n, k)`, and the largest iteration count of a row."""

    S: Array
    support: Array
    n_iter: int


def solve(G: Gram, C: Array, support: Array | None = None) -> Solution:
    """Solve `min_{s ≥ 0} ½ sᵀG s − cᵀs` exactly for every row `c` of `C`.

    Parameters
    ----------
    G : array, `(k, k)` or `(g, k, k)` with `g` a divisor of `n`, float64, or a StructuredGram
        Symmetric positive semidefinite Gram matrices; row `i` uses `G[i // (n // g)]`.
    C : array, `(n, k)`, float64
        Right-hand sides; each row must be in the range of its Gram matrix.
    support : bool array, `(n, k)`, optional
        The support from which the search starts, for example that of the solution of a nearby problem.

    Returns
    -------
    Solution
        The support is where `S > 0`, and its columns are linearly independent.
    """
    if isinstance(G, StructuredGram):
        return Solution(*G.solve(C, support))
    if host_view(C) is None:
        solution = _solve_portable(G, C, support)
    else:
        grams, rows = kernel_arrays(G, C)
        S, found, n_iter = _solve_compiled(grams, rows, None if support is None else host_view(support))
        solution = Solution(from_numpy(S, C), from_numpy(found, C), n_iter)
    kinks.record(G, C, solution.S, solution.support)
    return solution


def _max_iterations(k: int) -> int:
    return 5 * k + 20


def _solve_compiled(G: np.ndarray, C: np.ndarray, start: np.ndarray | None) -> Solution:
    from hntf.least_squares import compiled

    n, k = C.shape
    S = np.empty((n, k))
    support = np.empty((n, k), bool) if start is None else np.array(start, bool, order="C")
    iterations = np.empty(n, np.int64)
    warm = start is not None
    guess = np.empty((k, k)) if warm else _guess(G)
    arguments = (G, guess, C, S, support, iterations, warm, _max_iterations(k))
    over_rows(lambda first, last: compiled.block_pivoting(*arguments, first, last), n, k**3 // 3)
    hard = np.flatnonzero(iterations < 0)
    if len(hard):
        iterations[hard] = np.abs(iterations[hard]) + _solve_hard(G, C, S, support, hard)
    return Solution(S, support, int(iterations.max(initial=0)))


def _guess(G: np.ndarray) -> np.ndarray:
    """Return a matrix `M` such that the signs of `c M` guess the support: those of the unconstrained solution."""
    k = G.shape[-1]
    if len(G) > 1:
        return np.eye(k)
    scaled, norms = unit_columns(G[0])
    # A zero column does not affect the solution; any positive diagonal entry keeps the matrix invertible.
    scaled[np.diag_indices(k)] = 1.0 + GUESS_RIDGE
    return np.linalg.inv(scaled) / norms[:, None]


def _solve_hard(G: np.ndarray, C: np.ndarray, S: np.ndarray, support: np.ndarray, hard: np.ndarray) -> np.ndarray:
    """Solve the rows `hard` in place by the active set on a square root of their Gram matrix; return the iteration counts."""
    rows_per_gram = len(C) // len(G)
    iterations = np.empty(len(hard), np.int64)
    for gram in np.unique(hard // rows_per_gram):
        here = hard // rows_per_gram == gram
        rows = hard[here]
        R, to_least_squares = _square_root(G[gram])
        if len(R) == 0:
            S[rows], support[rows], iterations[here] = 0.0, False, 0
            continue
        # The last iterate of the pivoting is not feasible, so the active set starts from zero.
        S[rows], support[rows], iterations[here] = _active_set(R, C[rows] @ to_least_squares, np.zeros_like(C[rows]))
    return iterations


def _square_root(G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `R` with `G = RᵀR`, and `T` such that `R` and `z = c T` define the least-squares problem of `(G, c)`."""
    scaled, norms = unit_columns(G)
    values, vectors = np.linalg.eigh(scaled)
    kept = values > 8 * len(G) * np.finfo(np.float64).eps * max(values[-1], 0.0)
    roots, vectors = np.sqrt(values[kept]), vectors[:, kept]
    return roots[:, None] * vectors.T * norms, (vectors / roots) / norms[:, None]


def _active_set(R: np.ndarray, Z: np.ndarray, S: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    from hntf.least_squares.active_set import active_set

    S = np.array(S, order="C")
    support = np.empty(S.shape, bool)
    iterations = np.empty(len(S), np.int64)
    arguments = (np.ascontiguousarray(R), np.ascontiguousarray(Z), S, support, iterations)
    work = R.shape[0] * S.shape[1] ** 2
    over_rows(lambda first, last: active_set(*arguments, first, last), len(S), work)
    return S, support, iterations


def refine(R: Array, Z: Array, S: Array) -> Solution:
    """Solve `min_{s ≥ 0} ‖R s − z‖` for every row `z` of `Z` without squaring the condition number of `R`, from `S`.

    Parameters
    ----------
    R : array, `(q, k)`, float64
        The matrix of all problems.
    Z : array, `(n, q)`, float64
        Right-hand sides.
    S : array, `(n, k)`, float64
        The solution from the Gram matrix, with the accuracy that it allows.
    """
    refined, support, iterations = _active_set(to_numpy(R), to_numpy(Z), to_numpy(S))
    return Solution(from_numpy(refined, S), from_numpy(support, S), int(iterations.max(initial=0)))


def _solve_portable(G: Array, C: Array, support: Array | None) -> Solution:
    S, support, iterations = portable.block_pivoting(G, C, support, _max_iterations(C.shape[1]))
    hard = iterations < 0
    if bool(hard.max()):
        tl = backend_of(C)
        grams = row_grams(G, len(C))
        grams = to_numpy(grams if grams.ndim == 2 else grams[hard])
        exact = _solve_compiled(grams.reshape(-1, *grams.shape[-2:]), to_numpy(C[hard]), None)
        S[hard], support[hard] = from_numpy(exact.S, C), from_numpy(exact.support, C)
        iterations = tl.where(hard, 0 * iterations + exact.n_iter, iterations)
    return Solution(S, support, int(iterations.max()))
