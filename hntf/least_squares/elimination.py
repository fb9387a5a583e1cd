"""Numba kernels: elimination of small symmetric positive definite systems, one or eight that are interleaved.

A system of `size` equations is in the leading part of a work array `U`, of one number or eight (see `lanes`) for each entry: the
rows of its upper triangle, each `size + 1` apart, with the right-hand side behind them.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares.kernels import reduction, step
from hntf.least_squares.lanes import (
    LANES,
    eight_times,
    entry,
    filled,
    load,
    load_eight,
    square_root,
    store,
    store_eight,
    with_sign_of,
)

SAFE_PIVOT = 1e-8
"""Relative size above which a pivot is known to half its digits; dependent columns had pivots up to 2e-10."""


@step
def eliminate(U, size, pivots, inverse):  # type: ignore[no-untyped-def]
    """Eliminate a system in place, and write its pivots and their inverses."""
    for first in range(0, size, 4):
        # Four pivots at a time, with a single pass over the rest of the matrix for all of them.
        last = min(first + 4, size)
        _eliminate_within(U, size, first, last, pivots, inverse)
        for a in range(last, size - 1, 2):
            _eliminate_two(U, size, first, a, inverse)
        if (size - last) % 2 == 1:
            _eliminate_one(U, size, first, size - 1, inverse)


@step
def _eliminate_within(U, size, first, last, pivots, inverse):  # type: ignore[no-untyped-def]
    """Eliminate rows `first … last − 1` by one another."""
    width = size + 1
    for r in range(first, last):
        pivot = load(U, r * width + r)
        store(pivots, r, pivot)
        store(inverse, r, filled(U, 1.0) / pivot)
        for a in range(r + 1, last):
            factor = load(U, r * width + a) * load(inverse, r)
            for b in range(a, width):
                store(U, a * width + b, load(U, a * width + b) - factor * load(U, r * width + b))


@step
def _eliminate_one(U, size, first, a, inverse):  # type: ignore[no-untyped-def]
    """Eliminate row `a` by the four rows from `first`."""
    width = size + 1
    r0, r1, r2, r3 = first * width, (first + 1) * width, (first + 2) * width, (first + 3) * width
    f0, f1 = load(U, r0 + a) * load(inverse, first), load(U, r1 + a) * load(inverse, first + 1)
    f2, f3 = load(U, r2 + a) * load(inverse, first + 2), load(U, r3 + a) * load(inverse, first + 3)
    row = a * width
    for b in range(a, width):
        sum_of_rows = f0 * load(U, r0 + b) + f1 * load(U, r1 + b) + f2 * load(U, r2 + b) + f3 * load(U, r3 + b)
        store(U, row + b, load(U, row + b) - sum_of_rows)


@step
def _eliminate_two(U, size, first, a, inverse):  # type: ignore[no-untyped-def]
    """Eliminate rows `a` and `a + 1` by the four rows from `first`, which are read once for both."""
    width = size + 1
    r0, r1, r2, r3 = first * width, (first + 1) * width, (first + 2) * width, (first + 3) * width
    i0, i1, i2, i3 = load(inverse, first), load(inverse, first + 1), load(inverse, first + 2), load(inverse, first + 3)
    f0, f1, f2, f3 = load(U, r0 + a) * i0, load(U, r1 + a) * i1, load(U, r2 + a) * i2, load(U, r3 + a) * i3
    g0, g1, g2, g3 = (
        load(U, r0 + a + 1) * i0,
        load(U, r1 + a + 1) * i1,
        load(U, r2 + a + 1) * i2,
        load(U, r3 + a + 1) * i3,
    )
    row, other = a * width, (a + 1) * width
    sum_of_rows = f0 * load(U, r0 + a) + f1 * load(U, r1 + a) + f2 * load(U, r2 + a) + f3 * load(U, r3 + a)
    store(U, row + a, load(U, row + a) - sum_of_rows)
    for b in range(a + 1, width):
        u0, u1, u2, u3 = load(U, r0 + b), load(U, r1 + b), load(U, r2 + b), load(U, r3 + b)
        store(U, row + b, load(U, row + b) - (f0 * u0 + f1 * u1 + f2 * u2 + f3 * u3))
        store(U, other + b, load(U, other + b) - (g0 * u0 + g1 * u1 + g2 * u2 + g3 * u3))


@step
def substitute(U, size, inverse, s):  # type: ignore[no-untyped-def]
    """Write the solution of an eliminated system."""
    width = size + 1
    for a in range(size - 1, -1, -1):
        value = load(U, a * width + size) * load(inverse, a)
        store(s, a, value)
        for b in range(a):
            store(U, b * width + size, load(U, b * width + size) - load(U, b * width + a) * value)


@step
def reciprocal_condition(U, size, counts, inverse, norms, w):  # type: ignore[no-untyped-def]
    """Estimate the reciprocal condition number of an eliminated matrix with unit columns, which safe pivots do not bound.

    Its eigenvalues are at most the number of columns, in `counts`. With `R` the triangular factor, `RᵀR v = d` is solved for signs
    `d` that make the solution large. `norms` are those of the columns, 0 for columns that only fill up a system; `w` is a work
    array.

    References
    ----------
    Cline, Moler, Stewart, Wilkinson (1979), *An estimate for the condition number of a matrix*, SIAM J. Numer. Anal. 16(2).
    """
    width = size + 1
    square = filled(U, 0.0)
    for a in range(size):
        store(w, a, square)
    for a in range(size):
        root, known = square_root(load(inverse, a)), load(w, a)
        value = (known + with_sign_of(load(norms, a), known)) * root
        store(w, a, value)
        for b in range(a + 1, size):
            store(w, b, load(w, b) - load(U, a * width + b) * root * value)
    for a in range(size - 1, -1, -1):
        root, value = square_root(load(inverse, a)), load(w, a)
        for b in range(a + 1, size):
            value = value - load(U, a * width + b) * root * load(w, b)
        # What is kept is `v` in units of the columns.
        value = value * root
        store(w, a, value)
        square = square + (value * load(norms, a)) * (value * load(norms, a))
    return filled(U, 1.0) / square_root(load(counts, 0) * square)


@step
def sum_of_rows(G, gram, s, chosen, size, y):  # type: ignore[no-untyped-def]
    """Write `y = Σ_p s_p G_p` over `size` chosen rows `p` of one of several matrices."""
    k = y.shape[0]
    matrix = gram * k * k
    if k < LANES:
        for j in range(k):
            y[j] = 0.0
        for a in range(size):
            for j in range(k):
                y[j] += s[chosen[a]] * G[gram, chosen[a], j]
        return
    for start in range(0, k, LANES):
        # The last eight entries overlap those before them.
        first = min(start, k - LANES)
        total = eight_times(0.0)
        for a in range(size):
            p = entry(chosen, a)
            total = total + eight_times(entry(s, p)) * load_eight(G, matrix + p * k + first)
        store_eight(y, first, total)


@reduction
def size_of_terms(c, s, norms, inverse_norms):  # type: ignore[no-untyped-def]
    """Return the size of the terms of `G s − c` for columns of unit norm."""
    scale = 0.0
    largest = 0.0
    for j in range(c.shape[0]):
        scale += abs(s[j]) * norms[j]
        largest = max(largest, abs(c[j]) * inverse_norms[j])
    return max(scale, largest)


@step
def norms_of(G, norms, inverse_norms):  # type: ignore[no-untyped-def]
    """Write the norms of the columns and their inverses, 0 for a zero column."""
    for j in range(len(G)):
        norms[j] = np.sqrt(G[j, j])
        inverse_norms[j] = 1.0 / norms[j] if norms[j] > 0.0 else 0.0
