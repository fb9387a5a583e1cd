"""Projected gradient with spectral steps (Barzilai–Borwein)."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.objective import Evaluation
from hntf.fitting.optimizers.base import Optimizer
from hntf.fitting.optimizers.line_search import projected_armijo

FIRST_STEP = 0.1


class ProjectedGradient(Optimizer):
    """Projected gradient steps of Barzilai–Borwein length with an Armijo search.

    `learning_rate` is the length of the first step relative to `‖start‖`, 0.1 by default; later step lengths are computed.

    References
    ----------
    Birgin, Martínez, Raydan (2000), *Nonmonotone spectral projected gradient methods on convex sets*, SIAM J. Optim.
    """

    kept = (*Optimizer.kept, "_length")

    def __init__(
        self, objective: Callable[[Array], Evaluation], start: Array, learning_rate: float | None = None
    ) -> None:
        super().__init__(objective, start, learning_rate)
        squared = float(self.at.gradient @ self.at.gradient)
        first = FIRST_STEP if learning_rate is None else learning_rate
        self._length = first * (float(start @ start) / squared) ** 0.5 if squared > 0 else 1.0

    def next_point(self) -> Evaluation | None:
        at = self.at
        moved = projected_armijo(self.objective, at, -self._length * at.gradient)
        if moved is not None:
            step, change = moved.x - at.x, moved.gradient - at.gradient
            curvature = float(step @ change)
            self._length = float(step @ step) / curvature if curvature > 0 else 2 * self._length
        return moved
