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

REORTHOGONALIZED = 0.5
"""Ratio of a vector's norm after and before its projection below which it is projected a second time.

With a smaller one, what is left of orthogonality shrinks with every column that is projected once.
"""


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
        The columns of the upper triangular factor, as rows.
    reciprocals : array, `(p,)`
        The reciprocals of its diagonal.
    h, pull : arrays, `(p,)`
        The coefficients of the sample in the basis, and what a linear cost takes from them.
    order : array, `(p,)`, int64
        The columns of the support, in the order in which they entered.
    residual, pulled : arrays, `(q,)`
        What is left of the sample outside of the span, and what a linear cost takes from it in the span.
    v : array, `(q,)`
        The last column without its projection on the span.
    c, x : arrays, `(p,)`
        The coefficients of that projection, in the basis and in the columns of the support.
    """

    Q: np.ndarray
    T: np.ndarray
    reciprocals: np.ndarray
    h: np.ndarray
    pull: np.ndarray
    order: np.ndarray
    residual: np.ndarray
    pulled: np.ndarray
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
def dot_of_first(a, b, size):  # type: ignore[no-untyped-def]
    """Return the inner product of the first entries of two arrays."""
    total = 0.0
    for r in range(size):
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
def minimiser(factors, size, t):  # type: ignore[no-untyped-def]
    """Write the coefficients that minimise the cost on the support, without constraints."""
    for a in range(size):
        t[a] = factors.h[a] - factors.pull[a]
    solve_triangular(factors, size, t)


@reordered_step
def solve_triangular(factors, size, t):  # type: ignore[no-untyped-def]
    """Solve `T t = right` for the right-hand side in `t`, in place."""
    T, reciprocals = factors.T, factors.reciprocals
    a = size
    while a >= 4:
        # Four columns at a time, with one pass over `t` for all of them.
        a -= 4
        column0, column1, column2, column3 = T[a], T[a + 1], T[a + 2], T[a + 3]
        t3 = t[a + 3] * reciprocals[a + 3]
        t2 = (t[a + 2] - column3[a + 2] * t3) * reciprocals[a + 2]
        t1 = (t[a + 1] - column3[a + 1] * t3 - column2[a + 1] * t2) * reciprocals[a + 1]
        t0 = (t[a] - column3[a] * t3 - column2[a] * t2 - column1[a] * t1) * reciprocals[a]
        t[a], t[a + 1], t[a + 2], t[a + 3] = t0, t1, t2, t3
        for b in range(a):
            t[b] -= column0[b] * t0 + column1[b] * t1 + column2[b] * t2 + column3[b] * t3
    while a > 0:
        a -= 1
        t[a] *= reciprocals[a]
        for b in range(a):
            t[b] -= T[a, b] * t[a]


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
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty(q),
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
    copy(c, x, size)
    solve_triangular(factors, size, x)
    growth, unit = 1.0, 1.0 / norms[j]
    for a in range(size):
        growth += (x[a] * norms[factors.order[a]] * unit) ** 2
    rounding = tolerance * norms[j] * np.sqrt(growth)
    return distance if size < columns.shape[1] and distance > rounding else -1.0


@reordered_step
def enter(factors, size, j, distance, gradient, cost):  # type: ignore[no-untyped-def]
    """Append column `j`, whose distance from the span was computed last, and update what is left; return the new size.

    `gradient` is by how much the sum of squares falls per unit of what is left of the column, and `cost` its linear cost.
    """
    Q, h, residual, v = factors.Q, factors.h, factors.residual, factors.v
    reciprocal = 1.0 / distance
    copy(factors.c, factors.T[size], size)
    factors.T[size, size], factors.reciprocals[size] = distance, reciprocal
    factors.order[size] = j
    h[size], factors.pull[size] = gradient * reciprocal, cost * reciprocal
    for r in range(v.shape[0]):
        Q[size, r] = v[r] * reciprocal
        residual[r] -= h[size] * Q[size, r]
    if cost != 0.0:
        for r in range(v.shape[0]):
            factors.pulled[r] += factors.pull[size] * Q[size, r]
    return size + 1


@reordered_step
def leave(factors, s, size, a):  # type: ignore[no-untyped-def]
    """Remove the column at position `a` and its coefficient, and update what is left; return the new size."""
    Q, T, h, pull, order = factors.Q, factors.T, factors.h, factors.pull, factors.order
    last = size - 1
    for b in range(a, last):
        order[b] = order[b + 1]
        s[b] = s[b + 1]
        copy(T[b + 1], T[b], b + 2)
    for i in range(a, last):
        length = np.sqrt(T[i, i] ** 2 + T[i, i + 1] ** 2)
        reciprocal = 1.0 / length
        cosine, sine = T[i, i] * reciprocal, T[i, i + 1] * reciprocal
        T[i, i], factors.reciprocals[i] = length, reciprocal
        for b in range(i + 1, last):
            u, v = T[b, i], T[b, i + 1]
            T[b, i] = cosine * u + sine * v
            T[b, i + 1] = cosine * v - sine * u
        first, second = Q[i], Q[i + 1]
        for r in range(len(first)):
            u, v = first[r], second[r]
            first[r] = cosine * u + sine * v
            second[r] = cosine * v - sine * u
        h[i], h[i + 1] = cosine * h[i] + sine * h[i + 1], cosine * h[i + 1] - sine * h[i]
        pull[i], pull[i + 1] = cosine * pull[i] + sine * pull[i + 1], cosine * pull[i + 1] - sine * pull[i]
    for r in range(Q.shape[1]):
        factors.residual[r] += h[last] * Q[last, r]
    if pull[last] != 0.0:
        for r in range(Q.shape[1]):
            factors.pulled[r] -= pull[last] * Q[last, r]
    return last
