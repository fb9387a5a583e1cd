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
from numba import njit

EPS = float(np.finfo(np.float64).eps)
FULL_EXCHANGES = 3

SAFE_PIVOT = 1e-8
"""Relative size above which a pivot is known to half its digits; dependent columns had pivots up to 2e-10."""


def kernel(function):  # type: ignore[no-untyped-def]
    """Compile a function that releases the global interpreter lock; the compiled code is cached on disk."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})(function)


@kernel
def _solve_row(G, c, passive, index, U, inverse, s):  # type: ignore[no-untyped-def]
    """Solve `G_PP s_P = c_P` by elimination, with zeros elsewhere; return whether all pivots are safe.

    The rounding error of a pivot grows with the pivots before it, so a small one does not tell whether its column is dependent.
    """
    k = c.shape[0]
    size = 0
    for j in range(k):
        s[j] = 0.0
        if passive[j]:
            index[size] = j
            size += 1
    for a in range(size):
        for b in range(a, size):
            U[a, b] = G[index[a], index[b]]
        U[a, size] = c[index[a]]
    for first in range(0, size, 4):
        # Four pivots at a time, with a single pass over the rest of the matrix for all of them.
        last = min(first + 4, size)
        for r in range(first, last):
            if not U[r, r] > SAFE_PIVOT * G[index[r], index[r]]:
                return False
            inverse[r] = 1.0 / U[r, r]
            for a in range(r + 1, last):
                factor = U[r, a] * inverse[r]
                for b in range(a, size + 1):
                    U[a, b] -= factor * U[r, b]
        for a in range(last, size):
            f0 = U[first, a] * inverse[first]
            f1 = U[first + 1, a] * inverse[first + 1]
            f2 = U[first + 2, a] * inverse[first + 2]
            f3 = U[first + 3, a] * inverse[first + 3]
            for b in range(a, size + 1):
                U[a, b] -= f0 * U[first, b] + f1 * U[first + 1, b] + f2 * U[first + 2, b] + f3 * U[first + 3, b]
    for a in range(size - 1, -1, -1):
        value = U[a, size] * inverse[a]
        s[index[a]] = value
        for b in range(a):
            U[b, size] -= U[b, a] * value
    return True


@kernel
def smallest_pivot(G):  # type: ignore[no-untyped-def]
    """Return the smallest pivot of a Gram matrix relative to its diagonal, without zero columns; 0 if it is singular."""
    k = G.shape[0]
    U = G.copy()
    smallest = 1.0
    for r in range(k):
        if G[r, r] > 0.0:
            smallest = min(smallest, U[r, r] / G[r, r])
            if not smallest > EPS:
                return 0.0
            for a in range(r + 1, k):
                factor = U[r, a] / U[r, r]
                for b in range(a, k):
                    U[a, b] -= factor * U[r, b]
    return smallest


@kernel
def _dual_row(G, c, s, passive, norms, y):  # type: ignore[no-untyped-def]
    """Write `y = G s − c` and return the rounding level of `y_j / norms_j`, in units of the machine epsilon."""
    k = c.shape[0]
    for j in range(k):
        y[j] = -c[j]
    scale = 0.0
    for p in range(k):
        if passive[p]:
            for j in range(k):
                y[j] += s[p] * G[p, j]
            scale += abs(s[p]) * norms[p]
    for j in range(k):
        if norms[j] > 0.0:
            scale = max(scale, abs(c[j]) / norms[j])
    return scale


@kernel
def block_pivoting(G, guess, C, S, support, iterations, warm, max_iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve every row by block principal pivoting, from `support` if `warm`, otherwise from the signs of `c @ guess`.

    All infeasible variables are exchanged at once; if that has not reduced their number three times in succession, they are
    exchanged one at a time (Murty's rule, finite for positive definite `G`). `iterations` is negative for the rows that did not
    finish within `max_iterations` or met a small pivot: degenerate or singular ones, which `active_set` solves.
    """
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    U = np.empty((k, k + 1))
    inverse = np.empty(k)
    index = np.empty(k, np.int64)
    y = np.empty(k)
    norms = np.empty(k)
    tolerance = 8 * k * EPS
    gram = -1
    for i in range(start, stop):
        c, s, passive = C[i], S[i], support[i]
        if i // rows_per_gram != gram:
            gram = i // rows_per_gram
            for j in range(k):
                norms[j] = np.sqrt(G[gram, j, j])
        if not warm:
            y[:] = 0.0
            for p in range(k):
                for j in range(k):
                    y[j] += c[p] * guess[p, j]
            for j in range(k):
                passive[j] = y[j] > 0.0
        fewest = k + 1
        exchanges = FULL_EXCHANGES
        solved = False
        iteration = 0
        while iteration < max_iterations and not solved:
            iteration += 1
            if not _solve_row(G[gram], c, passive, index, U, inverse, s):
                break
            threshold = -tolerance * _dual_row(G[gram], c, s, passive, norms, y)
            infeasible = 0
            last = -1
            for j in range(k):
                if (passive[j] and s[j] <= 0.0) or (not passive[j] and y[j] < threshold * norms[j]):
                    infeasible += 1
                    last = j
            if infeasible == 0:
                solved = True
            elif infeasible < fewest or exchanges > 0:
                exchanges = FULL_EXCHANGES if infeasible < fewest else exchanges - 1
                fewest = min(fewest, infeasible)
                for j in range(k):
                    if passive[j]:
                        passive[j] = s[j] > 0.0
                    else:
                        passive[j] = y[j] < threshold * norms[j]
            else:
                passive[last] = not passive[last]
        iterations[i] = iteration if solved else -iteration


@kernel
def on_support(G, C, support, V, safe, start, stop):  # type: ignore[no-untyped-def]
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere; `safe` tells the rows whose pivots are safe."""
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    U = np.empty((k, k + 1))
    inverse = np.empty(k)
    index = np.empty(k, np.int64)
    passive = np.empty(k, np.bool_)
    for i in range(start, stop):
        passive[:] = support[i]
        safe[i] = _solve_row(G[i // rows_per_gram], C[i], passive, index, U, inverse, V[i])


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
                if g[j, j] > 0.0:
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
