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
    distance_from_span,
    dot,
    dot_of_first,
    fill,
    minimiser,
    project_out,
)
from hntf.least_squares.kernels import reordered_step
from hntf.least_squares.pricing import PRICED, best_candidate, price_all
from hntf.least_squares.row_moves import begin, cost_beside, exchange, go_to_minimiser, let_enter, make_independent
from hntf.least_squares.row_state import admit_rejected, cost_of, rounding, take_best, write_best
from hntf.scales import EPS

MOST_EXCHANGES = 30
"""Maximum number of iterations of a row, in units of the number of columns."""

ROUNDS = 3
"""Maximum number of searches that follow a fresh factorization."""

WITHOUT_GAIN = 2
"""Number of iterations without a gain above rounding after which a search ends, in units of the number of columns."""

POLLUTED = 100.0
"""Squared norm of what a linear cost takes from a sample, relative to its own, above which its rounding spoils what is left.

The coefficients of a support that is nearly dependent may be huge.
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
    size, worst = _start(dictionary, factors, row)
    while True:
        before = iteration
        size, worst, iteration, is_lowest, lowest, strongest, stuck = _search(
            dictionary, factors, row, linear, z_norm, size, worst, iteration, lowest
        )
        if is_lowest and not stuck and worst > near and strongest <= POLLUTED * z_norm**2:
            break
        size, worst = _start_from_best(dictionary, factors, row)
        current, error = cost_of(factors, row, size, _squares(factors, size, linear), z_norm)
        if current > lowest + error:
            # In this order, columns depend on others that do not in the order in which they entered.
            return take_best(factors, row), iteration
        rounds += 0 if stuck else 1
        if (iteration == before or rounds > ROUNDS) and not stuck:
            break
    minimiser(factors, size, row.t)
    for a in range(size):
        row.s[a] = row.t[a] if row.t[a] > 0.0 else row.s[a]
    fill(row.wanted, k, False)
    for a in range(size):
        row.wanted[factors.order[a]] = True
    return size, iteration


@reordered_step
def _start(dictionary, factors, row):  # type: ignore[no-untyped-def]
    """Factorize the columns `wanted`, without those whose coefficients are not positive, until all are.

    Return their number, and the smallest relative distance of a column from the span of those before it. It is done afresh each
    time: of huge coefficients of columns that leave, rounding would stay in the residual.
    """
    norms = dictionary.norms
    while True:
        begin(factors, row)
        size, worst = np.int64(0), 1.0
        for j in range(len(norms)):
            row.blocked[j] = norms[j] == 0.0
            if row.wanted[j] and norms[j] > 0.0:
                distance = distance_from_span(dictionary, factors, size, j)
                if distance > 0.0:
                    worst = min(worst, distance / norms[j])
                    size = let_enter(factors, row, size, j, distance)
        minimiser(factors, size, row.s)
        done = True
        for a in range(size):
            if row.s[a] <= 0.0:
                row.wanted[factors.order[a]] = done = False
        if done:
            return size, worst


@reordered_step
def _start_from_best(dictionary, factors, row):  # type: ignore[no-untyped-def]
    """Factorize the support with the lowest cost afresh, in the order of the backward pass, and go to the minimiser on it.

    Return the number of columns that are left, and the smallest relative distance of one from the span of those before it.
    """
    norms = dictionary.norms
    begin(factors, row)
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
                size = let_enter(factors, row, size, j, distance)
    minimiser(factors, size, row.t)
    return go_to_minimiser(factors, row, size), worst


@reordered_step
def _search(dictionary, factors, row, linear, z_norm, size, worst, iteration, lowest):  # type: ignore[no-untyped-def]
    """Let columns enter and leave until none lowers the cost.

    Return the size of the support, the smallest relative distance of a column from the span of those before it, the number of
    iterations, whether the cost is the lowest, that of all searches, the largest squared norm of what a linear cost takes from
    the sample, and whether a column had to be barred.
    """
    norms = dictionary.norms
    cost, highest, strongest, largest, entering = np.inf, z_norm**2, 0.0, 0.0, -1
    mark, marked = np.inf, iteration
    fill(row.candidates, PRICED, -1)
    while True:
        highest = _clean_residual(factors, size, highest)
        squares = _squares(factors, size, linear)
        strongest = max(strongest, dot_of_first(factors.pull, factors.pull, size))
        current, error = cost_of(factors, row, size, squares, z_norm)
        is_lowest = current <= lowest + error
        if is_lowest:
            # A column far smaller than the others may enter without a visible gain.
            lowest = min(lowest, current)
            write_best(factors, row, size)
        least, r_norm = rounding(size) * z_norm, np.sqrt(squares)
        if current < mark - 0.5 * least**2:
            mark, marked = current, iteration
        if current < cost:
            cost = current
            admit_rejected(row)
        elif entering >= 0 and not row.blocked[entering]:
            row.rejected[entering] = row.blocked[entering] = True
        if not linear and r_norm <= least:
            break
        _write_left(factors, row, linear)
        left = row.left if linear else factors.residual
        noise = 2 * EPS * r_norm
        entering = best_candidate(dictionary, row, left, largest, noise)
        if entering < 0:
            entering, largest = price_all(dictionary, row, left, noise)
        if entering < 0 or iteration == MOST_EXCHANGES * len(norms) or iteration - marked > WITHOUT_GAIN * len(norms):
            break
        iteration += 1
        distance = distance_from_span(dictionary, factors, size, entering)
        if not _lowers_the_cost(factors, row, size, entering, norms[entering], r_norm, z_norm):
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
                return size, worst, iteration, is_lowest, lowest, strongest, True
        worst = min(worst, distance / norms[entering])
        size = exchange(factors, row, size, entering, distance, moved)
    return size, worst, iteration, is_lowest, lowest, strongest, False


@reordered_step
def _clean_residual(factors, size, highest):  # type: ignore[no-untyped-def]
    """Project the residual once more where it has become far smaller; return its largest squared norm since it was last cleaned."""
    residual = factors.residual
    current = dot(residual, residual)
    if current < REORTHOGONALIZED**2 * highest:
        # What is left of a larger residual in the span of the support is its rounding.
        fill(factors.c, size, 0.0)
        project_out(factors.Q, size, residual, factors.c)
        return current
    return max(highest, current)


@reordered_step
def _squares(factors, size, linear):  # type: ignore[no-untyped-def]
    """Return the squared norm of the residual at the minimiser, whose two parts are orthogonal."""
    squares = dot(factors.residual, factors.residual)
    return squares + dot_of_first(factors.pull, factors.pull, size) if linear else squares


@reordered_step
def _write_left(factors, row, linear):  # type: ignore[no-untyped-def]
    """Write the residual at the minimiser, unless it is what is left of the sample."""
    for r in range(len(row.left) if linear else 0):
        row.left[r] = factors.residual[r] + factors.pulled[r]


@reordered_step
def _lowers_the_cost(factors, row, size, j, norm, r_norm, z_norm):  # type: ignore[no-untyped-def]
    """Tell whether the cost falls along the last column `j` by more than rounding."""
    # The projected column has a smaller rounding error than the column itself.
    rounding = norm * r_norm + z_norm * np.sqrt(dot(factors.v, factors.v)) + abs(row.f[j])
    return dot(factors.v, factors.residual) - cost_beside(factors, row, size, j) > 4 * EPS * rounding
