"""The derivative of a function with respect to one entry by central differences, with the error of that derivative.

Differences with several steps are compared: where they agree they resolve the derivative, and what they differ by is their error,
whether it comes from curvature or from rounding. The step is relative to the entries that stand beside the moved one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.least_squares.kinks import KinkRecorder, recording

EPS = float(np.finfo(np.float64).eps)

REFINEMENTS = 8
"""Number of steps, each a tenth of the one before, that are tried until no support changes and the differences agree."""

RESOLUTION = 10.0
"""How many times the estimated error of a difference may explain a mismatch."""

FEWEST_ROUNDINGS = 4
"""The rounding error of a value, at least, in units of the machine epsilon."""

ROUNDED = 8
"""Number of evaluations at points that differ by rounding, which tell how much of a value is rounding."""


class Derivative(NamedTuple):
    """A derivative by differences, its error, and the samples whose support changed, all of them None if it crossed a kink."""

    value: float
    error: float
    crossed: bool
    samples: frozenset[int] = frozenset()


def rounding_error(function: Callable[[list[np.ndarray]], float], inputs: list[np.ndarray], value: float) -> float:
    """Return how much a function changes where all inputs are rounded differently, with the conditioning that it has there."""
    rng = np.random.default_rng(0)
    changes = []
    for _ in range(ROUNDED):
        rounded = [x * (1 + EPS * rng.integers(-2, 3, x.shape)) for x in inputs]
        changes.append(abs(function(rounded) - value))
    return max(FEWEST_ROUNDINGS * EPS * abs(value), *changes)


def sizes(x: np.ndarray) -> np.ndarray:
    """Return the size of every entry, or that of the entries beside it along all axes if it is smaller; 1 for an array of zeros."""
    size = np.abs(x)
    if x.ndim:
        beside = [np.broadcast_to(size.max(axis=axis, keepdims=True), x.shape) for axis in range(x.ndim)]
        size = np.maximum(size, np.minimum.reduce(beside))
    whole = size.max() if size.size else 0.0
    return np.where(size > 0, size, whole or 1.0)


def derivative(
    function: Callable[[float], float],
    step: float,
    expected: float,
    rtol: float,
    rounding: float,
    crossings: Callable[[KinkRecorder, KinkRecorder], tuple[bool, frozenset[int]]],
) -> Derivative:
    """Return the derivative at 0 of a function of one number.

    A difference that agrees with the expected value settles it; otherwise smaller steps tell the error of the difference.

    Parameters
    ----------
    function : callable
        The function.
    step : float
        The largest step.
    expected : float
        The derivative that the difference is compared with.
    rtol : float
        The relative error up to which they agree.
    rounding : float
        The rounding error of the function.
    crossings : callable
        Whether a kink lies between the two points whose problems were recorded, and the samples that it belongs to.
    """
    best = Derivative(np.nan, np.inf, True)
    met: frozenset[int] = frozenset()
    for _ in range(REFINEMENTS):
        slopes, crossed = [], False
        for h in (step, 0.5 * step):
            values, recorders = [], []
            for sign in (1.0, -1.0):
                with recording() as recorder:
                    values.append(function(sign * h))
                recorders.append(recorder)
            slopes.append((values[0] - values[1]) / (2 * h))
            here, samples = crossings(*recorders)
            crossed, met = crossed or here, met | samples
            if crossed:
                break
            if abs(slopes[-1] - expected) <= rtol * abs(expected):
                return Derivative(slopes[-1], 0.0, False)
        if not crossed:
            rounded = rounding / (0.5 * step)
            error = abs(slopes[0] - slopes[1]) + rounded
            value = (4 * slopes[1] - slopes[0]) / 3
            if not np.isfinite(error):
                # Where the function is no number there is no kink; a smaller step may stay where it is one.
                best = best._replace(crossed=False)
            elif error < best.error:
                best = Derivative(value, error, False)
            if RESOLUTION * error <= rtol * abs(value) or rounded > 0.5 * error:
                break
        step *= 0.1
    return best._replace(samples=met if best.crossed else frozenset())
