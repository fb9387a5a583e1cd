"""Numba kernel over rows: the active-set method of Lawson and Hanson, for degenerate, singular or ill-conditioned rows.

It works on a square root `R` of the Gram matrix, so that the condition number is not squared. `R` `(q, k)` and `Z` `(n, q)` are
C-contiguous float64; the last two arguments are the range of rows to process.

References
----------
Lawson, Hanson (1974), *Solving Least Squares Problems*, chapter 23.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares.compiled import EPS, kernel


@kernel
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


@kernel
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


@kernel
def _entering_column(R, r, s, z_norm, norms, passive, rejected):  # type: ignore[no-untyped-def]
    """Return the column outside the support that correlates most with the residual `r`, or -1 at the optimum."""
    q, k = R.shape
    scale = z_norm
    for j in range(k):
        scale += s[j] * norms[j]
    # At rounding level: a column that enters by mistake is rejected because the residual does not decrease.
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


@kernel
def _move_to_feasible(s, t, passive):  # type: ignore[no-untyped-def]
    """Move `s` towards `t` up to the first bound, drop the columns that reached zero, and return whether `t` was reached."""
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


@kernel
def active_set(R, Z, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ‖R s − z‖` for every row of `Z` by the method of Lawson and Hanson, from the feasible `S`.

    The residual must decrease at every accepted step, so no support occurs twice and the search also terminates on degenerate and
    singular problems.
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
