"""Projected gradient with spectral steps: Method 1 of the slides, without its learning rate."""

from __future__ import annotations

from collections.abc import Callable

from hntf.arrays import Array
from hntf.fitting.line_search import no_decrease, projected_armijo
from hntf.fitting.stopping import Callback, Evaluation, Minimum, Stopping

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
    stopping = Stopping(max_iter=max_iter, tol=tol, callback=callback)
    n_iter = 0
    while (minimum := stopping.ended(n_iter, at)) is None:
        moved = projected_armijo(objective, at, -length * at.gradient)
        if moved is None:
            return no_decrease(at, n_iter)
        step, change = moved.x - at.x, moved.gradient - at.gradient
        curvature = float(step @ change)
        length = float(step @ step) / curvature if curvature > 0 else 2 * length
        at = moved
        n_iter += 1
    return minimum
