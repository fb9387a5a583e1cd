"""The derivative of a function with respect to one entry by central differences, with the error of that derivative.

Differences with several steps are compared: where they agree they resolve the derivative, and what they differ by is their error,
whether it comes from curvature or from rounding. The step is relative to the entries that stand beside the moved one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.least_squares.kinks import KinkRecorder, recording
from hntf.scales import EPS

REFINEMENTS = 8
"""Number of steps, each a tenth of the one before, that are tried until no support changes and the differences agree."""

RESOLUTION = 10.0
"""How many times the estimated error of a difference may explain a mismatch."""

FEWEST_ROUNDINGS = 4
"""The rounding error of a value, at least, in units of the machine epsilon."""

ROUNDED = 8
"""Number of evaluations at points that differ by rounding, which tell how much of a value is rounding."""

SINGLE_EPS = float(np.finfo(np.float32).eps)

HALF_EPS = 2.0**-8

ON_LINE = 12
"""Number of evaluations at points that differ by rounding in single precision."""


LARGER_STEPS = 3
"""Number of steps, each ten times the one before, that are tried where the differences are rounding."""

HIDDEN = 250.0
"""Change, in units of the rounding of a function, up to which it may have been hidden at a tenth of the step."""


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
    crossed: bool
    samples: frozenset[int] = frozenset()
    hidden: bool = False


class Noise(NamedTuple):
    """How much of a function is rounding.

    Attributes
    ----------
    double : float
        How much it changes where all inputs are rounded differently, with the conditioning that it has there.
    single : float
        What else it changes, irregularly, between points that differ by rounding in single precision.
    """

    double: float
    single: float


class Comparison(NamedTuple):
    """What a derivative is compared with.

    Attributes
    ----------
    value : float
        The function at 0.
    step : float
        The largest step, relative to the size of the entries beside the moved one.
    own_step : float
        The same, relative to the moved entry itself, 0 for one that is zero.
    farthest : float
        The largest step that tells whether rounding hides how the function depends on the entry.
    expected : float
        The expected derivative.
    rtol : float
        The relative error up to which they agree.
    noise : Noise
        How much of the function is rounding.
    """

    value: float
    step: float
    own_step: float
    farthest: float
    expected: float
    rtol: float
    noise: Noise

    @property
    def steps(self) -> list[float]:
        """The steps to try, each a tenth of the one before; in the end those of the moved entry itself, if they are smaller."""
        beside = [self.step * 0.1**i for i in range(REFINEMENTS)]
        own = [self.own_step * 0.1**i for i in range(3)]
        return beside + [step for step in own if 0.0 < step < beside[-1]]

    def explains(self, derivative: Derivative) -> bool:
        """Tell whether the expected derivative is within the error of a derivative by differences."""
        return abs(derivative.value - self.expected) <= self.rtol * abs(self.expected) + RESOLUTION * derivative.error

    def resolves(self, value: float, error: float) -> bool:
        """Tell whether an error is small enough to judge a derivative."""
        return RESOLUTION * error <= self.rtol * abs(value)


def noise_of(function: Callable[[list[np.ndarray]], float], inputs: list[np.ndarray], value: float) -> Noise:
    """Estimate how much of a function is rounding, from its values at points beside the inputs.

    References
    ----------
    Moré, Wild (2011), *Estimating computational noise*, SIAM J. Sci. Comput. 33(3).
    """
    rng = np.random.default_rng(0)
    changes = []
    for _ in range(ROUNDED):
        rounded = [np.asarray(x * (1 + EPS * rng.integers(-2, 3, x.shape))) for x in inputs]
        changes.append(abs(function(rounded) - value))
    direction = [rng.uniform(1.0, 2.0, x.shape) * rng.choice([-1.0, 1.0], x.shape) for x in inputs]
    # The line does not hold the point itself: a kink there is no rounding.
    line = [
        function([np.asarray(x * (1 + i * SINGLE_EPS * d)) for x, d in zip(inputs, direction, strict=True)])
        for i in range(1, ON_LINE + 1)
    ]
    # Third differences of a smooth function vanish; one kink on the line affects three of them, not the median.
    single = float(np.median(np.abs(np.diff(line, 3)))) / 20**0.5
    if len(set(line)) == 1:
        # It does not change at all; if it does at larger distances, it is rounded to half precision.
        wide = [
            function([np.asarray(x * (1 + i * HALF_EPS * d)) for x, d in zip(inputs, direction, strict=True)])
            for i in range(1, ON_LINE + 1)
        ]
        single = float(np.max(np.abs(np.diff(wide))))
    return Noise(max(FEWEST_ROUNDINGS * EPS * abs(value), *changes), single if np.isfinite(single) else 0.0)


def sizes(x: np.ndarray) -> np.ndarray:
    """Return the size of every entry, or that of the entries beside it along all axes if it is smaller; 1 for an array of zeros."""
    size = np.abs(x)
    if x.ndim and x.size:
        beside = [np.broadcast_to(size.max(axis=axis, keepdims=True), x.shape) for axis in range(x.ndim)]
        size = np.maximum(size, np.minimum.reduce(beside))
    whole = size.max() if size.size else 0.0
    return np.where(size > 0, size, whole or 1.0)


def derivative(
    function: Callable[[float], float],
    comparison: Comparison,
    crossings: Callable[[KinkRecorder, KinkRecorder], tuple[bool, frozenset[int]]],
) -> Derivative:
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
    found = _Found(comparison)
    for step in comparison.steps:
        slopes = _slopes(function, comparison, crossings, step)
        if slopes.settled is not None:
            return slopes.settled
        found.add(slopes, step)
        if found.is_resolved or found.is_rounding:
            break
    if found.is_rounding and step == comparison.step and not found.is_resolved:
        for i in range(1, LARGER_STEPS + 1):
            larger = comparison.step * 10.0**i
            slopes = _slopes(function, comparison, crossings, larger)
            if slopes.settled is not None:
                return slopes.settled
            if slopes.crossed:
                break
            found.add(slopes, larger)
    best, coarse = found.best, found.coarse
    if not best.crossed and comparison.explains(coarse) and not comparison.explains(best):
        # Rounding in single precision explains what smaller steps cannot.
        return coarse
    if best.crossed:
        return best._replace(samples=found.samples)
    if found.is_rounding and comparison.explains(best) and not comparison.resolves(best.value, best.error):
        return best._replace(hidden=_is_hidden(function, comparison))
    return best._replace(crossed=not comparison.explains(best) and _is_kink(function, comparison, found.step))


class _Slopes(NamedTuple):
    """Differences with a step and half of it, unless a kink is crossed; `settled` is the derivative if one is as expected."""

    slopes: list[float]
    crossed: bool
    samples: frozenset[int]
    settled: Derivative | None = None


def _slopes(
    function: Callable[[float], float],
    comparison: Comparison,
    crossings: Callable[[KinkRecorder, KinkRecorder], tuple[bool, frozenset[int]]],
    step: float,
) -> _Slopes:
    expected, slopes, met = comparison.expected, [], frozenset[int]()
    for h in (step, 0.5 * step):
        values, recorders = [], []
        for sign in (1.0, -1.0):
            with recording() as recorder:
                values.append(function(sign * h))
            recorders.append(recorder)
        slopes.append((values[0] - values[1]) / (2 * h))
        crossed, samples = crossings(*recorders)
        met |= samples
        if crossed:
            return _Slopes(slopes, True, met)
        if abs(slopes[-1] - expected) <= comparison.rtol * abs(expected):
            if values == [comparison.value] * 2 and _is_hidden(function, comparison):
                settled = Derivative(slopes[-1], max(comparison.noise) / h, False, hidden=True)
            else:
                settled = Derivative(slopes[-1], 0.0, False)
            return _Slopes(slopes, False, met, settled)
    return _Slopes(slopes, False, met)


class _Found:
    """The best derivatives of several steps.

    Attributes
    ----------
    best, coarse : Derivative
        The one with the smallest error, without and with rounding in single precision.
    error : float
        The error of the last one.
    is_rounding : bool
        Whether most of it is rounding.
    step : float
        The step of the best one.
    samples : frozenset of int
        The samples at kinks.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self.best = self.coarse = Derivative(np.nan, np.inf, True)
        self.error, self.is_rounding, self.step = np.inf, False, np.inf
        self.samples: frozenset[int] = frozenset()

    @property
    def is_resolved(self) -> bool:
        """Whether the last one tells the derivative."""
        return self._comparison.resolves(self.best.value, self.error)

    def add(self, slopes: _Slopes, step: float) -> None:
        """Take the differences with a step into account."""
        self.samples |= slopes.samples
        if slopes.crossed:
            return
        coarse, fine = slopes.slopes
        noise = self._comparison.noise
        rounded = noise.double / (0.5 * step)
        self.error = abs(coarse - fine) + rounded
        if not np.isfinite(self.error):
            # Where the function is no number there is no kink; a smaller step may stay where it is one.
            self.best = self.best._replace(crossed=False)
            return
        self.is_rounding = rounded > 0.5 * self.error
        extrapolated = (4 * fine - coarse) / 3
        # Smaller steps contradict the best one where there is a kink between them.
        contradicts = step < self.step and abs(fine - self.best.value) > RESOLUTION * (self.error + self.best.error)
        if self.error < self.best.error or contradicts:
            self.best, self.step = Derivative(extrapolated, self.error, False), step
        in_single = self.error + noise.single / (0.5 * step)
        if in_single < self.coarse.error:
            self.coarse = Derivative(extrapolated, in_single, False)


def _is_hidden(function: Callable[[float], float], comparison: Comparison) -> bool:
    """Tell whether rounding hides how a function depends on an entry.

    A smooth function that was hidden at a tenth of a step changes little beyond rounding there; one that was constant before, such
    as that of a unit which becomes active, jumps.
    """
    noise, step = max(comparison.noise), comparison.step
    while step < comparison.farthest:
        step *= 10.0
        change = max(abs(function(sign * step) - comparison.value) for sign in (1.0, -1.0))
        if change > noise:
            return change <= HIDDEN * noise
    return False


def _is_kink(function: Callable[[float], float], comparison: Comparison, step: float) -> bool:
    """Tell whether the derivative jumps at 0, and the expected one lies between those of both sides.

    One-sided differences of a smooth function approach each other as the step, from that of the best difference on, falls.
    """
    gap, h = 0.0, step
    for _ in range(REFINEMENTS):
        sides = [sign * (function(sign * h) - comparison.value) / h for sign in (1.0, -1.0)]
        here = abs(sides[0] - sides[1])
        if here < 4 * RESOLUTION * max(comparison.noise) / h:
            break
        if here < 0.5 * gap or not min(sides) - 0.01 * here <= comparison.expected <= max(sides) + 0.01 * here:
            return False
        gap, h = here, 0.1 * h
    return gap > 0.0
