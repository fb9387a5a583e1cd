"""What every loss shares: one call that runs the hierarchy forward, evaluates, and runs it backward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from hntf.arrays import Array
from hntf.data import as_data
from hntf.hierarchies import Model
from hntf.losses.targets import Labels, as_labels


class Loss(ABC):
    """A function of the data and of all that a model computes from them."""

    @abstractmethod
    def evaluate(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, Any]:
        """Return the value and its gradient with respect to what the forward pass computed."""

    def factor_gradients(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, list[Array]]:
        """Return the value and its gradients with respect to the factors, in the order of `model.factors`."""
        value, gradients = self.evaluate(model, tape, labels)
        return value, model.pullback(tape, gradients)

    def for_share(self, share: float) -> Loss:
        """Return the loss of a batch that is this share of the samples: what depends on the factors alone counts by the share."""
        return self

    def value_and_grad(self, hierarchy: Model, X: Any, y: Any = None, mask: Any = None) -> tuple[float, list[Array]]:
        """Return the loss and its gradients: one epoch's work.

        Parameters
        ----------
        hierarchy : Hierarchy, or another model of hntf.hierarchies
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, -1 where unknown, or soft or multiple labels; for the losses that take labels.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed.

        Returns
        -------
        value : float
        gradients : list of arrays
            In the order and shapes of `hierarchy.factors`, float64.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `mask` has the wrong kind, shape or entries, or `y` is given to a loss without labels or is
            missing for one with.
        """
        if not isinstance(hierarchy, Model):
            raise TypeError(f"hierarchy must be a hntf.Hierarchy or another model, got {type(hierarchy).__name__}")
        data = as_data(X, mask=mask)
        hierarchy.check_input(data)
        tape = hierarchy.solve(data)
        labels = None if y is None else as_labels(y, data.shape[0], hierarchy.factors[0])
        return self.factor_gradients(hierarchy, tape, labels)
