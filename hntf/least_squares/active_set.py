"""Numba kernels over rows: the active-set method of Lawson and Hanson, for degenerate, singular or ill-conditioned rows.

The problem of a row is `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` with a square root `R` of the Gram matrix, so that the condition number is
not squared. The orthogonal factorization `R_P = QᵀT` of the support is updated, not computed again: a column enters by
Gram–Schmidt with reorthogonalization and leaves by Givens rotations. Arrays are C-contiguous float64: `columns` `(k, q)` holds the
columns of `R` as rows, `Z` is `(n, q)`, `F` is `(n, k)`, or `(0, k)` for zero. The last two arguments are the range of rows.

A column is independent of others if its distance from their span exceeds the rounding error of that distance, which is
`tolerance` times its norm and grows with the coefficients of its projection.

References
----------
Lawson, Hanson (1974), *Solving Least Squares Problems*, chapters 23 and 24.
Daniel, Gragg, Kaufman, Stewart (1976), *Reorthogonalization and stable algorithms for updating the Gram–Schmidt QR
factorization*, Math. Comp. 30.
"""

from __future__ import annotations

import numpy as np
from numba import njit

EPS = float(np.finfo(np.float64).eps)


PRICED = 10
"""Number of columns that are remembered as candidates after all correlations have been computed."""

PROMISING = 0.5
"""Fraction of the largest correlation that a candidate must keep to enter before all correlations are computed again."""

REORTHOGONALIZED = 0.1
"""Ratio of a vector's norm after and before its projection below which it is projected a second time."""

MOST_EXCHANGES = 30
"""Maximum number of iterations of a row, in units of the number of columns."""

ROUNDS = 3
"""Maximum number of times that the factorization of an ill-conditioned support is computed afresh."""

WELL_CONDITIONED = 1e-3
"""Relative distance of every column from the span of those before it above which no fresh factorization is needed."""


def kernel(function):  # type: ignore[no-untyped-def]
    """Compile a function that releases the global interpreter lock and may add in any order; the code is cached on disk."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc"})(function)


@kernel
def _dot(a, b):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(a.shape[0]):
        total += a[r] * b[r]
    return total


@kernel
def _project_out(Q, size, v, coefficients):  # type: ignore[no-untyped-def]
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
        c0 = _dot(Q[a], v)
        for r in range(q):
            v[r] -= c0 * Q[a, r]
        coefficients[a] += c0
        a += 1


@kernel
def _solve_triangular(T, right, size, t):  # type: ignore[no-untyped-def]
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


@kernel
def _distance_from_span(columns, tolerance, norms, Q, T, order, size, j, v, c, x):  # type: ignore[no-untyped-def]
    """Return the distance of column `j` from the span of the support, negative if it is zero up to rounding.

    Writes the projected column to `v`, the coefficients in the basis to `c` and those of the columns to `x`.
    """
    v[:] = columns[j]
    c[:size] = 0.0
    _project_out(Q, size, v, c)
    distance = np.sqrt(_dot(v, v))
    if distance < REORTHOGONALIZED * norms[j]:
        _project_out(Q, size, v, c)
        distance = np.sqrt(_dot(v, v))
    _solve_triangular(T, c, size, x)
    growth = 1.0
    for a in range(size):
        growth += (x[a] * norms[order[a]] / norms[j]) ** 2
    rounding = tolerance * norms[j] * np.sqrt(growth)
    return distance if size < columns.shape[1] and distance > rounding else -1.0


@kernel
def _enter(Q, T, h, order, size, j, distance, gradient, v, c, residual):  # type: ignore[no-untyped-def]
    """Append column `j` with the given distance from the span, and update the residual."""
    for a in range(size):
        T[a, size] = c[a]
    T[size, size] = distance
    h[size] = gradient / distance
    for r in range(v.shape[0]):
        Q[size, r] = v[r] / distance
        residual[r] -= h[size] * Q[size, r]
    order[size] = j


@kernel
def _leave(Q, T, h, order, s, size, a, residual):  # type: ignore[no-untyped-def]
    """Remove the column at position `a` by Givens rotations, and update the residual."""
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
        residual[r] += h[size - 1] * Q[size - 1, r]


@kernel
def _gradient(columns, f, j, residual):  # type: ignore[no-untyped-def]
    """Return the decrease of the cost per unit of column `j`."""
    return _dot(columns[j], residual) - f[j]


@kernel
def _best_candidate(columns, norms, f, residual, blocked, candidates, largest, noise):  # type: ignore[no-untyped-def]
    """Return the candidate with the largest gradient per norm, or -1 if none is promising."""
    best, entering = max(PROMISING * largest, noise), -1
    for j in candidates:
        if j >= 0 and not blocked[j]:
            value = _gradient(columns, f, j, residual) / norms[j]
            if value > best:
                best, entering = value, j
    return entering


@kernel
def _price_all(columns, norms, f, residual, blocked, candidates, values, noise):  # type: ignore[no-untyped-def]
    """Return the column with the largest gradient per norm and that gradient, or -1 at the optimum; refill the candidates."""
    largest, entering = noise, -1
    for j in range(columns.shape[0]):
        values[j] = 0.0
        if not blocked[j]:
            values[j] = _gradient(columns, f, j, residual) / norms[j]
            if values[j] > largest:
                largest, entering = values[j], j
    candidates[:] = -1
    found = 0
    for j in range(columns.shape[0]):
        if values[j] > PROMISING * largest and values[j] > noise and found < PRICED:
            candidates[found] = j
            found += 1
    return entering, largest


@kernel
def active_set(columns, tolerance, Z, F, S, support, iterations, start, stop):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """Solve `min_{s ≥ 0} ½‖R s − z‖² + fᵀs` for every row, from the columns in `support`.

    A column that does not lower the cost is rejected until another one does, so the search also terminates on degenerate and
    singular problems. If rounding led away from the support with the lowest cost, the search ends there.
    """
    k, q = columns.shape
    most = min(q, k) + 1
    linear = F.shape[0] > 0
    norms = np.empty(k)
    for j in range(k):
        norms[j] = np.sqrt(_dot(columns[j], columns[j]))
    Q, T, h = np.empty((most, q)), np.empty((most, most)), np.empty(most)
    order = np.empty(most, np.int64)
    s, t, c, x = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    v, residual, values = np.empty(q), np.empty(q), np.empty(k)
    z, f = np.empty(q), np.zeros(k)
    blocked, rejected = np.empty(k, np.bool_), np.empty(k, np.bool_)
    wanted, best, barred = np.empty(k, np.bool_), np.empty(k, np.bool_), np.empty(k, np.bool_)
    candidates = np.empty(PRICED, np.int64)
    for i in range(start, stop):
        wanted[:] = support[i]
        unit = np.max(np.abs(Z[i])) if q else 0.0
        if linear:
            for j in range(k):
                # A zero column never enters.
                unit = max(unit, abs(F[i, j]) / norms[j] if norms[j] > 0.0 else 0.0)
        if unit == 0.0:
            S[i], support[i], iterations[i] = 0.0, False, 0
            continue
        z[:] = Z[i] / unit
        if linear:
            f[:] = F[i] / unit
        z_norm = np.sqrt(_dot(z, z))
        rejected[:] = False
        iteration = 0
        settled, searching = False, True
        barred[:] = False
        rounds, lowest = 0, np.inf
        while not settled:
            rounds += 1
            # A start from a known support: its columns in order, without those whose coefficients are not positive.
            size = 0
            residual[:] = z
            worst = 1.0
            for j in range(k):
                blocked[j] = norms[j] == 0.0 or barred[j]
                if wanted[j] and norms[j] > 0.0:
                    distance = _distance_from_span(columns, tolerance, norms, Q, T, order, size, j, v, c, x)
                    if distance > 0.0:
                        worst = min(worst, distance / norms[j])
                        gradient = _gradient(columns, f, j, residual) if linear else _dot(v, residual)
                        _enter(Q, T, h, order, size, j, distance, gradient, v, c, residual)
                        blocked[j] = True
                        size += 1
            _solve_triangular(T, h, size, s)
            changed = False
            while size > 0 and np.min(s[:size]) <= 0.0:
                changed = True
                for a in range(size - 1, -1, -1):
                    if s[a] <= 0.0:
                        blocked[order[a]] = False
                        _leave(Q, T, h, order, s, size, a, residual)
                        size -= 1
                _solve_triangular(T, h, size, s)
            cost, entering, before = np.inf, -1, iteration
            highest = 0.5 * z_norm**2
            stuck = False
            largest = 0.0
            candidates[:] = -1
            while searching:
                current = 0.5 * _dot(residual, residual)
                highest = max(highest, current)
                if not linear and current < REORTHOGONALIZED**2 * highest:
                    # What is left of a larger residual in the span of the support is its rounding.
                    highest = current
                    c[:size] = 0.0
                    _project_out(Q, size, residual, c)
                    current = 0.5 * _dot(residual, residual)
                r_norm = np.sqrt(2 * current)
                if linear:
                    for a in range(size):
                        current += f[order[a]] * s[a]
                if current < lowest:
                    lowest = current
                    best[:] = False
                    for a in range(size):
                        best[order[a]] = True
                if current < cost:
                    cost = current
                    for j in range(k):
                        if rejected[j]:
                            rejected[j] = blocked[j] = False
                elif entering >= 0 and not blocked[entering]:
                    rejected[entering] = blocked[entering] = True
                if not linear and r_norm <= 4 * EPS * z_norm:
                    break
                noise = 2 * EPS * (z_norm if linear else r_norm)
                entering = _best_candidate(columns, norms, f, residual, blocked, candidates, largest, noise)
                if entering < 0:
                    entering, largest = _price_all(columns, norms, f, residual, blocked, candidates, values, noise)
                    if entering < 0:
                        break
                if iteration == MOST_EXCHANGES * k:
                    break
                iteration += 1
                distance = _distance_from_span(columns, tolerance, norms, Q, T, order, size, entering, v, c, x)
                gradient = _gradient(columns, f, entering, residual)
                value = 0.0
                if not linear:
                    # The projected column has a smaller rounding error than the column itself.
                    gradient = _dot(v, residual)
                    rounding = norms[entering] * r_norm + z_norm * np.sqrt(_dot(v, v))
                    if gradient <= 4 * EPS * rounding:
                        rejected[entering] = blocked[entering] = True
                        continue
                while distance < 0.0:
                    # Along a dependent column the cost is linear: move until a coefficient of the support vanishes.
                    step, leaving = np.inf, -1
                    for a in range(size):
                        relative = x[a] * norms[order[a]] / norms[entering]
                        if relative > tolerance and s[a] / x[a] < step:
                            step, leaving = s[a] / x[a], a
                    if leaving < 0:
                        break
                    for a in range(size):
                        s[a] = max(s[a] - step * x[a], 0.0)
                    s[leaving] = 0.0
                    value += step
                    blocked[order[leaving]] = False
                    _leave(Q, T, h, order, s, size, leaving, residual)
                    size -= 1
                    distance = _distance_from_span(columns, tolerance, norms, Q, T, order, size, entering, v, c, x)
                    gradient = _gradient(columns, f, entering, residual) if linear else _dot(v, residual)
                if distance < 0.0 and value == 0.0:
                    rejected[entering] = blocked[entering] = True
                    continue
                if distance < 0.0:
                    # Still dependent after a move, with which the cost falls without bound, but for rounding.
                    barred[entering] = stuck = True
                    break
                worst = min(worst, distance / norms[entering])
                _enter(Q, T, h, order, size, entering, distance, gradient, v, c, residual)
                blocked[entering] = True
                s[size] = value
                if value == 0.0:
                    # `s` is the minimiser without the column, and `x` the coefficients of its projection.
                    t[size] = h[size] / distance
                    for a in range(size):
                        t[a] = s[a] - t[size] * x[a]
                    size += 1
                else:
                    size += 1
                    _solve_triangular(T, h, size, t)
                while True:
                    # Move towards the minimiser up to the first bound, until it is reached.
                    step, blocking = 1.0, -1
                    for a in range(size):
                        if t[a] <= 0.0:
                            fraction = s[a] / (s[a] - t[a]) if s[a] > 0.0 else 0.0
                            if blocking < 0 or fraction < step:
                                step, blocking = fraction, a
                    if blocking < 0:
                        s[:size] = t[:size]
                        break
                    for a in range(size):
                        s[a] += step * (t[a] - s[a])
                    s[blocking] = 0.0
                    for a in range(size - 1, -1, -1):
                        if s[a] <= 0.0:
                            blocked[order[a]] = False
                            _leave(Q, T, h, order, s, size, a, residual)
                            size -= 1
                    _solve_triangular(T, h, size, t)
            _solve_triangular(T, h, size, t)
            for a in range(size):
                s[a] = t[a] if t[a] > 0.0 else s[a]
            # What has been updated in an ill-conditioned support is computed once more, in the order of the backward pass.
            settled = worst > WELL_CONDITIONED or (iteration == before and not changed) or rounds > ROUNDS
            wanted[:] = False
            for a in range(size):
                wanted[order[a]] = True
            if stuck:
                settled = False
                wanted[:] = best
            elif not searching:
                settled = True
            elif settled and current > lowest + EPS * (z_norm**2 + abs(lowest)):
                settled = searching = False
                wanted[:] = best
        support[i] = wanted
        S[i] = 0.0
        for a in range(size):
            S[i, order[a]] = s[a] * unit
        iterations[i] = iteration


@kernel
def on_support(columns, tolerance, D, support, V, start, stop):  # type: ignore[no-untyped-def]
    """Solve `R_PᵀR_P v_P = d_P` on the support `P` of every row, zero elsewhere."""
    k, q = columns.shape
    most = min(q, k) + 1
    norms = np.empty(k)
    for j in range(k):
        norms[j] = np.sqrt(_dot(columns[j], columns[j]))
    Q, T = np.empty((most, q)), np.empty((most, most))
    order = np.empty(most, np.int64)
    v, c, x, u = np.empty(q), np.empty(most), np.empty(most), np.empty(most)
    for i in range(start, stop):
        size = 0
        V[i] = 0.0
        for j in range(k):
            if support[i, j] and norms[j] > 0.0:
                distance = _distance_from_span(columns, tolerance, norms, Q, T, order, size, j, v, c, x)
                if distance > 0.0:
                    total = D[i, j]
                    for a in range(size):
                        T[a, size] = c[a]
                        total -= c[a] * u[a]
                    T[size, size] = distance
                    u[size] = total / distance
                    for r in range(q):
                        Q[size, r] = v[r] / distance
                    order[size] = j
                    size += 1
        _solve_triangular(T, u, size, x)
        for a in range(size):
            V[i, order[a]] = x[a]
