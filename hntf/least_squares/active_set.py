"""Numba kernels over rows: an active-set method for degenerate, singular or ill-conditioned rows, and the solution on a support.

The problem of a row is `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` with a square root `R` of the Gram matrix, so that the condition number is
not squared. `active_set_row` solves one; the orthogonal `factorization` of its support is updated, not computed again. Arrays are
C-contiguous float64: `columns` `(k, q)` holds the columns of `R` as rows, `Z` is `(n, q)`, `F` is `(n, k)`, or `(0, k)` for zero.
The last two arguments are the range of rows.
"""

from __future__ import annotations

import math

import numpy as np

from hntf.least_squares.active_set_row import solve_row
from hntf.least_squares.factorization import (
    Dictionary,
    copy,
    dictionary_of,
    distance_from_span,
    empty_factorization,
    enter,
    fill,
    minimiser,
)
from hntf.least_squares.kernels import reordered_kernel, reordered_step
from hntf.least_squares.row_state import empty_row


@reordered_kernel
def active_set(columns, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` for every row, from the columns in `support`."""
    k, q = columns.shape
    linear = F.shape[0] > 0
    dictionary, factors, row = dictionary_of(columns, tolerance), empty_factorization(k, q), empty_row(k, q)
    for i in range(start, stop):
        copy(Z[i], row.z, q)
        if linear:
            copy(F[i], row.f, k)
        copy(support[i], row.wanted, k)
        iterations[i] = _solve_into(dictionary, factors, row, linear, S[i])
        copy(row.wanted, support[i], k)


@reordered_kernel
def active_set_each(R, index, roots, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ½‖diag(w) R s − z‖² + fᵀs` for every row with a dictionary `R` and weights `w²` of its own.

    Shapes: `R` `(d, q, k)`, of which row `i` has `R[index[i]]`; `roots` `(n, q)` of the weights, or `(0, q)` for ones.
    For a single row, to factorize all columns first would take longer than the search.
    """
    q, k = R.shape[1:]
    linear = F.shape[0] > 0
    factors, row = empty_factorization(k, q), empty_row(k, q)
    dictionary, scales = Dictionary(np.empty((k, q)), np.empty(k), tolerance), np.empty(k)
    for i in range(start, stop):
        _weigh_columns(R, index, roots, i, i == start, dictionary, scales)
        copy(Z[i], row.z, q)
        for j in range(k):
            row.f[j] = F[i, j] * scales[j] if linear else 0.0
        copy(support[i], row.wanted, k)
        iterations[i] = _solve_into(dictionary, factors, row, linear, S[i])
        copy(row.wanted, support[i], k)
        for j in range(k):
            S[i, j] *= scales[j]


@reordered_step
def _weigh_columns(R, index, roots, i, first, dictionary, scales):  # type: ignore[no-untyped-def]
    """Write the weighted columns of row `i` and their scales, unless they are those of the row before and it is not the first."""
    weighted = roots.shape[0] > 0
    if first or weighted or index[i] != index[i - 1]:
        for j in range(len(scales)):
            target = dictionary.columns[j]
            for r in range(len(target)):
                target[r] = R[index[i], r, j] * (roots[i, r] if weighted else 1.0)
            scales[j], dictionary.norms[j] = _scale_column(target)


@reordered_step
def _scale_column(column):  # type: ignore[no-untyped-def]
    """Scale a column by the power of two above its largest entry, or by zero if it is subnormal; return the scale and its norm."""
    largest, smallest_normal = 0.0, 2.0**-1022
    for r in range(len(column)):
        largest = max(largest, abs(column[r]))
    scale = math.ldexp(1.0, -math.frexp(largest)[1]) if largest >= smallest_normal else 0.0
    total = 0.0
    for r in range(len(column)):
        column[r] *= scale
        total += column[r] * column[r]
    return scale, np.sqrt(total)


@reordered_step
def _solve_into(dictionary, factors, row, linear, s):  # type: ignore[no-untyped-def]
    """Solve for a row in units of its size, and write the solution; return the number of iterations."""
    fill(s, len(s), 0.0)
    unit = _size_of_row(row, linear, dictionary.norms)
    if unit == 0.0:
        fill(row.wanted, len(s), False)
        return np.int64(0)
    for r in range(len(row.z)):
        row.z[r] /= unit
    for j in range(len(s) if linear else 0):
        row.f[j] /= unit
    size, iteration = solve_row(dictionary, factors, row, linear)
    for a in range(size):
        s[factors.order[a]] = row.s[a] * unit
    return iteration


@reordered_step
def _size_of_row(row, linear, norms):  # type: ignore[no-untyped-def]
    """Return the largest entry of a sample, and of a linear cost for columns of unit norm."""
    unit = 0.0
    for r in range(len(row.z)):
        unit = max(unit, abs(row.z[r]))
    for j in range(len(norms) if linear else 0):
        # A zero column never enters.
        unit = max(unit, abs(row.f[j]) / norms[j] if norms[j] > 0.0 else 0.0)
    return unit


@reordered_kernel
def on_support(columns, tolerance, D, support, V, start, stop):  # type: ignore[no-untyped-def]
    """Solve `R_PᵀR_P v_P = d_P` on the support `P` of every row, zero elsewhere."""
    k, q = columns.shape
    dictionary, factors = dictionary_of(columns, tolerance), empty_factorization(k, q)
    for i in range(start, stop):
        _solve_on_support(dictionary, factors, D[i], support[i], V[i])


@reordered_kernel
def on_support_each(R, index, roots, tolerance, D, support, V, start, stop):  # type: ignore[no-untyped-def]
    """Solve on the supports as `on_support` does, for dictionaries and weights as in `active_set_each`."""
    q, k = R.shape[1:]
    factors, d = empty_factorization(k, q), np.empty(k)
    dictionary, scales = Dictionary(np.empty((k, q)), np.empty(k), tolerance), np.empty(k)
    for i in range(start, stop):
        _weigh_columns(R, index, roots, i, i == start, dictionary, scales)
        for j in range(k):
            d[j] = D[i, j] * scales[j]
        _solve_on_support(dictionary, factors, d, support[i], V[i])
        for j in range(k):
            V[i, j] *= scales[j]


@reordered_step
def _solve_on_support(dictionary, factors, d, support, v):  # type: ignore[no-untyped-def]
    """Solve `R_PᵀR_P v_P = d_P` on the support `P` of a row, zero elsewhere."""
    u, c = factors.h, factors.c
    size = np.int64(0)
    fill(v, len(v), 0.0)
    fill(factors.residual, len(factors.residual), 0.0)
    fill(factors.pull, len(factors.pull), 0.0)
    for j in range(len(v)):
        if support[j] and dictionary.norms[j] > 0.0:
            distance = distance_from_span(dictionary, factors, size, j)
            if distance > 0.0:
                total = d[j]
                for a in range(size):
                    total -= c[a] * u[a]
                size = enter(factors, size, j, distance, total, 0.0)
    minimiser(factors, size, factors.x)
    for a in range(size):
        v[factors.order[a]] = factors.x[a]
