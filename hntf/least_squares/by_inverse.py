"""Numba kernels for supports that hold most columns, by the inverse `M` of a well-conditioned Gram matrix that all rows share.

Let `N` be the columns outside of the support. The solution is zero on `N` and the dual `y = G s − c` on the support, so that
`s = M (c + y)`, and with the unconstrained solution `u = M c`

    M_NN y_N = −u_N,        s = u + M_{·N} y_N,

which is a system of as many equations as there are columns outside of the support.
"""

from __future__ import annotations

from hntf.least_squares.elimination import (
    EPS,
    dual_row,
    eliminate,
    eliminate_right_hand_side,
    kernel,
    substitute,
)

ACCURATE = 8 * EPS
"""Residual, relative to its terms, above which a solution is corrected; elimination of `G_PP` leaves about as much."""


@kernel
def unconstrained(M, c, passive, u):  # type: ignore[no-untyped-def]
    """Write `u = M c` for the entries of `c` on a support."""
    k = c.shape[0]
    for j in range(k):
        u[j] = 0.0
    for p in range(k):
        if passive[p]:
            for j in range(k):
                u[j] += c[p] * M[p, j]


@kernel
def solve_outside(M, u, passive, index, U, inverse, s, y):  # type: ignore[no-untyped-def]
    """Write the solution on a support and its dual; return the number of columns outside of it, negative if `M_NN` is not safe."""
    k = u.shape[0]
    size = 0
    for j in range(k):
        s[j] = u[j]
        y[j] = 0.0
        if not passive[j]:
            index[size] = j
            size += 1
    for a in range(size):
        for b in range(a, size):
            U[a, b] = M[index[a], index[b]]
        U[a, size] = -u[index[a]]
    if not eliminate(U, size, inverse):
        return -1
    substitute(U, size, inverse, index, y)
    add_outside(M, y, index, size, s)
    return size


@kernel
def add_outside(M, y, index, size, s):  # type: ignore[no-untyped-def]
    """Add `M_{·N} y_N` to `s`, and set it to zero on `N`."""
    k = s.shape[0]
    for a in range(size):
        value = y[index[a]]
        for j in range(k):
            s[j] += value * M[index[a], j]
    for a in range(size):
        s[index[a]] = 0.0


@kernel
def correct(G, M, c, passive, norms, index, size, U, inverse, s, y, u, t):  # type: ignore[no-untyped-def]
    """Correct a solution of `solve_outside` by its residual, write its dual and return the rounding level as `dual_row` does."""
    k = c.shape[0]
    scale = dual_row(G, c, s, passive, norms, y)
    largest = 0.0
    for j in range(k):
        if passive[j]:
            largest = max(largest, abs(y[j]) / norms[j])
    if largest <= ACCURATE * scale:
        return scale
    for j in range(k):
        y[j] = -y[j]
    unconstrained(M, y, passive, u)
    for a in range(size):
        U[a, size] = -u[index[a]]
    eliminate_right_hand_side(U, size, inverse)
    substitute(U, size, inverse, index, t)
    add_outside(M, t, index, size, u)
    for j in range(k):
        s[j] += u[j]
    return dual_row(G, c, s, passive, norms, y)
