"""The derivative of a function with respect to one entry by central differences, with the error of that derivative.

Differences with several steps are compared: where they agree they resolve the derivative, and what they differ by is their error,
whether it comes from curvature or from rounding. The step is relative to the entries that stand beside the moved one. Where they
do not agree with the expected derivative, those on both sides tell whether there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from hntf.gradient_check.comparison import REFINEMENTS, RESOLUTION, Comparison
from hntf.gradient_check.differences import PARTS, Crossings, Differences, differences

HIDDEN = 250.0
"""Change, in units of the rounding of a function, up to which it may have been hidden at a tenth of the step."""

BOTH_SIDES = np.concatenate([PARTS, -PARTS])
"""The parts of a step at which a function is asked whether it is smooth."""

_SMOOTH_BASIS = BOTH_SIDES[:, None] ** np.arange(1, 5)
_SMOOTH_FIT = np.linalg.pinv(_SMOOTH_BASIS)

IRREGULAR = 0.2
"""How much of the changes of a smooth function a polynomial of degree 4 does not tell, at most."""

SMOOTH, KINK = 0.11, 0.5
"""How much less the slopes on both sides differ with a tenth of the step: a tenth with a second derivative, all at a kink."""


class Derivative(NamedTuple):
    """A derivative by differences.

    Attributes
    ----------
    value, error : float
        The derivative and its error.
    crossed : bool
        Whether all differences crossed a kink.
    samples : frozenset of int
        The samples whose support changed.
    hidden : bool
        Whether the function depends on the entry by less than its rounding.
    """

    value: float
    error: float
    crossed: bool = False
    samples: frozenset[int] = frozenset()
    hidden: bool = False


def derivative(function: Callable[[float], float], comparison: Comparison, crossings: Crossings) -> Derivative:
    """Return the derivative at 0 of a function of one number.

    A difference that agrees with the expected value settles it; otherwise smaller steps tell the error of the difference, and
    one-sided differences whether there is a kink that no problem recorded.

    Parameters
    ----------
    function : callable
        The function.
    comparison : Comparison
        What the derivative is compared with.
    crossings : callable
        Whether a kink lies between the two points whose problems were recorded, and the samples that it belongs to.
    """
    found, larger = _with_smaller_steps(function, comparison, crossings), None
    first = found[0]
    if len(found) == 1 and not first.settles(comparison):
        larger = _with_larger_steps(function, comparison, crossings)
        found = [*found, *larger]
    last = found[-1]
    if last.agrees:
        hidden = last.is_constant and _is_hidden(function, comparison)
        return Derivative(last.slope, last.rounding if hidden else 0.0, hidden=hidden)
    inside = [one for one in found if not one.crossed]
    if not inside:
        return Derivative(np.nan, np.inf, crossed=True, samples=frozenset().union(*(one.samples for one in found)))
    best = _best(inside)
    if comparison.explains(best.slope, best.error):
        hidden = best.rounding > best.truncation and not comparison.resolves(best.slope, best.error)
        return Derivative(best.slope, best.error, hidden=hidden and _is_hidden(function, comparison))
    if comparison.coarse_rounding > RESOLUTION * comparison.rounding and not first.crossed:
        # Parts that are rounded more coarsely change with larger steps alone.
        coarser = [first, *(_with_larger_steps(function, comparison, crossings) if larger is None else larger)]
        if coarser[-1].agrees:
            return Derivative(coarser[-1].slope, 0.0)
        noise = max(comparison.coarse_rounding, *(one.noise for one in coarser))
        coarse = min((one.with_noise(noise) for one in coarser), key=lambda one: one.error)
        if comparison.explains(coarse.slope, coarse.error):
            return Derivative(coarse.slope, coarse.error)
    return _of_both_sides(function, comparison, best)


def _with_smaller_steps(
    function: Callable[[float], float], comparison: Comparison, crossings: Crossings
) -> list[Differences]:
    """Return the differences with one step after the other, until one settles the derivative, or rounding hides it."""
    found = []
    for step in comparison.steps:
        found.append(differences(function, comparison, crossings, step))
        if found[-1].settles(comparison) or found[-1].truncation < comparison.rounding / step:
            break
    return found


def _with_larger_steps(
    function: Callable[[float], float], comparison: Comparison, crossings: Crossings
) -> list[Differences]:
    """Return the differences with larger steps, while no kink is crossed and the function is defined."""
    found: list[Differences] = []
    for step in comparison.larger_steps:
        one = differences(function, comparison, crossings, step)
        if one.crossed or not np.isfinite(one.slope):
            break
        found.append(one)
        if one.settles(comparison):
            break
    return found


def _best(found: list[Differences]) -> Differences:
    """Return the differences with the smallest error among those that no smaller step contradicts."""

    def is_contradicted(larger: Differences) -> bool:
        return any(smaller.step < larger.step and smaller.contradicts(larger) for smaller in found)

    return min((one for one in found if not is_contradicted(one)), key=lambda one: one.error)


def _of_both_sides(function: Callable[[float], float], comparison: Comparison, best: Differences) -> Derivative:
    """Return the derivative where it is not as expected, unless the expected one lies between those on both sides.

    At a kink, they differ by the same with every step. Where they do not approach each other as those of a function with a second
    derivative do, the derivative may change within a distance that rounding hides, such as that of `|x|**1.5` beside 0.
    """
    mismatch = Derivative(best.slope, best.error)
    gaps = []
    sides = best
    for _ in range(REFINEMENTS):
        if not sides.resolves_gap:
            break
        if not sides.is_between(comparison.expected):
            return mismatch
        gaps.append(sides.gap)
        step = 0.1 * sides.step
        sides = sides._replace(
            step=step,
            left=(comparison.value - function(-step)) / step,
            right=(function(step) - comparison.value) / step,
        )
    ratios = [smaller / larger for larger, smaller in pairwise(gaps)]
    if not gaps or (ratios and max(ratios) <= SMOOTH):
        return mismatch
    if min(ratios, default=1.0) >= KINK:
        return mismatch._replace(crossed=True)
    return mismatch._replace(error=gaps[-1])


def _is_hidden(function: Callable[[float], float], comparison: Comparison) -> bool:
    """Tell whether rounding hides how a function depends on an entry.

    A smooth function that was hidden at a tenth of a step changes little beyond rounding there; one that was constant before, such
    as that of a unit which becomes active, jumps. One that does not depend on the entry, such as what is normalised after a shift,
    may change by rounding that grows with the step, and is not smooth.
    """
    step, before = comparison.step, comparison.rounding
    while step < comparison.farthest:
        step *= 10.0
        change = max(abs(_change(function, comparison, sign * step)) for sign in (1.0, -1.0))
        if change > HIDDEN * before:
            return False
        if change > comparison.rounding:
            changes = np.array([_change(function, comparison, step * part) for part in BOTH_SIDES])
            irregular = changes - _SMOOTH_BASIS @ (_SMOOTH_FIT @ changes)
            if np.linalg.norm(irregular) <= IRREGULAR * np.linalg.norm(changes):
                return True
            before = change
    return False


def _change(function: Callable[[float], float], comparison: Comparison, distance: float) -> float:
    """Return how much the function changes at a distance, 0 where it is not defined."""
    change = function(distance) - comparison.value
    return change if np.isfinite(change) else 0.0
