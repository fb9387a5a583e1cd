"""Block principal pivoting, batched over rows: the search that all implementations but the compiled one use.

It does not depend on how a row is solved on its support.

References
----------
Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
"""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array, arange_like, backend_of

FULL_EXCHANGES = 3


def pivot(
    solve_rows: Callable[[Array, Array, Array], tuple[Array, Array]],
    C: Array,
    norms: Array,
    support: Array,
    *,
    rows: Array,
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, Array, Array]:
    """Exchange infeasible variables until every row of `rows` is feasible.

    All infeasible variables of a row are exchanged at once; if that has not reduced their number three times in succession, they
    are exchanged one at a time.

    Parameters
    ----------
    solve_rows : callable
        `(rows, support, S) -> (s, y)`: solutions on their supports and duals `y = s G − c` of these rows; `S` is their
        last iterate.
    C, norms : arrays, `(n, k)`
        Right-hand sides, and the norms of the columns; a zero column never enters a support.
    support : bool array, `(n, k)`
        The supports from which the search starts.
    rows : integer array
        The rows to solve.
    tolerance : float
        How far below zero a dual may be to count as zero, relative to the row's scale and the column's norm.
    max_iterations : int
        Maximum number of exchanges of a row.

    Returns
    -------
    S, support : arrays, `(n, k)`
        The solutions and their supports.
    iterations : array, `(n,)`
        Iterations of every row; negative for rows that did not finish or that are not in `rows`.
    """
    tl = backend_of(C)
    n, k = C.shape
    S = 0 * C
    support = support & (norms > 0)
    columns = arange_like(k, C)
    active = rows
    iterations = 0 * arange_like(n, C) - 1
    fewest = 0 * iterations + k + 1
    exchanges = 0 * iterations + FULL_EXCHANGES
    for iteration in range(1, max_iterations + 1):
        if len(active) == 0:
            break
        c, passive, norm = C[active], support[active], norms[active]
        s, y = solve_rows(active, passive, S[active])
        relative = tl.abs(c) * (norm > 0) / tl.where(norm > 0, norm, 0 * norm + 1)
        scale = tl.maximum(tl.max(relative, axis=1), tl.sum(tl.abs(s) * norm, axis=1))
        infeasible = tl.where(passive, s <= 0, y < -tolerance * scale[:, None] * norm) & (norm > 0)
        count = tl.sum(infeasible, axis=1)
        better = count < fewest[active]
        together = better | (exchanges[active] > 0)
        last = tl.argmax(infeasible * (columns + 1), axis=1)
        exchanged = infeasible & (together[:, None] | (columns[None, :] == last[:, None]))
        S[active] = s
        support[active] = passive ^ exchanged
        iterations[active] = tl.where(count == 0, 0 * count + iteration, 0 * count - iteration)
        exchanges[active] = tl.where(better, 0 * count + FULL_EXCHANGES, exchanges[active] - 1)
        fewest[active] = tl.where(better, count, fewest[active])
        active = active[count > 0]
    return S, support, iterations
