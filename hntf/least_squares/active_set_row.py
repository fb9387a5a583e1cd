"""Numba kernels: the active-set method of Lawson and Hanson on one row, `min_{s ≥ 0} ½‖R s − z‖² + fᵀs`.

A column that does not lower the cost is rejected until another one does, so the search also terminates on degenerate and singular
problems. The factorization of an ill-conditioned support, which was updated, is computed afresh from the coefficients with the
lowest cost, and the search goes on; what is returned is never worse than the best that was met, but for rounding.

References
----------
Lawson, Hanson (1974), *Solving Least Squares Problems*, chapters 23 and 24.
"""

from __future__ import annotations

import numpy as np

from hntf.least_squares.factorization import (
    REORTHOGONALIZED,
    copy,
    distance_from_span,
    dot,
    fill,
    project_out,
    solve_triangular,
)
from hntf.least_squares.kernels import reordered_step
from hntf.least_squares.pricing import PRICED, best_candidate, price_all
from hntf.least_squares.row_moves import exchange, go_to_minimiser, let_enter, make_independent
from hntf.least_squares.row_state import admit_rejected, exceeds, linear_cost, rounding, take_best, write_best
from hntf.scales import EPS

MOST_EXCHANGES = 30
"""Maximum number of iterations of a row, in units of the number of columns."""

ROUNDS = 3
"""Maximum number of searches that follow a fresh factorization."""

WITHOUT_GAIN = 2
"""Number of iterations without a gain above rounding after which a search ends, in units of the number of columns."""

POLLUTED = 100.0
"""Squared norm of what is left of a sample, relative to its own, above which its rounding spoils what is left in the end.

Only a linear cost makes it larger than the sample: the coefficients of a support that is nearly dependent may be huge.
"""

FAR_FROM_DEPENDENT = 10.0
"""Relative distance of every column from the span of those before it above which no fresh factorization is needed.

It is in units of the root of the tolerance: coefficients are at most the reciprocal of a distance, and so is what they add to it.
"""


@reordered_step
def solve_row(dictionary, factors, row, linear):  # type: ignore[no-untyped-def]
    """Solve for a row from the columns `wanted`; write the support there, and return its size and the number of iterations."""
    k = len(row.f)
    fill(row.rejected, k, False)
    fill(row.barred, k, False)
    fill(row.best, k, 0.0)
    z_norm = np.sqrt(dot(row.z, row.z))
    near = FAR_FROM_DEPENDENT * np.sqrt(dictionary.tolerance)
    # Of literal numbers, other kernels would be compiled.
    iteration, rounds, lowest = np.int64(0), 0, np.inf
    size, worst = _start(dictionary, factors, row, linear)
    while True:
        before = iteration
        size, worst, iteration, current, lowest, highest, stuck = _search(
            dictionary, factors, row, linear, z_norm, size, worst, iteration, lowest
        )
        is_lowest = not exceeds(current, lowest, size, linear, z_norm)
        if is_lowest and not stuck and worst > near and 2 * highest <= POLLUTED * z_norm**2:
            break
        size, worst = _start_from_best(dictionary, factors, row, linear)
        current = 0.5 * dot(factors.residual, factors.residual)
        current += linear_cost(factors, row, size) if linear else 0.0
        if exceeds(current, lowest, size, linear, z_norm):
            # In this order, columns depend on others that do not in the order in which they entered.
            return take_best(factors, row), iteration
        rounds += 0 if stuck else 1
        if (iteration == before or rounds > ROUNDS) and not stuck:
            break
    solve_triangular(factors, factors.h, size, row.t)
    for a in range(size):
        row.s[a] = row.t[a] if row.t[a] > 0.0 else row.s[a]
    fill(row.wanted, k, False)
    for a in range(size):
        row.wanted[factors.order[a]] = True
    return size, iteration


@reordered_step
def _start(dictionary, factors, row, linear):  # type: ignore[no-untyped-def]
    """Factorize the columns `wanted`, without those whose coefficients are not positive, until all are.

    Return their number, and the smallest relative distance of a column from the span of those before it. It is done afresh each
    time: of huge coefficients of columns that leave, rounding would stay in the residual.
    """
    norms = dictionary.norms
    while True:
        copy(row.z, factors.residual, len(row.z))
        size, worst = np.int64(0), 1.0
        for j in range(len(norms)):
            row.blocked[j] = norms[j] == 0.0
            if row.wanted[j] and norms[j] > 0.0:
                distance = distance_from_span(dictionary, factors, size, j)
                if distance > 0.0:
                    worst = min(worst, distance / norms[j])
                    size = let_enter(dictionary, factors, row, linear, size, j, distance)
        solve_triangular(factors, factors.h, size, row.s)
        done = True
        for a in range(size):
            if row.s[a] <= 0.0:
                row.wanted[factors.order[a]] = done = False
        if done:
            return size, worst


@reordered_step
def _start_from_best(dictionary, factors, row, linear):  # type: ignore[no-untyped-def]
    """Factorize the support with the lowest cost afresh, in the order of the backward pass, and go to the minimiser on it.

    Return the number of columns that are left, and the smallest relative distance of one from the span of those before it.
    """
    norms = dictionary.norms
    copy(row.z, factors.residual, len(row.z))
    size, worst = np.int64(0), 1.0
    for j in range(len(norms)):
        row.blocked[j] = norms[j] == 0.0 or row.barred[j]
    for j in range(len(norms)):
        if row.best[j] > 0.0:
            distance = distance_from_span(dictionary, factors, size, j)
            coefficient = row.best[j]
            if distance < 0.0:
                size, distance, moved = make_independent(dictionary, factors, row, size, j, -coefficient)
                coefficient += moved
            if distance > 0.0 and coefficient > 0.0:
                worst = min(worst, distance / norms[j])
                row.s[size] = coefficient
                size = let_enter(dictionary, factors, row, linear, size, j, distance)
    solve_triangular(factors, factors.h, size, row.t)
    return go_to_minimiser(factors, row, size), worst


@reordered_step
def _search(dictionary, factors, row, linear, z_norm, size, worst, iteration, lowest):  # type: ignore[no-untyped-def]
    """Let columns enter and leave until none lowers the cost.

    Return the size of the support, the smallest relative distance of a column from the span of those before it, the number of
    iterations, the cost, the lowest cost of all searches, half the largest squared norm of the residual since it was last cleaned,
    and whether a column had to be barred.
    """
    norms = dictionary.norms
    cost, highest, largest, entering = np.inf, 0.5 * z_norm**2, 0.0, -1
    mark, marked = np.inf, iteration
    fill(row.candidates, PRICED, -1)
    while True:
        quadratic, highest = _half_square(factors, size, linear, highest)
        r_norm = np.sqrt(2 * quadratic)
        current = quadratic + linear_cost(factors, row, size) if linear else quadratic
        if current < lowest or not exceeds(current, lowest, size, linear, z_norm):
            # A column far smaller than the others may enter without a visible gain.
            lowest = min(lowest, current)
            write_best(factors, row, size)
        least = rounding(size) * z_norm
        if current < mark - 0.5 * least**2:
            mark, marked = current, iteration
        if current < cost:
            cost = current
            admit_rejected(row)
        elif entering >= 0 and not row.blocked[entering]:
            row.rejected[entering] = row.blocked[entering] = True
        if not linear and r_norm <= least:
            break
        noise = 2 * EPS * (z_norm if linear else r_norm)
        entering = best_candidate(dictionary, row, factors.residual, largest, noise)
        if entering < 0:
            entering, largest = price_all(dictionary, row, factors.residual, noise)
        if entering < 0 or iteration == MOST_EXCHANGES * len(norms) or iteration - marked > WITHOUT_GAIN * len(norms):
            break
        iteration += 1
        distance = distance_from_span(dictionary, factors, size, entering)
        if not linear and not _lowers_the_cost(factors, norms[entering], r_norm, z_norm):
            row.rejected[entering] = row.blocked[entering] = True
            continue
        moved = 0.0
        if distance < 0.0:
            size, distance, moved = make_independent(dictionary, factors, row, size, entering, np.inf)
            if distance < 0.0 and moved == 0.0:
                row.rejected[entering] = row.blocked[entering] = True
                continue
            if distance < 0.0:
                # Still dependent after a move, with which the cost falls without bound, but for rounding.
                row.barred[entering] = True
                return size, worst, iteration, current, lowest, highest, True
        worst = min(worst, distance / norms[entering])
        size = exchange(dictionary, factors, row, linear, size, entering, distance, moved)
    return size, worst, iteration, current, lowest, highest, False


@reordered_step
def _half_square(factors, size, linear, highest):  # type: ignore[no-untyped-def]
    """Return half the squared norm of the residual, and the largest since it was last cleaned of rounding."""
    residual = factors.residual
    current = 0.5 * dot(residual, residual)
    highest = max(highest, current)
    if not linear and current < REORTHOGONALIZED**2 * highest:
        # What is left of a larger residual in the span of the support is its rounding.
        highest = current
        fill(factors.c, size, 0.0)
        project_out(factors.Q, size, residual, factors.c)
        current = 0.5 * dot(residual, residual)
    return current, highest


@reordered_step
def _lowers_the_cost(factors, norm, r_norm, z_norm):  # type: ignore[no-untyped-def]
    """Tell whether the cost falls along the last column by more than rounding."""
    # The projected column has a smaller rounding error than the column itself.
    rounding = norm * r_norm + z_norm * np.sqrt(dot(factors.v, factors.v))
    return dot(factors.v, factors.residual) > 4 * EPS * rounding
