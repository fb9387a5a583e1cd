"""Limited-memory quasi-Newton steps on the free variables, projected on the nonnegative orthant."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hntf.arrays import Array, backend_of
from hntf.fitting.line_search import ROUNDING, projected_armijo
from hntf.fitting.stopping import Callback, Evaluation, Minimum, relative_projected_gradient

MEMORY = 20
FIRST_STEP = 0.1


def projected_lbfgs(
    objective: Callable[[Array], Evaluation],
    start: Array,
    *,
    max_iter: int,
    tol: float,
    learning_rate: float | None = None,
    callback: Callback,
) -> Minimum:
    """Minimise a smooth function over `x ≥ 0` by a two-metric projected L-BFGS method.

    Variables at (or within reach of) their bound whose gradient keeps them there move along the negative gradient, all others
    along the quasi-Newton direction of their own subspace; a projected Armijo search takes the step. `learning_rate` is the length of the first step relative to `‖start‖`, 0.1 by
    default; all others find theirs.

    References
    ----------
    Bertsekas (1982), *Projected Newton methods for optimization problems with simple constraints*, SIAM J. Control Optim.
    Schmidt, Kim, Sra (2011), *Projected Newton-type methods in machine learning*.
    """
    tl = backend_of(start)
    first = FIRST_STEP if learning_rate is None else learning_rate
    at = objective(start)
    pairs: deque[tuple[Array, Array]] = deque(maxlen=MEMORY)
    for n_iter in range(max_iter + 1):
        error = relative_projected_gradient(at)
        callback(n_iter, at.value, error)
        if error <= tol:
            return Minimum(at.x, n_iter, True, "relative projected gradient below tol")
        if n_iter == max_iter:
            break
        free = (at.x > _reach(at)) | (at.gradient < 0)
        direction = tl.where(free, _quasi_newton(at.gradient, pairs, free), -at.gradient)
        if not pairs:
            length = float(tl.sqrt(at.x @ at.x) / tl.sqrt(direction @ direction))
            direction = direction * (first * length)
        moved = projected_armijo(objective, at, direction)
        if moved is None and pairs:
            pairs.clear()
            continue
        if moved is None:
            return Minimum(at.x, n_iter, error <= ROUNDING**0.5, "no decrease above rounding along the gradient")
        step, change = moved.x - at.x, moved.gradient - at.gradient
        if float(step @ change) > ROUNDING * float(change @ change):
            pairs.append((step, change))
        at = moved
    return Minimum(at.x, max_iter, False, "max_iter reached")


def _reach(at: Evaluation) -> float:
    """Return how far from its bound a variable counts as at it: less and less as the fit converges."""
    tl = backend_of(at.x)
    n = at.x.shape[0]
    typical = float(tl.sqrt(at.x @ at.x)) / n**0.5
    return typical * min(1e-3, relative_projected_gradient(at))


def _quasi_newton(gradient: Array, pairs: deque[tuple[Array, Array]], free: Array) -> Array:
    """Return `−H g` on the free variables by the two-loop recursion, with all vectors restricted to them."""
    tl = backend_of(gradient)
    direction = tl.where(free, -gradient, 0 * gradient)
    used = []
    for step, change in reversed(pairs):
        change = tl.where(free, change, 0 * change)  # noqa: PLW2901
        curvature = float(step @ change)
        if curvature <= ROUNDING * float(change @ change):
            continue
        alpha = float(step @ direction) / curvature
        direction = direction - alpha * change
        used.append((step, change, curvature, alpha))
    if used:
        _, change, curvature, _ = used[0]
        direction = direction * (curvature / float(change @ change))
    for step, change, curvature, alpha in reversed(used):
        direction = direction + step * (alpha - float(change @ direction) / curvature)
    return tl.where(free, direction, 0 * direction)
