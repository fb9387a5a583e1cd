"""When a fit has converged: the relative projected gradient, and a record of how it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hntf.arrays import Array

Callback = Callable[[int, float, float], None]
"""Called after every iteration with its number, the loss and the relative projected gradient."""


class Evaluation(NamedTuple):
    """A point, the value and the gradient of the objective there."""

    x: Array
    value: float
    gradient: Array


class Minimum(NamedTuple):
    """Where an optimizer ended.

    Attributes
    ----------
    x : array
    n_iter : int
    converged : bool
        Whether the tolerance was reached.
    message : str
        Why it ended.
    """

    x: Array
    n_iter: int
    converged: bool
    message: str


def relative_projected_gradient(at: Evaluation) -> float:
    """Return `‖x‖ ‖∇⁺f(x)‖` for a loss relative to `‖X‖²`: free of the units of data and factors, and zero at a minimum.

    `∇⁺f` is the gradient less the components that push against the bound `x ≥ 0`.
    """
    projected = at.gradient * ((at.x > 0) | (at.gradient < 0))
    size = float(at.x @ at.x) or 1.0
    return (float(projected @ projected) * size) ** 0.5


class Stopping:
    """The criteria that all optimizers share, asked once an iteration.

    A fit has converged where the relative projected gradient is at most `tol`. The loss has kinks, where a minimum has
    no vanishing gradient, so it has converged too where its best value fell by less than `tol²`, relatively, in the last
    `window` iterations.
    """

    def __init__(self, *, max_iter: int, tol: float, callback: Callback, window: int = 20) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.callback = callback
        self.window = window
        self.best: list[Evaluation] = []

    def ended(self, n_iter: int, at: Evaluation) -> Minimum | None:
        """Take note of an iteration; return the minimum if it is the last one."""
        error = relative_projected_gradient(at)
        self.callback(n_iter, at.value, error)
        best = at if not self.best or at.value < self.best[-1].value else self.best[-1]
        self.best = [*self.best[-self.window :], best]
        if error <= self.tol:
            return Minimum(at.x, n_iter, True, "relative projected gradient below tol")
        if len(self.best) > self.window and self.best[0].value - best.value < self.tol**2 * abs(best.value):
            return Minimum(best.x, n_iter, True, "loss no longer falls")
        if n_iter == self.max_iter:
            return Minimum(best.x, n_iter, False, "max_iter reached")
        return None
