"""Central differences of a function of one number, with a step and parts of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.gradient_check.comparison import RESOLUTION, Comparison
from hntf.least_squares.kinks import KinkRecorder, recording

PARTS = np.array([1.0, 0.5, 0.85, 0.7])
"""The parts of a step at which the function is evaluated, on both sides."""

_ODD = np.linalg.pinv(np.stack([PARTS, PARTS**3], axis=1))
"""The coefficients of the odd polynomial of degree 3 that is nearest to values at these parts."""

_FREE = len(PARTS) - 2

Crossings = Callable[[KinkRecorder, KinkRecorder], tuple[bool, frozenset[int]]]
"""Whether a kink lies between two points whose problems were recorded, and the samples that it belongs to."""


class Differences(NamedTuple):
    """What the values of a function around 0 tell about its derivative.

    Attributes
    ----------
    step : float
        The largest distance from 0.
    slope : float
        The derivative at 0 of the odd polynomial of degree 3 that is nearest to the values.
    rounding, truncation : float
        Its error by rounding, which the residuals of that polynomial tell, and by curvature, which its cubic term tells.
    noise : float
        The rounding of the values.
    left, right : float
        The differences between 0 and the largest distance on each side.
    crossed : bool
        Whether a kink is known to lie between the points; nothing but the samples is known then.
    samples : frozenset of int
        The samples that it belongs to.
    agrees : bool
        Whether a plain difference is as expected; nothing but the slope and the error is known then.
    is_constant : bool
        Whether the function is the same at all points.
    """

    step: float
    slope: float = np.nan
    rounding: float = np.inf
    truncation: float = np.inf
    noise: float = np.inf
    left: float = np.nan
    right: float = np.nan
    crossed: bool = False
    samples: frozenset[int] = frozenset()
    agrees: bool = False
    is_constant: bool = False

    @property
    def error(self) -> float:
        """The error of the slope."""
        return self.rounding + self.truncation

    @property
    def gap(self) -> float:
        """How far the slopes on both sides differ."""
        return abs(self.right - self.left)

    @property
    def resolves_gap(self) -> bool:
        """Whether more than rounding makes the slopes on both sides differ."""
        return self.gap > 4 * RESOLUTION * self.noise / self.step

    def settles(self, comparison: Comparison) -> bool:
        """Tell whether the slope is as expected, or precise enough to tell that it is not."""
        return self.agrees or comparison.resolves(self.slope, self.error)

    def with_noise(self, noise: float) -> Differences:
        """Return the differences of values with more rounding."""
        return self._replace(noise=noise, rounding=float(np.linalg.norm(_ODD[0])) * noise / self.step)

    def is_between(self, slope: float) -> bool:
        """Tell whether a slope lies between those on both sides."""
        slack = 0.01 * self.gap
        return min(self.left, self.right) - slack <= slope <= max(self.left, self.right) + slack

    def contradicts(self, other: Differences) -> bool:
        """Tell whether the errors do not explain that the slope differs from another."""
        return abs(self.slope - other.slope) > RESOLUTION * (self.error + other.error)


def differences(
    function: Callable[[float], float], comparison: Comparison, crossings: Crossings, step: float
) -> Differences:
    """Return the differences with a step, unless a kink is crossed, or a plain difference is as expected."""
    values: list[tuple[float, float]] = []
    samples: frozenset[int] = frozenset()
    for distance in (step * PARTS).tolist():
        with recording() as of_right:
            right = function(distance)
        with recording() as of_left:
            left = function(-distance)
        values.append((right, left))
        crossed, met = crossings(of_right, of_left)
        samples |= met
        if crossed:
            return Differences(step, crossed=True, samples=samples)
        slope = (right - left) / (2 * distance)
        if comparison.equals(slope):
            is_constant = set(values[-1]) == {comparison.value}
            return Differences(
                step, slope, comparison.rounding / distance, 0.0, agrees=True, is_constant=is_constant, samples=samples
            )
    return _fitted(np.array(values), comparison, step)


def _fitted(values: np.ndarray, comparison: Comparison, step: float) -> Differences:
    """Return the differences from the values on both sides of 0, at all parts of a step."""
    if not np.isfinite(values).all():
        return Differences(step)
    odd = 0.5 * (values[:, 0] - values[:, 1])
    slope, cubic = _ODD @ odd
    residual = odd - np.stack([PARTS, PARTS**3], axis=1) @ (slope, cubic)
    noise = max(comparison.rounding, float(np.sqrt(2 * (residual**2).sum() / _FREE)))
    return Differences(
        step,
        float(slope / step),
        rounding=float(np.linalg.norm(_ODD[0]) * noise / step),
        truncation=abs(float(cubic)) / step,
        noise=noise,
        left=float(comparison.value - values[0, 1]) / step,
        right=float(values[0, 0] - comparison.value) / step,
    )
