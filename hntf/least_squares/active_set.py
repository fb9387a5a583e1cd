"""Numba kernels over rows: an active-set method for degenerate, singular or ill-conditioned rows, and the solution on a support.

The problem of a row is `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` with a square root `R` of the Gram matrix, so that the condition number is
not squared. `active_set_row` solves one; the orthogonal `factorization` of its support is updated, not computed again. Arrays are
C-contiguous float64: `columns` `(k, q)` holds the columns of `R` as rows, `Z` is `(n, q)`, `F` is `(n, k)`, or `(0, k)` for zero.
The last two arguments are the range of rows.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares.active_set_row import solve_row
from hntf.least_squares.factorization import (
    dictionary_of,
    distance_from_span,
    empty_factorization,
    enter,
    minimiser,
)
from hntf.least_squares.kernels import reordered_kernel
from hntf.least_squares.row_state import empty_row


@reordered_kernel
def active_set(columns, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]
    """Solve `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` for every row, from the columns in `support`."""
    k, q = columns.shape
    linear = F.shape[0] > 0
    dictionary, factors, row = dictionary_of(columns, tolerance), empty_factorization(k, q), empty_row(k, q)
    for i in range(start, stop):
        unit = _size_of_row(Z[i], F, i, dictionary.norms)
        if unit == 0.0:
            S[i], support[i], iterations[i] = 0.0, False, 0
            continue
        row.z[:] = Z[i] / unit
        if linear:
            row.f[:] = F[i] / unit
        row.wanted[:] = support[i]
        size, iterations[i] = solve_row(dictionary, factors, row, linear)
        support[i] = row.wanted
        S[i] = 0.0
        for a in range(size):
            S[i, factors.order[a]] = row.s[a] * unit


@reordered_kernel
def _size_of_row(z, F, i, norms):  # type: ignore[no-untyped-def]
    """Return the largest entry of a sample, and of a linear cost for columns of unit norm."""
    unit = np.max(np.abs(z)) if len(z) else 0.0
    if len(F) > 0:
        for j in range(F.shape[1]):
            # A zero column never enters.
            unit = max(unit, abs(F[i, j]) / norms[j] if norms[j] > 0.0 else 0.0)
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
