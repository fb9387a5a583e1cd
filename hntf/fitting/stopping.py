"""When a fit has converged: the relative projected gradient, and a record of how it went."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hntf.arrays import Array, backend_of

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
    tl = backend_of(at.x)
    projected = tl.where((at.x > 0) | (at.gradient < 0), at.gradient, 0 * at.gradient)
    return float(tl.sqrt((projected @ projected) * (at.x @ at.x)))
