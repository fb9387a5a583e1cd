"""Supervision: how well the codes of the samples tell their labels."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.hierarchies import Model
from hntf.least_squares.solver import solve
from hntf.losses.base import Loss
from hntf.losses.targets import Labels
from hntf.validation import check_number


class LabelL2(Loss):
    r"""The squared error of labels predicted from the codes of a level, `½λ min_{B ≥ 0} ‖L∘(Y − S_l B)‖²`.

    The classifier `B` `(k_l, p)` is solved for exactly at every evaluation, so that it is trained with the factors and needs no
    start; the gradient with respect to the code is that at the best `B`. `L` leaves out unknown samples.

    Parameters
    ----------
    weight : float
        The `λ`, at least 0.
    level : int
        Whose codes are used, from 0; -1 is the last.

    References
    ----------
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    Golub, Pereyra (1973), *The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate*, SIAM J. Numer. Anal.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(np.eye(2)))])
    >>> loss = hntf.losses.LabelL2()
    >>> loss.value_and_grad(hierarchy, np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), y=[0, 1, -1])[0]
    0.0
    """

    def __init__(self, weight: float = 1.0, level: int = -1) -> None:
        check_number(weight, "weight")
        self.weight = float(weight)
        self.level = level

    def evaluate(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, Any]:
        """Return the value and its gradient with respect to what the forward pass computed."""
        if labels is None:
            raise ValueError("y must be given: LabelL2 is a loss of labels")
        S = model.codes(tape)[self.level]
        B = classifier(S, labels)
        residual = labels.known * (S @ B) - labels.Y
        gradients = model.no_gradients(tape)
        gradients.codes[self.level] = self.weight * (residual @ B.T)
        return 0.5 * self.weight * float((residual * residual).sum()), gradients


def classifier(S: Array, labels: Labels) -> Array:
    """Return `argmin_{B ≥ 0} ‖L∘(Y − S B)‖`, `(k, p)`."""
    known = labels.known * S
    return solve(known.T @ known, labels.Y.T @ known).S.T
