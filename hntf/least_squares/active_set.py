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
    dictionary, factors, row = dictionary_of(columns, tolerance), empty_factorization(k, q), empty_row(k, q)
    for i in range(start, stop):
        iterations[i] = _solve_problem(dictionary, factors, row, Z, F, i, S, support)


@reordered_kernel
def active_set_of_weighted(columns, roots, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ½‖diag(w) A s − z‖² + fᵀs` for every row with the roots `w` `(n, q)` of its own weights.

    For a single row, to factorize all columns first would take longer than the search.
    """
    k, q = columns.shape
    linear = F.shape[0] > 0
    factors, row = empty_factorization(k, q), empty_row(k, q)
    dictionary, scales = Dictionary(np.empty((k, q)), np.empty(k), tolerance), np.empty(k)
    for i in range(start, stop):
        copy(Z[i], row.z, q)
        for j in range(k):
            scales[j] = _weigh_column(columns[j], roots[i], dictionary, j)
            row.f[j] = F[i, j] * scales[j] if linear else 0.0
        row.wanted[:] = support[i]
        iterations[i] = _solve_into(dictionary, factors, row, linear, S[i])
        support[i] = row.wanted
        for j in range(k):
            S[i, j] *= scales[j]


@reordered_kernel
def active_set_each(columns, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` for every row with a square root of its own; `columns` is `(n, k, q)`."""
    k, q = columns.shape[1:]
    factors, row = empty_factorization(k, q), empty_row(k, q)
    for i in range(start, stop):
        iterations[i] = _solve_problem(dictionary_of(columns[i], tolerance), factors, row, Z, F, i, S, support)


@reordered_step
def _solve_problem(dictionary, factors, row, Z, F, i, S, support):  # type: ignore[no-untyped-def]
    """Solve for row `i` from the columns in `support`, which becomes that of the solution; return the number of iterations."""
    linear = F.shape[0] > 0
    copy(Z[i], row.z, len(row.z))
    if linear:
        copy(F[i], row.f, len(row.f))
    copy(support[i], row.wanted, len(row.wanted))
    iteration = _solve_into(dictionary, factors, row, linear, S[i])
    copy(row.wanted, support[i], len(row.wanted))
    return iteration


@reordered_step
def _weigh_column(column, roots, dictionary, j):  # type: ignore[no-untyped-def]
    """Write a weighted column in units of the power of two above its largest entry, zero if it is subnormal; return the scale."""
    target, largest, smallest_normal = dictionary.columns[j], 0.0, 2.0**-1022
    for r in range(len(target)):
        target[r] = column[r] * roots[r]
        largest = max(largest, abs(target[r]))
    scale = math.ldexp(1.0, -math.frexp(largest)[1]) if largest >= smallest_normal else 0.0
    total = 0.0
    for r in range(len(target)):
        target[r] *= scale
        total += target[r] * target[r]
    dictionary.norms[j] = np.sqrt(total)
    return scale


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
    u, c = factors.h, factors.c
    for i in range(start, stop):
        size = np.int64(0)
        V[i] = 0.0
        factors.residual[:] = 0.0
        factors.pull[:] = 0.0
        for j in range(k):
            if support[i, j] and dictionary.norms[j] > 0.0:
                distance = distance_from_span(dictionary, factors, size, j)
                if distance > 0.0:
                    total = D[i, j]
                    for a in range(size):
                        total -= c[a] * u[a]
                    size = enter(factors, size, j, distance, total, 0.0)
        minimiser(factors, size, factors.x)
        for a in range(size):
            V[i, factors.order[a]] = factors.x[a]
