"""The sum of a loss of the data and a loss of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.algebra import add
from hntf.arrays import Array
from hntf.costs.base import Differentiable, Loss
from hntf.costs.labels import LabelLoss, RunningLabels
from hntf.costs.targets import Labels


class Supervised(Loss):
    """The sum of a loss of the data, such as `Energy`, and a loss of the labels, `LabelL2` or `CrossEntropy`.

    Parameters
    ----------
    data_loss : Loss
        The loss of the data.
    label_loss : LabelLoss or RunningLabels
        The loss of the labels.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(np.ones((2, 1))))])
    >>> loss = hntf.losses.Supervised(hntf.losses.Energy(), hntf.losses.LabelL2(weight=4.0))
    >>> loss.value_and_grad(hierarchy, np.array([[1.0, 3.0], [2.0, 2.0]]), y=[0, 1])[0]
    4.0
    """

    def __init__(self, data_loss: Loss, label_loss: LabelLoss | RunningLabels) -> None:
        self.data_loss = data_loss
        self.label_loss = label_loss

    @property
    def steepness(self) -> float:
        """The steepness of the loss of the data."""
        return self.data_loss.steepness

    @property
    def settles(self) -> bool:
        """Whether the loss of the labels does."""
        return self.label_loss.settles

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return what the label loss requires from a part."""
        return self.label_loss.of_part(model, tape, labels)

    def settle(self, parts: Sequence[Any]) -> Any:
        """Return the classifier."""
        return self.label_loss.settle(parts)

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part and its gradient with respect to the results of the forward pass."""
        value, gradients = self.data_loss.evaluate(model, tape)
        supervision, of_labels = self.label_loss.evaluate(model, tape, labels, settled)
        gradients.codes = [add(a, b) for a, b in zip(gradients.codes, of_labels.codes, strict=True)]
        return value + supervision, gradients

    def of_factors(self, factors: Sequence[Array]) -> tuple[float, list[Array] | None]:
        """Return the cost of the factors in the loss of the data."""
        return self.data_loss.of_factors(factors)
