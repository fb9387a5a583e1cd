"""Adam steps, projected."""

from __future__ import annotations

from hntf.arrays import Array, backend_of
from hntf.fitting.optimizers.learning_rate import LearningRateOptimizer

FIRST_DECAY, SECOND_DECAY = 0.9, 0.999
LEARNING_RATE = 0.02


class AdamStep:
    """The steps of Adam (Kingma & Ba 2015), with a rate relative to the root mean square of the starting point."""

    def __init__(self, start: Array, learning_rate: float | None = None) -> None:
        rate = LEARNING_RATE if learning_rate is None else learning_rate
        self.length = rate * (float(start @ start) / start.shape[0]) ** 0.5
        self.mean, self.square = 0 * start, 0 * start

    def __call__(self, n_iter: int, gradient: Array) -> Array:
        """Return the step of an iteration, counted from 0."""
        tl = backend_of(gradient)
        self.mean = FIRST_DECAY * self.mean + (1 - FIRST_DECAY) * gradient
        self.square = SECOND_DECAY * self.square + (1 - SECOND_DECAY) * gradient**2
        root = tl.sqrt(self.square / (1 - SECOND_DECAY ** (n_iter + 1)))
        root = tl.where(root > 0, root, 0 * root + 1)  # a gradient of zero takes no step
        return -self.length / (1 - FIRST_DECAY ** (n_iter + 1)) * self.mean / root


class Adam(LearningRateOptimizer):
    """Projected Adam steps, at a rate of 0.02 by default."""

    steps = AdamStep
