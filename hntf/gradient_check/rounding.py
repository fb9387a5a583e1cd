"""How large the entries of an input are, and how much of a function is rounding."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hntf.scales import EPS

FEWEST_ROUNDINGS = 4
"""The rounding error of a value, at least, in units of the machine epsilon."""

ROUNDED = 8
"""Number of evaluations at points that differ by rounding."""

ON_LINE = 12
"""Number of evaluations at points that differ by rounding in single precision."""

SINGLE_EPS = float(np.finfo(np.float32).eps)

WIDER = 8.0
"""Factor by which these points are moved apart until the function changes."""

WIDEST = 2.0**-8
"""Relative distance of neighbours in the narrowest floating-point type, up to which they are."""


def rounding_of(function: Callable[[list[np.ndarray]], float], inputs: list[np.ndarray], value: float) -> float:
    """Estimate how much of a function is rounding, from its values at points beside the inputs.

    Where all inputs are rounded differently the function changes by its rounding, with the conditioning that it has there. One
    that is computed in a narrower type does not change before the inputs do so in that type, and then by the rounding of it.

    References
    ----------
    Moré, Wild (2011), *Estimating computational noise*, SIAM J. Sci. Comput. 33(3).
    """
    rng = np.random.default_rng(0)
    apart = EPS
    while True:
        values = [
            function([np.asarray(x * (1 + apart * rng.integers(-2, 3, x.shape))) for x in inputs])
            for _ in range(ROUNDED)
        ]
        # Where the function is not defined it tells nothing.
        changes = np.abs([x - value for x in values if np.isfinite(x)])
        if np.count_nonzero(changes) >= ROUNDED / 2 or apart >= WIDEST:
            return max(FEWEST_ROUNDINGS * EPS * abs(value), *changes)
        apart *= WIDER


def coarse_rounding_of(function: Callable[[list[np.ndarray]], float], inputs: list[np.ndarray]) -> float:
    """Estimate how much of a function changes irregularly between points that differ by rounding in single precision.

    Third differences of a smooth function vanish there. The line does not hold the point itself, where a kink may lie, and one kink
    on the line affects three of them.
    """
    rng = np.random.default_rng(0)
    direction = [rng.uniform(1.0, 2.0, x.shape) * rng.choice([-1.0, 1.0], x.shape) for x in inputs]
    line = [
        function([np.asarray(x * (1 + i * SINGLE_EPS * d)) for x, d in zip(inputs, direction, strict=True)])
        for i in range(1, ON_LINE + 1)
    ]
    irregular = float(np.quantile(np.abs(np.diff(line, 3)), 0.6)) / 20**0.5
    return irregular if np.isfinite(irregular) else 0.0


def sizes(x: np.ndarray) -> np.ndarray:
    """Return the size of every entry, or that of the entries beside it along all axes if it is smaller; 1 for an array of zeros."""
    size = np.abs(x)
    if x.ndim and x.size:
        beside = [np.broadcast_to(size.max(axis=axis, keepdims=True), x.shape) for axis in range(x.ndim)]
        size = np.maximum(size, np.minimum.reduce(beside))
    whole = size.max() if size.size else 0.0
    return np.where(size > 0, size, whole or 1.0)
