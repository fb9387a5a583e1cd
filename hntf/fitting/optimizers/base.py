"""Base class of the optimizers: the current point, the best point so far, and the convergence criteria."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

from hntf.arrays import Array
from hntf.fitting.loop import STUCK, Descent, Ended
from hntf.fitting.objective import Evaluation, Objective, relative_projected_gradient

KINK = 1e-1
"""Relative projected gradient above which a point counts as no minimum, not even at a kink, if no step lowers the loss."""


class Optimizer(Descent):
    """Minimises a function of a flat vector over `x ≥ 0`, one step at a time.

    It has converged if the relative projected gradient is at most `tol`. The loss has kinks, and at a minimum at a kink the
    gradient does not vanish. Therefore it has also converged if the best value decreased by no more than `tol²`, relatively, over
    the last `window` iterations, or if no step lowers the loss although the gradient is small. All tolerances are multiplied by
    the square root of the steepness of the loss: the decrease that a gradient predicts is its square divided by the steepness.

    Parameters
    ----------
    objective : callable
        Returns an `Evaluation` at a vector: an `Objective`, or any other smooth function.
    start : array
        The starting point.
    learning_rate : float, optional
        The length of the steps, or of the first step, relative to the size of the starting point.
    """

    race = 50
    window = 20

    def __init__(
        self, objective: Callable[[Array], Evaluation], start: Array, learning_rate: float | None = None
    ) -> None:
        self.objective = objective
        self.learning_rate = learning_rate
        self.at = objective(start)
        self.best = self.at
        self.stuck = False
        self._best_values = [self.at.value]
        self._slack = getattr(objective, "steepness", 1.0) ** 0.5

    kept: ClassVar[tuple[str, ...]] = ("at", "best", "stuck", "_best_values")

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        smallest = min(float(evaluation.x.min()) for evaluation in (self.at, self.best))
        if smallest < 0:
            raise ValueError(f"checkpoint must hold points without negative entries, got {smallest:g}")

    @abstractmethod
    def next_point(self) -> Evaluation | None:
        """Return the evaluation after the next step, None if no step lowers the loss."""

    @property
    def loss(self) -> float:
        return self.at.value

    @property
    def projected_gradient(self) -> float:
        return relative_projected_gradient(self.at)

    @property
    def lowest(self) -> float:
        return self.best.value

    def step(self) -> bool:
        moved = self.next_point()
        if moved is None:
            self.stuck = True
            return False
        self.at = moved
        if moved.value < self.best.value:
            self.best = moved
        self._best_values = [*self._best_values[-self.window :], self.best.value]
        return True

    def ended(self, tol: float) -> Ended | None:
        gradient = self.projected_gradient
        if gradient <= tol * self._slack:
            self.best = self.at
            return Ended(True, "relative projected gradient at most tol")
        first, last = self._best_values[0], self._best_values[-1]
        if len(self._best_values) > self.window and first - last <= tol**2 * self._slack * abs(last):
            return Ended(True, "the loss no longer falls")
        if self.stuck:
            self.best = self.at
            return STUCK._replace(converged=gradient <= max(KINK, tol) * self._slack)
        return None

    @property
    def found(self) -> Any:
        """The model at the best point for an `Objective`, the best point itself for another function."""
        model_at = getattr(self.objective, "model_at", None)
        return self.best.x if model_at is None else model_at(self.best.x)

    def forget(self) -> None:
        if isinstance(self.objective, Objective):
            self.objective.forget()

    def renewed(self) -> Self:
        """Return the same method restarted at the best point, without its memory of earlier steps."""
        return type(self)(self.objective, self.best.x, self.learning_rate)
