"""Base class of the optimizers with a learning rate: a step, then a projection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from hntf.arrays import Array
from hntf.fitting.checkpoint import take_over
from hntf.fitting.objective import Evaluation
from hntf.fitting.optimizers.base import Optimizer


class LearningRateOptimizer(Optimizer):
    """Iterates `x ← max(x + step(n_iter, gradient), 0)`; with momentum the loss may increase for many iterations."""

    window = 200
    steps: ClassVar[Callable[[Array, float | None], Callable[[int, Array], Array]]]

    kept = (*Optimizer.kept, "_n_iter")

    def state(self) -> dict[str, Any]:
        return {**super().state(), "step": vars(self._step)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        take_over(self._step, list(vars(self._step)), state.get("step"))

    def __init__(
        self, objective: Callable[[Array], Evaluation], start: Array, learning_rate: float | None = None
    ) -> None:
        super().__init__(objective, start, learning_rate)
        self._step = type(self).steps(start, learning_rate)
        self._n_iter = 0

    def next_point(self) -> Evaluation:
        x = self.at.x + self._step(self._n_iter, self.at.gradient)
        self._n_iter += 1
        return self.objective(x * (x > 0))
