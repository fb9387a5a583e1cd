"""Numba kernels over rows: support search, solution on a support, and the active set that settles the hard rows.

Shapes, for every kernel: `G` `(g, k, k)` with `g` a divisor of the number of rows, row `i` using `G[i // (n // g)]` (one
Gram for all rows is `g = 1`, one a row is `g = n`); `C`, `S` `(n, k)` float64; `support` `(n, k)` bool. All are C-contiguous.
The last two arguments are the range of rows to work on.

References
----------
Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
Júdice, Pires (1994), *A block principal pivoting algorithm for large-scale strictly monotone linear complementarity problems*.
Lawson, Hanson (1974), *Solving Least Squares Problems*, chapter 23.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EPS = float(np.finfo(np.float64).eps)
FULL_EXCHANGES = 3


def _kernel(function):  # type: ignore[no-untyped-def]
    return njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})(function)


@_kernel
def _solve_row(G, c, passive, index, U, inverse, s, tolerance):  # type: ignore[no-untyped-def]
    """Solve `G_PP s_P = c_P` by elimination, drop columns that depend on earlier ones from `passive`, zero the rest."""
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
        # Four pivots at a time: one pass over the rest of the matrix for all of them.
        last = min(first + 4, size)
        for r in range(first, last):
            dependent = not U[r, r] > tolerance * G[index[r], index[r]]
            inverse[r] = 0.0 if dependent else 1.0 / U[r, r]
            passive[index[r]] = not dependent
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


@_kernel
def _dual_row(G, c, s, passive, norms, y):  # type: ignore[no-untyped-def]
    """Write `y = G s − c` and return the rounding level of `y_j / norms_j`, less the factor machine epsilon."""
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


@_kernel
def block_pivoting(G, guess, C, S, support, iterations, warm, max_iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve every row by block principal pivoting, from `support` if `warm` and else from the signs of `c @ guess`.

    All infeasible variables change sides at once; when that has not reduced their number three times in a row, one
    variable at a time does (Murty's rule, finite for positive definite `G`). `iterations` is negative on the rows that did
    not end within `max_iterations`: degenerate or singular ones, which `active_set` settles.
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
            _solve_row(G[gram], c, passive, index, U, inverse, s, tolerance)
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


@_kernel
def on_support(G, C, support, V, start, stop):  # type: ignore[no-untyped-def]
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere."""
    n, k = C.shape
    rows_per_gram = n // G.shape[0]
    U = np.empty((k, k + 1))
    inverse = np.empty(k)
    index = np.empty(k, np.int64)
    passive = np.empty(k, np.bool_)
    for i in range(start, stop):
        passive[:] = support[i]
        _solve_row(G[i // rows_per_gram], C[i], passive, index, U, inverse, V[i], 8 * k * EPS)


@_kernel
def _least_squares_row(R, z, passive, index, W, t, norms):  # type: ignore[no-untyped-def]
    """Minimise `‖R_P t_P − z‖` by Householder reflections; dependent columns get `t = 0` and leave `passive`."""
    q, k = R.shape
    tolerance = 8 * k * EPS
    size = 0
    for j in range(k):
        t[j] = 0.0
        if passive[j]:
            index[size] = j
            W[size, :q] = R[:, j]
            size += 1
    W[size, :q] = z
    rank = 0
    for a in range(size):
        column = W[a]
        length = 0.0
        for r in range(rank, q):
            length += column[r] * column[r]
        length = np.sqrt(length)
        if rank == q or not length > tolerance * norms[index[a]]:
            passive[index[a]] = False
            continue
        head = column[rank]
        pivot = -length if head > 0.0 else length
        column[rank] = head - pivot
        beta = 1.0 / (length * (length + abs(head)))
        for b in range(a + 1, size + 1):
            product = 0.0
            for r in range(rank, q):
                product += column[r] * W[b, r]
            product *= beta
            for r in range(rank, q):
                W[b, r] -= product * column[r]
        column[rank] = pivot
        index[rank] = index[a]
        W[rank, : rank + 1] = column[: rank + 1]
        rank += 1
    for a in range(rank - 1, -1, -1):
        value = W[size, a] / W[a, a]
        t[index[a]] = value
        for r in range(a):
            W[size, r] -= W[a, r] * value


@_kernel
def _residual_row(R, z, s, r):  # type: ignore[no-untyped-def]
    """Write `r = z − R s` and return its squared norm."""
    squared = 0.0
    for a in range(R.shape[0]):
        value = z[a]
        for j in range(R.shape[1]):
            value -= R[a, j] * s[j]
        r[a] = value
        squared += value * value
    return squared


@_kernel
def _entering_column(R, r, s, z_norm, norms, passive, rejected):  # type: ignore[no-untyped-def]
    """Return the column outside the support that correlates most with the residual `r`, or -1 at the optimum."""
    q, k = R.shape
    scale = z_norm
    for j in range(k):
        scale += s[j] * norms[j]
    # At rounding level: what enters by mistake is found out when the residual does not fall.
    best, entering = 2 * EPS * scale, -1
    for j in range(k):
        if passive[j] or rejected[j] or norms[j] == 0.0:
            continue
        correlation = 0.0
        for a in range(q):
            correlation += R[a, j] * r[a]
        correlation /= norms[j]
        if correlation > best:
            best, entering = correlation, j
    return entering


@_kernel
def _move_to_feasible(s, t, passive):  # type: ignore[no-untyped-def]
    """Move `s` towards `t` up to the first bound, drop what reached zero, and tell whether `t` was reached."""
    k = s.shape[0]
    step, blocking = 1.0, -1
    for j in range(k):
        if passive[j] and t[j] <= 0.0:
            fraction = s[j] / (s[j] - t[j]) if s[j] > 0.0 else 0.0
            if blocking < 0 or fraction < step:
                step, blocking = fraction, j
    for j in range(k):
        if blocking < 0 or not passive[j]:
            s[j] = t[j]
        else:
            s[j] += step * (t[j] - s[j])
            if j == blocking or s[j] <= 0.0:
                s[j] = 0.0
                passive[j] = False
    return blocking < 0


@_kernel
def active_set(R, Z, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ‖R s − z‖` for every row of `Z` by the method of Lawson and Hanson, from the feasible `S`.

    `R` `(q, k)` is a square root of the Gram matrix, so nothing here squares its condition number. The residual must fall
    at every accepted step, so no support comes back and the search ends on degenerate and on singular problems too.
    """
    q, k = R.shape
    norms = np.empty(k)
    for j in range(k):
        norms[j] = np.sqrt(np.sum(R[:, j] ** 2))
    W = np.empty((k + 1, max(q, k + 1)))
    index = np.empty(k, np.int64)
    t, trial = np.empty(k), np.empty(k)
    z, r = np.empty(q), np.empty(q)
    trial_support, rejected = np.empty(k, np.bool_), np.empty(k, np.bool_)
    for i in range(start, stop):
        s, passive = S[i], support[i]
        largest = np.max(np.abs(Z[i]))
        if largest == 0.0:
            s[:] = 0.0
            passive[:] = False
            iterations[i] = 0
            continue
        z[:] = Z[i] / largest
        z_norm = np.sqrt(np.sum(z**2))
        for j in range(k):
            s[j] = max(s[j] / largest, 0.0)
            passive[j] = s[j] > 0.0
        iteration = 0
        reached = False
        while not reached:
            _least_squares_row(R, z, passive, index, W, t, norms)
            reached = _move_to_feasible(s, t, passive)
            iteration += 1
        squared = _residual_row(R, z, s, r)
        rejected[:] = False
        while True:
            entering = _entering_column(R, r, s, z_norm, norms, passive, rejected)
            if entering < 0:
                break
            trial[:] = s
            trial_support[:] = passive
            trial_support[entering] = True
            reached = False
            while not reached:
                _least_squares_row(R, z, trial_support, index, W, t, norms)
                iteration += 1
                reached = _move_to_feasible(trial, t, trial_support)
            trial_squared = _residual_row(R, z, trial, r)
            if trial_squared < squared:
                s[:] = trial
                passive[:] = trial_support
                squared = trial_squared
                rejected[:] = False
            else:
                rejected[entering] = True
                _residual_row(R, z, s, r)
        s *= largest
        iterations[i] = iteration
