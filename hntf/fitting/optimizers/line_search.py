"""A backtracking search along a path that is projected on the nonnegative orthant."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.objective import Evaluation

SUFFICIENT_DECREASE = 1e-4
SHRINK = 0.5
MAX_BACKTRACKS = 30
ROUNDING = 1e-15
"""Relative difference of losses or gradients below which it is a rounding error."""


def projected_armijo(objective: Callable[[Array], Evaluation], at: Evaluation, direction: Array) -> Evaluation | None:
    """Return the first point of the projected path with sufficient decrease, or None where rounding hides any decrease."""
    length = 1.0
    for _ in range(MAX_BACKTRACKS):
        x = at.x + length * direction
        # Adding zero turns negative zeros into positive ones.
        x = x * (x > 0) + 0.0
        decrease = float(at.gradient @ (x - at.x))
        moved = objective(x)
        if moved.value <= at.value + SUFFICIENT_DECREASE * decrease and decrease < 0:
            return moved
        length *= SHRINK
    return None
