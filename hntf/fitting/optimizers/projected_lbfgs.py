"""Limited-memory quasi-Newton steps on the free variables, projected on the nonnegative orthant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.fitting.checkpoint import attributes, take_over
from hntf.fitting.objective import Evaluation, relative_projected_gradient
from hntf.fitting.optimizers.base import Optimizer
from hntf.fitting.optimizers.line_search import ROUNDING, projected_armijo

MEMORY = 8
FIRST_STEP = 0.1


class ProjectedLBFGS(Optimizer):
    """A two-metric projected L-BFGS method.

    Variables at or near their bound whose gradient keeps them there move along the negative gradient; all others move along the
    quasi-Newton direction of their subspace. A projected Armijo search determines the step length. `learning_rate` is the length
    of the first step relative to `‖start‖`, 0.1 by default; later steps do not use it.

    References
    ----------
    Bertsekas (1982), *Projected Newton methods for optimization problems with simple constraints*, SIAM J. Control Optim.
    Schmidt, Kim, Sra (2011), *Projected Newton-type methods in machine learning*.
    """

    def state(self) -> dict[str, Any]:
        return {**super().state(), "history": attributes(self._history, self._history.kept)}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        take_over(self._history, self._history.kept, state.get("history"))

    def __init__(
        self, objective: Callable[[Array], Evaluation], start: Array, learning_rate: float | None = None
    ) -> None:
        super().__init__(objective, start, learning_rate)
        self._first = FIRST_STEP if learning_rate is None else learning_rate
        self._history = _History(start)

    def next_point(self) -> Evaluation | None:
        at, history = self.at, self._history
        moved = projected_armijo(self.objective, at, _direction(at, history, self._first))
        if moved is None and history.size:
            history.size = 0
            moved = projected_armijo(self.objective, at, _direction(at, history, self._first))
        if moved is not None:
            history.append(moved.x - at.x, moved.gradient - at.gradient)
        return moved


def _direction(at: Evaluation, history: _History, first: float) -> Array:
    """Return the two-metric direction; without history, the negative gradient scaled to the relative length `first`."""
    free = (at.x > _reach(at)) | (at.gradient < 0)
    direction = history.quasi_newton(at.gradient, free) - at.gradient * ~free
    if history.size == 0:
        direction = direction * (first * float(at.x @ at.x / (direction @ direction)) ** 0.5)
    return direction


def _reach(at: Evaluation) -> float:
    """Return the distance from its bound at which a variable counts as at the bound; it decreases as the fit converges."""
    return min(1e-3, relative_projected_gradient(at)) * float(at.x @ at.x / at.x.shape[0]) ** 0.5


class _History:
    """The last steps `s` and gradient changes `y`, as rows of one matrix, `[g, s_1 … s_m, y_1 … y_m]`, used as a ring buffer."""

    kept = ("vectors", "size", "newest")

    def __init__(self, start: Array) -> None:
        self.vectors = backend_of(start).zeros((1 + 2 * MEMORY, start.shape[0]), **backend_of(start).context(start))
        self.size = 0
        self.newest = 0

    def append(self, step: Array, change: Array) -> None:
        """Add a pair, in place of the oldest if the memory is full; a pair without positive curvature is left out."""
        if float(step @ change) <= ROUNDING * float(change @ change):
            return
        self.newest = (self.newest + 1) % MEMORY
        self.vectors[1 + self.newest] = step
        self.vectors[1 + MEMORY + self.newest] = change
        self.size = min(self.size + 1, MEMORY)

    def quasi_newton(self, gradient: Array, free: Array) -> Array:
        """Return `−H g` on the free variables, zero elsewhere, with all vectors restricted to the free variables.

        The two-loop recursion runs on the coefficients of `g` and the pairs. It only requires their inner products, which one
        matrix product computes (Chen, Wang, Zhou 2014, *Large-scale L-BFGS using MapReduce*).
        """
        if self.size == 0:
            return -gradient * free
        self.vectors[0] = gradient
        restricted = self.vectors * free
        newest_first = [(self.newest - age) % MEMORY for age in range(self.size)]
        coefficients = _two_loop_coefficients(to_numpy(restricted @ restricted.T), newest_first)
        return from_numpy(coefficients, gradient) @ restricted


def _two_loop_coefficients(inner: np.ndarray, newest_first: Sequence[int]) -> np.ndarray:
    """Return the coefficients of `−H g` in `[g, s_1 … s_m, y_1 … y_m]`, from the inner products of these vectors."""
    memory = (len(inner) - 1) // 2
    coefficients = np.zeros(len(inner))
    coefficients[0] = -1.0
    used: list[tuple[int, int, float]] = []
    for i in newest_first:
        s, y = 1 + i, 1 + memory + i
        # The curvature of a pair is positive on all variables, but not necessarily on the free ones.
        if inner[s, y] > ROUNDING * inner[y, y]:
            alpha = inner[s] @ coefficients / inner[s, y]
            coefficients[y] -= alpha
            used.append((s, y, alpha))
    if used:
        s, y, _ = used[0]
        coefficients *= inner[s, y] / inner[y, y]
    for s, y, alpha in reversed(used):
        coefficients[s] += alpha - inner[y] @ coefficients / inner[s, y]
    return coefficients
