"""A part of the samples: where a loss over samples is evaluated. Parts know nothing of each other; their sums are the loss."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.costs import Loss
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.models import Trainable


class Part:
    """Some samples with their labels. A part keeps its own forward pass: supports start the next search and never travel.

    Parameters
    ----------
    data : Data
    labels : Labels, optional
    """

    def __init__(self, data: Data, labels: Labels | None = None) -> None:
        self.data = data
        self.labels = labels
        self._tape: Any = None

    def forward(self, model: Trainable, loss: Loss) -> Any:
        """Run a model forward, and return what the loss must tell the other parts."""
        self._tape = model.solve(self.data, self._tape)
        return loss.of_part(model, self._tape, self.labels)

    def value_and_grad(self, model: Trainable, loss: Loss, settled: Any) -> tuple[float, list[Array]]:
        """Return the part's value of the loss and its gradients, after a forward pass of the same model."""
        value, gradients = loss.evaluate(model, self._tape, self.labels, settled)
        return value, model.pullback(self._tape, gradients)
