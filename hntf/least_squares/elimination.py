"""Numba kernels: elimination of small symmetric positive definite systems, and the dual of a row.

A system of `size` equations is in the leading part of a work array `U`: its upper triangle, and its right-hand side in column
`size`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EPS = float(np.finfo(np.float64).eps)

SAFE_PIVOT = 1e-8
"""Relative size above which a pivot is known to half its digits; dependent columns had pivots up to 2e-10."""


def kernel(function):  # type: ignore[no-untyped-def]
    """Compile a function that releases the global interpreter lock; the compiled code is cached on disk."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})(function)


@kernel
def eliminate(U, size, inverse):  # type: ignore[no-untyped-def]
    """Eliminate a system in place, with the inverses of its pivots in `inverse`; return whether all pivots are safe.

    The rounding error of a pivot grows with the pivots before it, so a small one does not tell whether its column is dependent.
    """
    for r in range(size):
        inverse[r] = U[r, r]
    for first in range(0, size, 4):
        # Four pivots at a time, with a single pass over the rest of the matrix for all of them.
        last = min(first + 4, size)
        for r in range(first, last):
            if not U[r, r] > SAFE_PIVOT * inverse[r]:
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
    return True


@kernel
def eliminate_right_hand_side(U, size, inverse):  # type: ignore[no-untyped-def]
    """Apply the elimination of a system to another right-hand side."""
    for r in range(size):
        value = U[r, size] * inverse[r]
        for a in range(r + 1, size):
            U[a, size] -= U[r, a] * value


@kernel
def substitute(U, size, inverse, index, s):  # type: ignore[no-untyped-def]
    """Write the solution of an eliminated system into the entries `index` of `s`."""
    for a in range(size - 1, -1, -1):
        value = U[a, size] * inverse[a]
        s[index[a]] = value
        for b in range(a):
            U[b, size] -= U[b, a] * value


@kernel
def reciprocal_condition(U, size, inverse, index, norms, w):  # type: ignore[no-untyped-def]
    """Estimate the reciprocal condition number of an eliminated matrix with unit columns, which safe pivots do not bound.

    Its eigenvalues are at most `size`. With `R` the triangular factor, `RᵀR v = d` is solved for signs `d` that make the solution
    large. `w` is a work array.

    References
    ----------
    Cline, Moler, Stewart, Wilkinson (1979), *An estimate for the condition number of a matrix*, SIAM J. Numer. Anal. 16(2).
    """
    for a in range(size):
        w[a] = 0.0
    for a in range(size):
        root = np.sqrt(inverse[a])
        known = w[a] / norms[index[a]]
        w[a] = (known + (1.0 if known >= 0.0 else -1.0)) * root * norms[index[a]]
        for b in range(a + 1, size):
            w[b] -= U[a, b] * root * w[a]
    square = 0.0
    for a in range(size - 1, -1, -1):
        root = np.sqrt(inverse[a])
        value = w[a]
        for b in range(a + 1, size):
            value -= U[a, b] * root * w[b]
        # What is kept is `v` in units of the columns.
        w[a] = value * root
        square += (w[a] * norms[index[a]]) ** 2
    return 1.0 / np.sqrt(size * square)


@kernel
def dual_row(G, c, s, passive, norms, y):  # type: ignore[no-untyped-def]
    """Write `y = G s − c` and return the rounding level of `y_j / norms_j`, in units of the machine epsilon."""
    k = c.shape[0]
    for j in range(k):
        y[j] = -c[j]
    for p in range(k):
        if passive[p]:
            for j in range(k):
                y[j] += s[p] * G[p, j]
    return size_of_terms(c, s, norms)


@kernel
def norms_of(G):  # type: ignore[no-untyped-def]
    """Return the norms of the columns."""
    norms = np.empty(len(G))
    for j in range(len(G)):
        norms[j] = np.sqrt(G[j, j])
    return norms


@kernel
def size_of_terms(c, s, norms):  # type: ignore[no-untyped-def]
    """Return the size of the terms of `G s − c` for columns of unit norm."""
    scale = 0.0
    largest = 0.0
    for j in range(c.shape[0]):
        scale += abs(s[j]) * norms[j]
        if norms[j] > 0.0:
            largest = max(largest, abs(c[j]) / norms[j])
    return max(scale, largest)
