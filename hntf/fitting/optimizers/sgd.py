"""Gradient steps of fixed length with momentum."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.optimizers.first_order import first_order
from hntf.fitting.stopping import Callback, Evaluation, Minimum

MOMENTUM = 0.9
LEARNING_RATE = 0.01


def sgd(
    objective: Callable[[Array], Evaluation],
    start: Array,
    *,
    max_iter: int,
    tol: float,
    learning_rate: float | None = None,
    callback: Callback,
) -> Minimum:
    """Minimise by projected gradient steps with heavy-ball momentum (Polyak 1964).

    The first step has the length `learning_rate ‖start‖`, so that one rate, 0.01 by default, fits data of any scale.
    """
    rate = LEARNING_RATE if learning_rate is None else learning_rate
    velocity = 0 * start
    scale: float | None = None

    def step(_: int, gradient: Array) -> Array:
        nonlocal velocity, scale
        if scale is None:
            squared = float(gradient @ gradient)
            scale = rate * (float(start @ start) / squared) ** 0.5 if squared > 0 else 0.0
        velocity = MOMENTUM * velocity - scale * gradient
        return velocity

    return first_order(objective, start, step, max_iter=max_iter, tol=tol, callback=callback)
