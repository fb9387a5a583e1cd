"""The loop that the methods with a learning rate share: step, project, keep the best point seen."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.stopping import Callback, Evaluation, Minimum, Stopping

WINDOW = 200
"""Iterations without a fall of the loss after which to stop: with momentum it may rise for long before it falls again."""


def first_order(
    objective: Callable[[Array], Evaluation],
    start: Array,
    step: Callable[[int, Array], Array],
    *,
    max_iter: int,
    tol: float,
    callback: Callback,
) -> Minimum:
    """Iterate `x ← max(x + step(n_iter, gradient), 0)` and return the best point."""
    at = objective(start)
    stopping = Stopping(max_iter=max_iter, tol=tol, callback=callback, window=WINDOW)
    n_iter = 0
    while (minimum := stopping.ended(n_iter, at)) is None:
        x = at.x + step(n_iter, at.gradient)
        at = objective(x * (x > 0))
        n_iter += 1
    return minimum
