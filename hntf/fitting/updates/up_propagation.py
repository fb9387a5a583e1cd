"""Multiplicative updates of all levels: every factor is multiplied by the ratio of the parts of its gradient.

The negative and the positive part of the gradient are propagated separately from the data up through the levels, whose
derivatives are nonnegative. If the levels are linear, the update of a single factor is that of Lee and Seung, so that the cost
does not increase.

References
----------
Ahn, Choi, Oh (2004), *A multiplicative up-propagation algorithm*, ICML.
Flenner, Hunter (2018), *A deep non-negative matrix factorization neural network*, preprint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hntf.arrays import Array
from hntf.costs.multiplicative import multiplier
from hntf.costs.squared import Frobenius
from hntf.fitting.loop import Sweeps
from hntf.models.pooled import parts_of_code
from hntf.models.pooling import Pooling, carried_up, decoded

SMALLEST_EXPONENT = 1e-3
"""Exponent of a multiplicative step below which a factor is left unchanged in a sweep."""


class Trained(NamedTuple):
    """The trained arrays: the factors, the code of the last level and the factor of the labels."""

    factors: list[Array]
    S: Array
    label_factor: Array | None


class UpPropagation(Sweeps):
    """Updates of the code of the last level, then of every factor from the last to the first and of the factor of the labels.

    Parameters
    ----------
    data : Frobenius
        The cost of the data.
    labels : Frobenius or None
        The cost of the labels, if there are labels.
    pooling : Pooling
        The pooling between levels.
    proportions : list of arrays
        The proportions of the components in their groups, level by level; they are fixed.
    at : Trained
        The starting point.
    """

    def __init__(
        self, data: Frobenius, labels: Frobenius | None, pooling: Pooling, proportions: Sequence[Array], at: Trained
    ) -> None:
        self.data = data
        self.labels = labels
        self.pooling = pooling
        self.proportions = list(proportions)
        self.at = at
        self.scale = data.scale

    def sweep(self) -> float:
        at = self._with_new_code(self.at)
        for level in range(len(at.factors), 0, -1):
            at = self._with_new_factor(at, level)
        if self.labels is not None:
            B = at.label_factor
            at = at._replace(label_factor=B * multiplier(*self.labels.split_gradient(at.S, B, 1)))
        self.at = at
        return self.cost_at(at)

    def cost_at(self, at: Trained) -> float:
        """Return the cost of data and labels."""
        first = decoded(at.factors, at.S, self.pooling, self.proportions)[0]
        cost = self.data.value(first, at.factors[0])
        return cost if self.labels is None else cost + self.labels.value(at.S, at.label_factor)

    def _with_new_code(self, at: Trained) -> Trained:
        parts = parts_of_code(self.data, at.factors, at.S, self.pooling, self.proportions)
        if self.labels is not None:
            of_labels = self.labels.split_gradient(at.S, at.label_factor, 0)
            parts = (parts[0] + of_labels[0], parts[1] + of_labels[1])
        return self._stepped(at, at.S, parts, lambda S: at._replace(S=S))

    def _with_new_factor(self, at: Trained, level: int) -> Trained:
        factors = at.factors
        codes = decoded(factors, at.S, self.pooling, self.proportions)
        if level == 1:
            parts = self.data.split_gradient(codes[0], factors[0], 1)
        else:
            negative, positive = self.data.split_gradient(codes[0], factors[0], 0)
            parts = (
                carried_up(factors, codes, self.pooling, self.proportions, negative, level)[0],
                carried_up(factors, codes, self.pooling, self.proportions, positive, level)[0],
            )
        return self._stepped(
            at,
            factors[level - 1],
            parts,
            lambda A: at._replace(factors=[*factors[: level - 1], A, *factors[level:]]),
        )

    def _stepped(
        self, at: Trained, U: Array, parts: tuple[Array, Array], replaced: Callable[[Array], Trained]
    ) -> Trained:
        """Return the state after the update of `U`; with a nonlinear activation, by a root of the ratio that lowers the cost."""
        if self.pooling.activation == "identity":
            return replaced(U * multiplier(*parts))
        before, exponent = self.cost_at(at), 1.0
        while exponent > SMALLEST_EXPONENT:
            moved = replaced(U * multiplier(*parts) ** exponent)
            if self.cost_at(moved) <= before:
                return moved
            exponent *= 0.5
        return at
