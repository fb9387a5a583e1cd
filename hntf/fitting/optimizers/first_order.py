"""The loop that the methods with a learning rate share: step, project, keep the best point seen."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array, backend_of
from hntf.fitting.stopping import Callback, Evaluation, Minimum, relative_projected_gradient


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
    tl = backend_of(start)
    best = at = objective(start)
    for n_iter in range(max_iter + 1):
        error = relative_projected_gradient(at)
        callback(n_iter, at.value, error)
        if error <= tol:
            return Minimum(at.x, n_iter, True, "relative projected gradient below tol")
        if n_iter < max_iter:
            x = at.x + step(n_iter, at.gradient)
            at = objective(tl.where(x > 0, x, 0 * x))
            best = at if at.value < best.value else best
    return Minimum(best.x, max_iter, False, "max_iter reached")
