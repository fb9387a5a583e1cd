"""Numba kernels: how the coefficients of a row move as columns enter and leave its support."""

from __future__ import annotations

import numpy as np

from hntf.least_squares.factorization import (
    copy,
    distance_from_span,
    dot,
    dot_of_first,
    enter,
    fill,
    leave,
    minimiser,
)
from hntf.least_squares.kernels import reordered_step


@reordered_step
def begin(factors, row):  # type: ignore[no-untyped-def]
    """Leave all of the sample."""
    copy(row.z, factors.residual, len(row.z))
    fill(factors.pulled, len(row.z), 0.0)


@reordered_step
def cost_beside(factors, row, size, j):  # type: ignore[no-untyped-def]
    """Return the linear cost of what is left of column `j`, whose distance from the span was computed last."""
    return row.f[j] - dot_of_first(factors.c, factors.pull, size)


@reordered_step
def let_enter(factors, row, size, j, distance):  # type: ignore[no-untyped-def]
    """Let column `j`, whose distance from the span was computed last, enter the support; return the new size."""
    row.blocked[j] = True
    gradient = dot(factors.v, factors.residual)
    return enter(factors, size, j, distance, gradient, cost_beside(factors, row, size, j))


@reordered_step
def leave_bounds(factors, row, size):  # type: ignore[no-untyped-def]
    """Remove the columns whose coefficients are not positive; return the number of those that are left."""
    for a in range(size - 1, -1, -1):
        if row.s[a] <= 0.0:
            row.blocked[factors.order[a]] = False
            size = leave(factors, row.s, size, a)
    return size


@reordered_step
def make_independent(dictionary, factors, row, size, entering, limit):  # type: ignore[no-untyped-def]
    """Move along a dependent column until enough coefficients of the support have vanished, or the column has moved by `limit`.

    The image does not change, but for rounding. Return the size of the support, the distance of the column from its span, negative
    if it still depends on it, and by how much its coefficient has changed, which has the sign of the limit.
    """
    norms, tolerance, s, x = dictionary.norms, dictionary.tolerance, row.s, factors.x
    sign = 1.0 if limit > 0.0 else -1.0
    distance, moved = -1.0, 0.0
    while distance < 0.0 and moved < abs(limit):
        step, leaving = abs(limit) - moved, -1
        for a in range(size):
            relative = sign * x[a] * norms[factors.order[a]] / norms[entering]
            if relative > tolerance and s[a] < step * sign * x[a]:
                step, leaving = s[a] / (sign * x[a]), a
        if leaving < 0 and not np.isfinite(step):
            break
        for a in range(size):
            s[a] = max(s[a] - step * sign * x[a], 0.0)
        moved += step
        if leaving >= 0:
            s[leaving] = 0.0
            row.blocked[factors.order[leaving]] = False
            size = leave(factors, s, size, leaving)
            distance = distance_from_span(dictionary, factors, size, entering)
    return size, distance, sign * moved


@reordered_step
def exchange(factors, row, size, entering, distance, moved):  # type: ignore[no-untyped-def]
    """Let a column with a coefficient `moved` enter, and go to the minimiser on the support; return the size."""
    s, t = row.s, row.t
    let_enter(factors, row, size, entering, distance)
    s[size] = moved
    if moved == 0.0:
        # `s` is the minimiser without the column, and `x` the coefficients of its projection.
        t[size] = (factors.h[size] - factors.pull[size]) / distance
        for a in range(size):
            t[a] = s[a] - t[size] * factors.x[a]
        size += 1
    else:
        size += 1
        minimiser(factors, size, t)
    return go_to_minimiser(factors, row, size)


@reordered_step
def go_to_minimiser(factors, row, size):  # type: ignore[no-untyped-def]
    """Move from feasible coefficients `s` towards the minimiser `t` on the support up to the first bound, until it is reached.

    Columns leave at their bounds. Return the number of those that are left.
    """
    s, t = row.s, row.t
    while True:
        step, blocking = 1.0, -1
        for a in range(size):
            if t[a] <= 0.0:
                fraction = s[a] / (s[a] - t[a]) if s[a] > 0.0 else 0.0
                if blocking < 0 or fraction < step:
                    step, blocking = fraction, a
        if blocking < 0:
            copy(t, s, size)
            return size
        for a in range(size):
            s[a] += step * (t[a] - s[a])
        s[blocking] = 0.0
        size = leave_bounds(factors, row, size)
        minimiser(factors, size, t)
