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

from hntf.least_squares.by_inverse import correct, solve_outside, unconstrained
from hntf.least_squares.elimination import (
    EPS,
    dual_row,
    eliminate,
    kernel,
    norms_of,
    reciprocal_condition,
    size_of_terms,
    substitute,
)

FULL_EXCHANGES = 3

ILL_CONDITIONED = 1e-8
"""Reciprocal condition number of a Gram matrix with unit columns below which its square root is used."""

CLEARLY_INFEASIBLE = 1e-10
"""Relative size of a negative dual by which a column enters before the dual is known accurately."""


@kernel
def _solve_row(G, c, passive, index, U, inverse, s):  # type: ignore[no-untyped-def]
    """Solve `G_PP s_P = c_P` by elimination, with zeros elsewhere; return the size of `P`, negative if a pivot is not safe."""
    size = _eliminate_columns(G, c, passive, index, U, inverse)
    for j in range(c.shape[0]):
        s[j] = 0.0
    if size >= 0:
        substitute(U, size, inverse, index, s)
    return size


@kernel
def _eliminate_columns(G, c, passive, index, U, inverse):  # type: ignore[no-untyped-def]
    """Eliminate the columns of a support; return their number, negative if a pivot is not safe."""
    size = 0
    for j in range(c.shape[0]):
        if passive[j]:
            index[size] = j
            size += 1
    for a in range(size):
        for b in range(a, size):
            U[a, b] = G[index[a], index[b]]
        U[a, size] = c[index[a]]
    return size if eliminate(U, size, inverse) else -1


@kernel
def _reach(passive, y, level, norms, reached):  # type: ignore[no-untyped-def]
    """Write the support and the columns outside of it whose dual is at most `level`, its rounding; return whether there are some.

    Such a column may lower the cost if it nearly depends on the support.
    """
    more = False
    for j in range(y.shape[0]):
        reached[j] = passive[j] or (norms[j] > 0.0 and y[j] < level * norms[j])
        more = more or reached[j] != passive[j]
    return more


@kernel
def _condition(G, c, reached, more, size, index, U, inverse, norms, w):  # type: ignore[no-untyped-def]
    """Return the reciprocal condition number of the columns `reached`, of which `size` are eliminated if there are no `more`."""
    if more:
        size = _eliminate_columns(G, c, reached, index, U, inverse)
    return reciprocal_condition(U, size, inverse, index, norms, w) if size >= 0 else 0.0


@kernel
def _is_most(passive):  # type: ignore[no-untyped-def]
    """Tell whether a support holds at least half of the columns."""
    size = 0
    for j in range(passive.shape[0]):
        size += passive[j]
    return 2 * size >= passive.shape[0]


@kernel
def block_pivoting(  # type: ignore[no-untyped-def]
    G, M, guess, C, S, support, iterations, doubtful, warm, max_iterations, least_condition, least_reached, start, stop
):
    """Solve every row by block principal pivoting, from `support` if `warm`, otherwise from the signs of `c @ guess`.

    All infeasible variables are exchanged at once; if that has not reduced their number three times in succession, they are
    exchanged one at a time (Murty's rule, finite for positive definite `G`). `M` `(k, k)` is the inverse of a well-conditioned `G`,
    by which supports of most columns are solved, or `(0, 0)`. `iterations` is negative for the rows that did not finish within
    `max_iterations`, met a small pivot or are ill-conditioned, which `active_set` solves. `doubtful` tells the rows in which the
    dual of a column outside of the support is rounding. For Gram matrices of single rows, `least_condition` and `least_reached` are
    reciprocal condition numbers, of the support and of the support with such columns, below which a row is ill-conditioned.
    """
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    U = np.empty((k, k + 1))
    inverse = np.empty(k)
    index = np.empty(k, np.int64)
    y, u, t, norms = np.empty(k), np.empty(k), np.empty(k), norms_of(G[0])
    everywhere, reached = np.ones(k, np.bool_), np.empty(k, np.bool_)
    tolerance = 8 * k * EPS
    gram = 0
    for i in range(start, stop):
        c, s, passive = C[i], S[i], support[i]
        if i // rows_per_gram != gram:
            gram = i // rows_per_gram
            norms = norms_of(G[gram])
        by_inverse = len(M) > 0
        if by_inverse or not warm:
            unconstrained(M if by_inverse else guess, c, everywhere, u)
        if not warm:
            for j in range(k):
                passive[j] = u[j] > 0.0
        fewest, exchanges, iteration = k + 1, FULL_EXCHANGES, 0
        solved = False
        while iteration < max_iterations:
            iteration += 1
            outside = -1
            if by_inverse and _is_most(passive):
                outside = solve_outside(M, u, passive, index, U, inverse, s, y)
            if outside >= 0:
                threshold = -CLEARLY_INFEASIBLE * size_of_terms(c, s, norms)
            else:
                size = _solve_row(G[gram], c, passive, index, U, inverse, s)
                if size < 0:
                    break
                threshold = -tolerance * dual_row(G[gram], c, s, passive, norms, y)
            infeasible, last = _infeasible(s, y, passive, threshold, norms)
            if infeasible == 0 and outside >= 0:
                scale = correct(G[gram], M, c, passive, norms, index, outside, U, inverse, s, y, u, t)
                threshold = -tolerance * scale
                infeasible, last = _infeasible(s, y, passive, threshold, norms)
                # What the accurate dual tells is followed by elimination.
                by_inverse = infeasible == 0
            if infeasible == 0:
                solved = True
                doubtful[i] = _reach(passive, y, -threshold, norms, reached)
                if len(G) > 1:
                    # A Gram matrix that all rows share is known to be well-conditioned.
                    least = least_reached if doubtful[i] else least_condition
                    solved = _condition(G[gram], c, reached, doubtful[i], size, index, U, inverse, norms, t) >= least
                break
            if infeasible < fewest or exchanges > 0:
                exchanges = FULL_EXCHANGES if infeasible < fewest else exchanges - 1
                fewest = min(fewest, infeasible)
                _exchange(s, y, passive, threshold, norms)
            else:
                passive[last] = not passive[last]
        iterations[i] = iteration if solved else -iteration


@kernel
def _infeasible(s, y, passive, threshold, norms):  # type: ignore[no-untyped-def]
    """Return the number of variables that violate the conditions, and the last of them."""
    infeasible = 0
    last = -1
    for j in range(s.shape[0]):
        if (passive[j] and s[j] <= 0.0) or (not passive[j] and y[j] < threshold * norms[j]):
            infeasible += 1
            last = j
    return infeasible, last


@kernel
def _exchange(s, y, passive, threshold, norms):  # type: ignore[no-untyped-def]
    """Exchange all variables that violate the conditions."""
    for j in range(s.shape[0]):
        if passive[j]:
            passive[j] = s[j] > 0.0
        else:
            passive[j] = y[j] < threshold * norms[j]


@kernel
def on_support(G, M, C, support, V, safe, start, stop):  # type: ignore[no-untyped-def]
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere; `safe` tells the rows that are not ill-conditioned.

    `M` is as in `block_pivoting`.
    """
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    U = np.empty((k, k + 1))
    inverse = np.empty(k)
    index = np.empty(k, np.int64)
    passive = np.empty(k, np.bool_)
    c = np.empty(k)
    y, u, t = np.empty(k), np.empty(k), np.empty(k)
    norms = norms_of(G[0])
    gram = 0
    for i in range(start, stop):
        if i // rows_per_gram != gram:
            gram = i // rows_per_gram
            norms = norms_of(G[gram])
        g = G[gram]
        passive[:] = support[i]
        outside = -1
        if len(M) > 0 and _is_most(passive):
            for j in range(k):
                c[j] = C[i, j] if passive[j] else 0.0
            unconstrained(M, c, passive, u)
            outside = solve_outside(M, u, passive, index, U, inverse, V[i], y)
        if outside >= 0:
            correct(g, M, c, passive, norms, index, outside, U, inverse, V[i], y, u, t)
            safe[i] = True
        else:
            size = _solve_row(g, C[i], passive, index, U, inverse, V[i])
            safe[i] = size >= 0 and (
                len(G) == 1 or reciprocal_condition(U, size, inverse, index, norms, t) >= ILL_CONDITIONED
            )


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
