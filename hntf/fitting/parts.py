"""A part of the samples, on which a loss is evaluated; parts are independent of each other and their values add up."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.costs import Loss
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.models import Trainable


class Part:
    """Some samples with their labels. A part keeps its last forward pass, whose supports start the next searches.

    Parameters
    ----------
    data : Data
        The samples.
    labels : Labels, optional
        Their labels.
    """

    def __init__(self, data: Data, labels: Labels | None = None) -> None:
        self.data = data
        self.labels = labels
        self._tape: Any = None

    def forward(self, model: Trainable, loss: Loss) -> Any:
        """Run the forward pass of a model, and return what the loss requires from this part."""
        self._tape = model.solve(self.data, self._tape)
        return loss.of_part(model, self._tape, self.labels)

    def value_and_grad(self, model: Trainable, loss: Loss, settled: Any) -> tuple[float, list[Array]]:
        """Return the value of the loss on this part and its gradients, after `forward` with the same model."""
        value, gradients = loss.evaluate(model, self._tape, self.labels, settled)
        return value, model.pullback(self._tape, gradients)
