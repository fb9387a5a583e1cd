"""Gradient steps of fixed length with momentum."""

from __future__ import annotations

from hntf.arrays import Array
from hntf.fitting.optimizers.learning_rate import LearningRateOptimizer

MOMENTUM = 0.9
LEARNING_RATE = 0.01


class SGDStep:
    """Steps with heavy-ball momentum (Polyak 1964).

    The first step has the length `learning_rate ‖start‖`, so that one rate is suitable for data of any scale.
    """

    def __init__(self, start: Array, learning_rate: float | None = None) -> None:
        self.length = LEARNING_RATE if learning_rate is None else learning_rate
        self.size = float(start @ start) ** 0.5
        self.velocity = 0 * start
        self._scale = 0.0

    def __call__(self, n_iter: int, gradient: Array) -> Array:
        """Return the step of an iteration, counted from 0."""
        if n_iter == 0:
            norm = float(gradient @ gradient) ** 0.5
            self._scale = self.size / norm if norm > 0 else 0.0
        self.velocity = MOMENTUM * self.velocity - self.length * self._scale * gradient
        return self.velocity


class SGD(LearningRateOptimizer):
    """Projected gradient steps with momentum, at a rate of 0.01 by default."""

    steps = SGDStep
