"""The support of every row and the solution on it, by the implementation that fits the array."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, host_view, to_numpy
from hntf.least_squares import kinks, portable, square_root
from hntf.least_squares.gram import Gram, StructuredGram, row_grams, unit_columns
from hntf.least_squares.on_support import kernel_arrays, solve_on_support
from hntf.least_squares.rooted_problems import ILL_CONDITIONED, SINGULAR, RootedProblems, from_grams
from hntf.threads import over_rows

LEAST_REACHED = 1e-4
"""Reciprocal condition number below which a search goes on in square-root form where the dual of a column outside is rounding."""

FEW_ENTRIES = 300
"""Number of entries of a code up to which an inverse costs more than a search without a guess."""

GUESS_RIDGE = 1e-10
"""Relative ridge for the first guess of a support, large enough to invert any Gram matrix."""


class Solution(NamedTuple):
    """The solution of `min_{S ≥ 0} ½⟨S G, S⟩ − ⟨C, S⟩`.

    Attributes
    ----------
    S, support : arrays, `(n, k)`
        The solution, and where it is positive.
    n_iter : int
        The largest number of iterations of a row.
    """

    S: Array
    support: Array
    n_iter: int


def solve(G: Gram, C: Array, support: Array | None = None, rooted: RootedProblems | None = None) -> Solution:
    """Solve `min_{s ≥ 0} ½ sᵀG s − cᵀs` exactly for every row `c` of `C`.

    Parameters
    ----------
    G : array, `(k, k)` or `(g, k, k)` with `g` a divisor of `n`, float64, or a StructuredGram
        Symmetric positive semidefinite Gram matrices; row `i` uses `G[i // (n // g)]`.
    C : array, `(n, k)`, float64
        Right-hand sides; each row must be in the range of its Gram matrix.
    support : bool array, `(n, k)`, optional
        The support from which the search starts, for example that of the solution of a nearby problem.
    rooted : RootedProblems, optional
        The same problems in square-root form, which is more accurate than the Gram matrices if it comes from a factor. It is
        used for ill-conditioned problems.

    Returns
    -------
    Solution
        The support is where `S > 0`, and its columns are linearly independent.
    """
    if isinstance(G, StructuredGram):
        return Solution(*G.solve(C, support, rooted))
    solution = solve_rows(G, C, support, rooted)
    kinks.record(G, C, solution.S, solution.support)
    return solution


def solve_rows(G: Array, C: Array, support: Array | None = None, rooted: RootedProblems | None = None) -> Solution:
    """Solve as `solve` does, without a record of the supports."""
    if host_view(C) is None:
        return _solve_portable(G, C, support)
    grams, rows = kernel_arrays(G, C)
    solution = _solve_compiled(grams, rows, None if support is None else host_view(support), rooted)
    return solution._replace(S=from_numpy(solution.S, C), support=from_numpy(solution.support, C))


def max_iterations(k: int) -> int:
    """Return the number of iterations of block pivoting after which a row is left to the active set."""
    return 5 * k + 20


def _solve_compiled(
    G: np.ndarray, C: np.ndarray, start: np.ndarray | None, rooted: RootedProblems | None = None
) -> Solution:
    from hntf.least_squares import compiled

    n, k = C.shape
    if rooted is not None:
        C = rooted.bounded(C, G)
    condition = square_root.reciprocal_condition(G)
    if rooted is not None and len(G) > 1 and rooted.is_ill_conditioned:
        return search(rooted, n, n // len(G), start)
    if condition < SINGULAR:
        S, support, iterations = (rooted or from_grams(G, C)).solve(0, np.arange(n), start)
        return Solution(S, support, int(iterations.max(initial=0)))
    S, iterations = np.empty((n, k)), np.empty(n, np.int64)
    # Well-conditioned columns do not nearly depend on a support.
    reached = np.zeros((n if len(G) > 1 or condition < LEAST_REACHED else 0, k), bool)
    support = C > 0 if start is None else np.array(start, bool, order="C")
    guess = _guess(G, n) if start is None else np.empty((0, k, k))
    arguments = (G, guess, C, S, support, reached, iterations, max_iterations(k))
    over_rows(lambda first, last: compiled.block_pivoting(*arguments, first, last), n, k**3 // 3)
    hard, iterations = iterations < 0, np.abs(iterations)
    if len(G) > 1:
        # Of a single Gram matrix, the condition bounds that of its columns.
        found = _conditions(G, C, reached)
        limits = (SINGULAR,) * 2 if rooted is None else (ILL_CONDITIONED, LEAST_REACHED)
        hard |= ~(found >= np.where((reached == support).all(axis=1), *limits))
        if rooted is not None:
            _refine_rows(G, rooted, S, support, hard, np.flatnonzero(~hard & (found < rooted.refined_below)))
    elif rooted is not None and condition < max(LEAST_REACHED, rooted.refined_below):
        _improve(G, condition, rooted, S, support, reached, iterations, hard)
    if hard.any():
        # The last iterate of the pivoting is not feasible, so the search starts from zero.
        S[hard], support[hard], more = (rooted or from_grams(G, C)).search_rows(np.flatnonzero(hard), n // len(G))
        iterations[hard] += more
    return Solution(S, support, int(iterations.max(initial=0)))


def search(rooted: RootedProblems, n: int, rows_per_gram: int, start: np.ndarray | None) -> Solution:
    """Return the solution of all rows by the active set."""
    S, support, iterations = rooted.search_rows(np.arange(n), rows_per_gram, start)
    return Solution(S, support, int(iterations.max(initial=0)))


def _conditions(G: np.ndarray, C: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Return estimates of the reciprocal condition numbers of the columns `reached` of every row, with unit norm."""
    from hntf.least_squares import compiled

    n, k = C.shape
    found = np.empty(n)
    over_rows(lambda first, last: compiled.conditions(G, C, reached, found, first, last), n, k**3 // 6)
    return found


def _refine_rows(
    G: np.ndarray, rooted: RootedProblems, S: np.ndarray, support: np.ndarray, hard: np.ndarray, rows: np.ndarray
) -> None:
    """Refine the solutions of some rows in place by their residuals; rows in which an entry is lost become hard."""
    if not len(rows):
        return
    per_gram = len(S) // len(G)
    Y = rooted.residual_gradients(rows, per_gram, S[rows])
    S[rows] -= solve_on_support(G if len(G) == 1 else G[rows // per_gram], Y, support[rows])
    hard[rows] = np.any(support[rows] & (S[rows] <= 0), axis=1)


def _improve(
    G: np.ndarray,
    condition: float,
    rooted: RootedProblems,
    S: np.ndarray,
    support: np.ndarray,
    reached: np.ndarray,
    iterations: np.ndarray,
    hard: np.ndarray,
) -> None:
    """Improve solutions in place where the Gram matrix is not accurate enough; tell which rows become hard."""
    doubtful = (reached != support).any(axis=1) if len(reached) else np.zeros(len(S), bool)
    if condition < rooted.refined_below:
        _refine_rows(G, rooted, S, support, hard, np.flatnonzero(~hard & ~doubtful))
    if len(rows := np.flatnonzero(~hard & doubtful)):
        S[rows], support[rows], more = rooted.solve(0, rows, support[rows])
        iterations[rows] += more


def _guess(G: np.ndarray, n: int) -> np.ndarray:
    """Return matrices `M` such that the signs of `c M` guess the support: those of the solution without constraints.

    `(0, k, k)` if there are so few rows to a Gram matrix that its inverse costs more than a search from `c > 0`.
    """
    k = G.shape[-1]
    if n * k <= FEW_ENTRIES or (len(G) > 1 and n < k * len(G)):
        return np.empty((0, k, k))
    scaled, norms = unit_columns(G)
    # A zero column does not affect the solution; any positive diagonal entry keeps the matrix invertible.
    scaled[:, range(k), range(k)] = 1.0 + GUESS_RIDGE
    return np.linalg.inv(scaled) / norms[:, :, None]


def _solve_portable(G: Array, C: Array, support: Array | None) -> Solution:
    S, support, iterations = portable.block_pivoting(G, C, support, max_iterations(C.shape[1]))
    hard = iterations < 0
    if bool(hard.max()):
        tl = backend_of(C)
        grams = row_grams(G, len(C))
        grams = to_numpy(grams if grams.ndim == 2 else grams[hard])
        exact = _solve_compiled(grams.reshape(-1, *grams.shape[-2:]), to_numpy(C[hard]), None)
        S[hard], support[hard] = from_numpy(exact.S, C), from_numpy(exact.support, C)
        iterations = tl.where(hard, exact.n_iter - iterations, iterations)
    return Solution(S, support, int(iterations.max()))
