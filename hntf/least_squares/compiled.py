"""Numba kernels over rows: block principal pivoting and the solution on a support.

Shapes, for every kernel: `G` `(g, k, k)` with `g` a divisor of the number of rows, where row `i` uses `G[i // (n // g)]` (`g = 1`
is one Gram matrix for all rows, `g = n` one per row); `C`, `S` `(n, k)` float64; `support` `(n, k)` bool. All are C-contiguous.
The last two arguments are the range of rows to process.

References
----------
Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
Júdice, Pires (1994), *A block principal pivoting algorithm for large-scale strictly monotone linear complementarity problems*.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares import systems
from hntf.least_squares.elimination import norms_of, size_of_terms, sum_of_rows
from hntf.least_squares.kernels import kernel, reduction, step
from hntf.least_squares.lanes import LANES
from hntf.scales import EPS

FULL_EXCHANGES = 3


@kernel
def block_pivoting(G, guess, C, S, support, reached, iterations, max_iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve every row by block principal pivoting; eight rows are in progress at any time.

    The search starts from the signs of `c M`, where `guess` holds one matrix `M` or one for each Gram matrix, or from `support` if
    `guess` is `(0, k, k)`.

    All infeasible variables are exchanged at once; if that has not reduced their number three times in succession, they are
    exchanged one at a time (Murty's rule, finite for positive definite `G`). `iterations` is negative for the rows that did not
    finish within `max_iterations` or met a small pivot, which `active_set` solves. `reached` `(n, k)`, or `(0, k)`
    if it is not needed, are the columns of the support and those outside of it whose dual is rounding.
    """
    n, k = C.shape
    rows_per_gram = n // len(G)
    rows, grams = np.full(LANES, -1), np.full(LANES, -1)
    fewest, exchanges = np.empty(LANES, np.int64), np.empty(LANES, np.int64)
    columns, eight, one = systems.columns_of_rows(k), systems.interleaved(k), systems.single(k)
    everywhere = np.arange(k)
    y, norms, inverse_norms = np.empty(k), np.empty((LANES, k)), np.empty((LANES, k))
    waiting, active = start, 0
    while True:
        for lane in range(LANES):
            if rows[lane] < 0 and waiting < stop:
                rows[lane], iterations[waiting] = waiting, 0
                fewest[lane], exchanges[lane] = k + 1, FULL_EXCHANGES
                if waiting // rows_per_gram != grams[lane]:
                    grams[lane] = waiting // rows_per_gram
                    norms_of(G[grams[lane]], norms[lane], inverse_norms[lane])
                if len(guess) > 0:
                    sum_of_rows(guess, min(grams[lane], len(guess) - 1), C[waiting], everywhere, k, y)
                    for j in range(k):
                        support[waiting, j] = y[j] > 0.0
                waiting, active = waiting + 1, active + 1
        if active == 0:
            break
        systems.solve(G, C, support, rows, columns, eight, one, S)
        for lane in range(LANES):
            i = rows[lane]
            if i < 0:
                continue
            iterations[i] += 1
            finished = not columns.safe[lane]
            if columns.safe[lane]:
                sum_of_rows(G, grams[lane], S[i], columns.chosen[lane], columns.sizes[lane], y)
                for j in range(k):
                    y[j] -= C[i, j]
                threshold = -8 * k * EPS * size_of_terms(C[i], S[i], norms[lane], inverse_norms[lane])
                infeasible = _infeasible(S[i], y, support[i], threshold, norms[lane])
                if infeasible == 0:
                    if len(reached) > 0:
                        _reach(support[i], y, -threshold, norms[lane], reached[i])
                    rows[lane], active = -1, active - 1
                    continue
                finished = iterations[i] == max_iterations
            if finished:
                iterations[i] *= -1
                rows[lane], active = -1, active - 1
            elif infeasible < fewest[lane] or exchanges[lane] > 0:
                exchanges[lane] = FULL_EXCHANGES if infeasible < fewest[lane] else exchanges[lane] - 1
                fewest[lane] = min(fewest[lane], infeasible)
                _exchange(S[i], y, support[i], threshold, norms[lane])
            else:
                _exchange_last(S[i], y, support[i], threshold, norms[lane])


@step
def _reach(passive, y, level, norms, reached):  # type: ignore[no-untyped-def]
    """Write the support and the columns outside of it whose dual is at most `level`, its rounding.

    Such a column may lower the cost if it nearly depends on the support.
    """
    for j in range(y.shape[0]):
        reached[j] = passive[j] | (norms[j] > 0.0) & (y[j] < level * norms[j])


@reduction
def _infeasible(s, y, passive, threshold, norms):  # type: ignore[no-untyped-def]
    """Return the number of variables that violate the conditions."""
    infeasible = 0
    for j in range(s.shape[0]):
        # Bitwise operators, unlike branches, are not mispredicted.
        infeasible += passive[j] & (s[j] <= 0.0) | ~passive[j] & (y[j] < threshold * norms[j])
    return infeasible


@step
def _exchange(s, y, passive, threshold, norms):  # type: ignore[no-untyped-def]
    """Exchange all variables that violate the conditions."""
    for j in range(s.shape[0]):
        passive[j] = passive[j] & (s[j] > 0.0) | ~passive[j] & (y[j] < threshold * norms[j])


@step
def _exchange_last(s, y, passive, threshold, norms):  # type: ignore[no-untyped-def]
    """Exchange the last variable that violates the conditions."""
    for j in range(s.shape[0] - 1, -1, -1):
        if (passive[j] and s[j] <= 0.0) or (not passive[j] and y[j] < threshold * norms[j]):
            passive[j] = not passive[j]
            break


@kernel
def on_support(G, C, support, V, safe, start, stop):  # type: ignore[no-untyped-def]
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere; `safe` tells the rows in which all pivots are."""
    k = C.shape[1]
    rows = np.empty(LANES, np.int64)
    columns, eight, one = systems.columns_of_rows(k), systems.interleaved(k), systems.single(k)
    for first in range(start, stop, LANES):
        _rows_from(first, stop, rows)
        systems.solve(G, C, support, rows, columns, eight, one, V)
        for i in range(first, min(first + LANES, stop)):
            safe[i] = columns.safe[i - first]


@kernel
def conditions(G, C, reached, result, start, stop):  # type: ignore[no-untyped-def]
    """Write estimates of the reciprocal condition numbers of some unit columns in every row, 0 where a pivot is not safe."""
    k = C.shape[1]
    rows, found = np.empty(LANES, np.int64), np.empty(LANES)
    columns, eight, one = systems.columns_of_rows(k), systems.interleaved(k), systems.single(k)
    for first in range(start, stop, LANES):
        _rows_from(first, stop, rows)
        systems.conditions(G, C, reached, rows, columns, eight, one, found)
        for i in range(first, min(first + LANES, stop)):
            result[i] = found[i - first]


@step
def _rows_from(first, stop, rows):  # type: ignore[no-untyped-def]
    """Write the numbers of the next rows, `−1` behind the last."""
    for lane in range(LANES):
        rows[lane] = first + lane if first + lane < stop else -1


@kernel
def coordinate_descent(G, C, S, sweeps, enough, start, stop):  # type: ignore[no-untyped-def]
    """Set every variable of a row to its best value in turn, until a sweep changes the row little; in place."""
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    for i in range(start, stop):
        g, c, s = G[i // rows_per_gram], C[i], S[i]
        first = 0.0
        for sweep in range(sweeps):
            moved = 0.0
            for j in range(k):
                if g[j, j] == 0.0:
                    s[j] = 0.0
                else:
                    gradient = -c[j]
                    for p in range(k):
                        gradient += s[p] * g[j, p]
                    value = max(0.0, s[j] - gradient / g[j, j])
                    moved += (value - s[j]) ** 2 * g[j, j]
                    s[j] = value
            if sweep == 0:
                first = moved
            if moved <= enough * enough * first:
                break


@kernel
def largest_entries(A, result, start, stop):  # type: ignore[no-untyped-def]
    """Write the size of the largest entry of each column of each of several matrices `(g, m, k)` into zeros, `(g, k)`."""
    for i in range(start, stop):
        for r in range(A.shape[1]):
            for j in range(A.shape[2]):
                result[i, j] = max(result[i, j], abs(A[i, r, j]))
