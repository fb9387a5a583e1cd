"""The sum of a loss of the data and a loss of the labels."""

from __future__ import annotations

from typing import Any

from hntf.hierarchies import Model
from hntf.hierarchies.base import add
from hntf.losses.base import Loss
from hntf.losses.labels import LabelLoss, RunningLabels
from hntf.losses.targets import Labels


class Supervised(Loss):
    """The sum of a loss of the data, such as `Energy`, and a loss of the labels, `LabelL2` or `CrossEntropy`.

    Parameters
    ----------
    data_loss : Loss
    label_loss : LabelLoss or RunningLabels

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

    def evaluate(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, Any]:
        """Return the value and its gradient with respect to what the forward pass computed."""
        value, gradients = self.data_loss.evaluate(model, tape)
        supervision, of_labels = self.label_loss.evaluate(model, tape, labels)
        gradients.codes = [add(a, b) for a, b in zip(gradients.codes, of_labels.codes, strict=True)]
        return value + supervision, gradients
