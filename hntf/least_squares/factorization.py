"""Numba kernels: the orthogonal factorization `R_P = QᵀT` of the columns of a support, updated as columns enter and leave.

A column enters by Gram–Schmidt with reorthogonalization and leaves by Givens rotations. It is independent of others if its distance
from their span exceeds the rounding error of that distance, which is `tolerance` times its norm and grows with the coefficients of
its projection.

References
----------
Daniel, Gragg, Kaufman, Stewart (1976), *Reorthogonalization and stable algorithms for updating the Gram–Schmidt QR
factorization*, Math. Comp. 30.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.least_squares.kernels import reordered_kernel, reordered_step

REORTHOGONALIZED = 0.1
"""Ratio of a vector's norm after and before its projection below which it is projected a second time."""


class Dictionary(NamedTuple):
    """The columns among which supports are chosen.

    Attributes
    ----------
    columns : array, `(k, q)`, float64
        The columns of `R` as rows.
    norms : array, `(k,)`
        Their norms.
    tolerance : float
        The relative distance from the span of other columns at which a column depends on them.
    """

    columns: np.ndarray
    norms: np.ndarray
    tolerance: float


class Factorization(NamedTuple):
    """The factorization of a support, the leading part of each array, and the last column whose distance from it was computed.

    Attributes
    ----------
    Q : array, `(p, q)`
        An orthonormal basis of the span of the support, as rows.
    T : array, `(p, p)`
        The upper triangular factor.
    h : array, `(p,)`
        The coefficients of the sample in the basis.
    order : array, `(p,)`, int64
        The columns of the support, in the order in which they entered.
    residual : array, `(q,)`
        What is left of the sample outside of the span.
    v : array, `(q,)`
        The last column without its projection on the span.
    c, x : arrays, `(p,)`
        The coefficients of that projection, in the basis and in the columns of the support.
    """

    Q: np.ndarray
    T: np.ndarray
    h: np.ndarray
    order: np.ndarray
    residual: np.ndarray
    v: np.ndarray
    c: np.ndarray
    x: np.ndarray


@reordered_step
def dot(a, b):  # type: ignore[no-untyped-def]
    """Return the inner product."""
    total = 0.0
    for r in range(a.shape[0]):
        total += a[r] * b[r]
    return total


@reordered_step
def copy(source, target, size):  # type: ignore[no-untyped-def]
    """Copy the first entries of an array; to assign to a slice would take several times as long for arrays that are short."""
    for a in range(size):
        target[a] = source[a]


@reordered_step
def fill(target, size, value):  # type: ignore[no-untyped-def]
    """Set the first entries of an array to a value."""
    for a in range(size):
        target[a] = value


@reordered_step
def project_out(Q, size, v, coefficients):  # type: ignore[no-untyped-def]
    """Subtract from `v` its projection on the first rows of `Q`, and add its coefficients to `coefficients`."""
    q = v.shape[0]
    a = 0
    while a + 4 <= size:
        # Four rows at a time, with two passes over `v` for all of them.
        q0, q1, q2, q3 = Q[a], Q[a + 1], Q[a + 2], Q[a + 3]
        c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
        for r in range(q):
            c0 += q0[r] * v[r]
            c1 += q1[r] * v[r]
            c2 += q2[r] * v[r]
            c3 += q3[r] * v[r]
        for r in range(q):
            v[r] -= c0 * q0[r] + c1 * q1[r] + c2 * q2[r] + c3 * q3[r]
        coefficients[a] += c0
        coefficients[a + 1] += c1
        coefficients[a + 2] += c2
        coefficients[a + 3] += c3
        a += 4
    while a < size:
        c0 = dot(Q[a], v)
        for r in range(q):
            v[r] -= c0 * Q[a, r]
        coefficients[a] += c0
        a += 1


@reordered_step
def solve_triangular(T, right, size, t):  # type: ignore[no-untyped-def]
    """Solve `T t = right` for the upper triangular `T`."""
    a = size
    while a >= 4:
        # Four rows at a time, whose sums do not wait for each other.
        a -= 4
        row0, row1, row2, row3 = T[a], T[a + 1], T[a + 2], T[a + 3]
        sum0, sum1, sum2, sum3 = 0.0, 0.0, 0.0, 0.0
        for b in range(a + 4, size):
            sum0 += row0[b] * t[b]
            sum1 += row1[b] * t[b]
            sum2 += row2[b] * t[b]
            sum3 += row3[b] * t[b]
        t3 = (right[a + 3] - sum3) / row3[a + 3]
        t2 = (right[a + 2] - sum2 - row2[a + 3] * t3) / row2[a + 2]
        t1 = (right[a + 1] - sum1 - row1[a + 2] * t2 - row1[a + 3] * t3) / row1[a + 1]
        t0 = (right[a] - sum0 - row0[a + 1] * t1 - row0[a + 2] * t2 - row0[a + 3] * t3) / row0[a]
        t[a], t[a + 1], t[a + 2], t[a + 3] = t0, t1, t2, t3
    while a > 0:
        a -= 1
        row = T[a]
        total = right[a]
        for b in range(a + 1, size):
            total -= row[b] * t[b]
        t[a] = total / row[a]


@reordered_kernel
def dictionary_of(columns, tolerance):  # type: ignore[no-untyped-def]
    """Return the columns with their norms."""
    norms = np.empty(len(columns))
    for j in range(len(columns)):
        norms[j] = np.sqrt(dot(columns[j], columns[j]))
    return Dictionary(columns, norms, tolerance)


@reordered_kernel
def empty_factorization(k, q):  # type: ignore[no-untyped-def]
    """Return space for the factorization of any support of `k` columns."""
    most = min(q, k) + 1
    return Factorization(
        np.empty((most, q)),
        np.empty((most, most)),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty(q),
        np.empty(q),
        np.empty(most),
        np.empty(most),
    )


@reordered_step
def distance_from_span(dictionary, factors, size, j):  # type: ignore[no-untyped-def]
    """Return the distance of column `j` from the span of a support, negative if it is zero up to rounding.

    Writes `v`, `c` and `x`.
    """
    columns, norms, tolerance = dictionary
    v, c, x = factors.v, factors.c, factors.x
    copy(columns[j], v, len(v))
    fill(c, size, 0.0)
    project_out(factors.Q, size, v, c)
    distance = np.sqrt(dot(v, v))
    if distance < REORTHOGONALIZED * norms[j]:
        project_out(factors.Q, size, v, c)
        distance = np.sqrt(dot(v, v))
    solve_triangular(factors.T, c, size, x)
    growth = 1.0
    for a in range(size):
        growth += (x[a] * norms[factors.order[a]] / norms[j]) ** 2
    rounding = tolerance * norms[j] * np.sqrt(growth)
    return distance if size < columns.shape[1] and distance > rounding else -1.0


@reordered_step
def enter(factors, size, j, distance, gradient):  # type: ignore[no-untyped-def]
    """Append column `j`, whose distance from the span was computed last, and update the residual; return the new size."""
    Q, T, h, order, residual, v, c, _ = factors
    for a in range(size):
        T[a, size] = c[a]
    T[size, size] = distance
    h[size] = gradient / distance
    for r in range(v.shape[0]):
        Q[size, r] = v[r] / distance
        residual[r] -= h[size] * Q[size, r]
    order[size] = j
    return size + 1


@reordered_step
def leave(factors, s, size, a):  # type: ignore[no-untyped-def]
    """Remove the column at position `a` and its coefficient, and update the residual; return the new size."""
    Q, T, h, order = factors.Q, factors.T, factors.h, factors.order
    q = Q.shape[1]
    for b in range(a, size - 1):
        order[b] = order[b + 1]
        s[b] = s[b + 1]
    for r in range(size):
        for b in range(max(a, r - 1), size - 1):
            T[r, b] = T[r, b + 1]
    for i in range(a, size - 1):
        length = np.sqrt(T[i, i] ** 2 + T[i + 1, i] ** 2)
        cosine, sine = T[i, i] / length, T[i + 1, i] / length
        upper, lower = T[i], T[i + 1]
        upper[i], lower[i] = length, 0.0
        for b in range(i + 1, size - 1):
            u, v = upper[b], lower[b]
            upper[b] = cosine * u + sine * v
            lower[b] = cosine * v - sine * u
        first, second = Q[i], Q[i + 1]
        for b in range(q):
            u, v = first[b], second[b]
            first[b] = cosine * u + sine * v
            second[b] = cosine * v - sine * u
        u, v = h[i], h[i + 1]
        h[i] = cosine * u + sine * v
        h[i + 1] = cosine * v - sine * u
    for r in range(q):
        factors.residual[r] += h[size - 1] * Q[size - 1, r]
    return size - 1
