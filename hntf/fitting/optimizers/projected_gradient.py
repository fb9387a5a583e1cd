"""Projected gradient with spectral steps: Method 1 of the slides, without its learning rate."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.line_search import ROUNDING, projected_armijo
from hntf.fitting.stopping import Callback, Evaluation, Minimum, relative_projected_gradient

FIRST_STEP = 0.1


def projected_gradient(
    objective: Callable[[Array], Evaluation],
    start: Array,
    *,
    max_iter: int,
    tol: float,
    learning_rate: float | None = None,
    callback: Callback,
) -> Minimum:
    """Minimise by projected gradient steps of Barzilai–Borwein length, each under an Armijo search.

    `learning_rate` is the length of the first step relative to `‖start‖`, 0.1 by default; all others find theirs.

    References
    ----------
    Birgin, Martínez, Raydan (2000), *Nonmonotone spectral projected gradient methods on convex sets*, SIAM J. Optim.
    """
    at = objective(start)
    squared = float(at.gradient @ at.gradient)
    first = FIRST_STEP if learning_rate is None else learning_rate
    length = first * (float(start @ start) / squared) ** 0.5 if squared > 0 else 1.0
    for n_iter in range(max_iter + 1):
        error = relative_projected_gradient(at)
        callback(n_iter, at.value, error)
        if error <= tol:
            return Minimum(at.x, n_iter, True, "relative projected gradient below tol")
        if n_iter == max_iter:
            break
        moved = projected_armijo(objective, at, -length * at.gradient)
        if moved is None:
            return Minimum(at.x, n_iter, error <= ROUNDING**0.5, "no decrease above rounding along the gradient")
        step, change = moved.x - at.x, moved.gradient - at.gradient
        curvature = float(step @ change)
        length = float(step @ step) / curvature if curvature > 0 else 2 * length
        at = moved
    return Minimum(at.x, max_iter, False, "max_iter reached")
