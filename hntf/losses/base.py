"""What every loss shares: one call that runs the hierarchy forward, evaluates, and runs it backward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hntf.arrays import Array
from hntf.data import as_data
from hntf.hierarchy import Gradients, Hierarchy
from hntf.layers import LayerTape


class Loss(ABC):
    """A function of the data and of all that a hierarchy computes from them."""

    @abstractmethod
    def evaluate(self, hierarchy: Hierarchy, tape: Sequence[LayerTape]) -> tuple[float, Gradients]:
        """Return the value and its gradient with respect to what the forward pass computed."""

    def value_and_grad(
        self, hierarchy: Hierarchy, X: Any, y: Any = None, mask: Any = None
    ) -> tuple[float, list[Array]]:
        """Return the loss and its gradients: one epoch's work.

        Parameters
        ----------
        hierarchy : Hierarchy
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
        y : None
            Labels; the unsupervised losses take none.
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
            If `X` or `mask` has the wrong kind, shape or entries, or `y` is given to a loss without labels.
        """
        if y is not None:
            raise ValueError(f"y must be None: {type(self).__name__} is a loss without labels")
        if not isinstance(hierarchy, Hierarchy):
            raise TypeError(f"hierarchy must be a hntf.Hierarchy, got {type(hierarchy).__name__}")
        data = as_data(X, mask=mask)
        hierarchy.check_input(data)
        tape = hierarchy.solve(data)
        value, gradients = self.evaluate(hierarchy, tape)
        return value, hierarchy.pullback(tape, gradients)[1]
