"""Adam steps, projected."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array, backend_of
from hntf.fitting.optimizers.first_order import first_order
from hntf.fitting.stopping import Callback, Evaluation, Minimum

FIRST_DECAY, SECOND_DECAY = 0.9, 0.999
LEARNING_RATE = 0.02


def adam(
    objective: Callable[[Array], Evaluation],
    start: Array,
    *,
    max_iter: int,
    tol: float,
    learning_rate: float | None = None,
    callback: Callback,
) -> Minimum:
    """Minimise by projected Adam steps (Kingma & Ba 2015).

    The rate, 0.02 by default, is relative to the root mean square of the starting point.
    """
    tl = backend_of(start)
    rate = LEARNING_RATE if learning_rate is None else learning_rate
    length = rate * (float(start @ start) / start.shape[0]) ** 0.5
    mean, square = 0 * start, 0 * start

    def step(n_iter: int, gradient: Array) -> Array:
        nonlocal mean, square
        mean = FIRST_DECAY * mean + (1 - FIRST_DECAY) * gradient
        square = SECOND_DECAY * square + (1 - SECOND_DECAY) * gradient**2
        root = tl.sqrt(square / (1 - SECOND_DECAY ** (n_iter + 1)))
        root = tl.where(root > 0, root, 0 * root + 1)  # a gradient of zero takes no step
        return -length / (1 - FIRST_DECAY ** (n_iter + 1)) * mean / root

    return first_order(objective, start, step, max_iter=max_iter, tol=tol, callback=callback)
