"""What a loss asks of a model, and how the parts of a sum over samples come together."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from hntf.arrays import Array
from hntf.costs.targets import Labels, as_labels
from hntf.data import Data, as_data


@runtime_checkable
class Differentiable(Protocol):
    """A model that runs forward on data and carries gradients back to its factors: all that a loss knows of it."""

    @property
    def factors(self) -> list[Array]:
        """The factors that are trained."""

    @property
    def n_levels(self) -> int:
        """The number of levels."""

    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the model does not produce data of the shape of `X`."""

    def solve(self, X: Data, start: Any = None) -> Any:
        """Run forward and return the tape."""

    def codes(self, tape: Any) -> list[Array]:
        """Return the codes of the samples at every level."""

    def no_gradients(self, tape: Any) -> Any:
        """Return gradients of zero with respect to what the forward pass computed."""

    def squared_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return `Σ_l w_l ‖X − X̂_l‖²` and its gradients."""

    def layer_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return the weighted squared errors of every layer's own input, and their gradients."""

    def pullback(self, tape: Any, gradients: Any) -> list[Array]:
        """Return the gradients with respect to the factors."""


class Loss(ABC):
    """A sum over samples of a function of what a model computes from them, plus a function of the factors alone.

    Samples may come in parts, each with its own forward pass. First every part is asked for what the others must know of it
    (`of_part`), `settle` makes one thing of the answers, such as the classifier of the labels, and with it every part is evaluated.
    """

    @property
    def steepness(self) -> float:
        """How much steeper than an unweighted error the loss is: what its gradient is measured against."""
        return 1.0

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return what the other parts must know of a part; by default nothing."""
        return None

    def settle(self, parts: Sequence[Any]) -> Any:
        """Return what `evaluate` needs of all parts, from what `of_part` said of each; by default nothing."""
        return None

    @abstractmethod
    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part and its gradient with respect to what the forward pass computed."""

    def of_factors(self, factors: Sequence[Array]) -> tuple[float, list[Array] | None]:
        """Return what depends on the factors alone, and its gradients; None where these are zero."""
        return 0.0, None

    def value_and_grad(
        self, hierarchy: Differentiable, X: Any, y: Any = None, mask: Any = None
    ) -> tuple[float, list[Array]]:
        """Return the loss and its gradients: the work of one iteration.

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
        if not isinstance(hierarchy, Differentiable):
            raise TypeError(f"hierarchy must be a hntf.Hierarchy or another model, got {type(hierarchy).__name__}")
        data = as_data(X, mask=mask)
        hierarchy.check_input(data)
        tape = hierarchy.solve(data)
        factors = hierarchy.factors
        labels = None if y is None else as_labels(y, data.shape[0], factors[0])
        settled = self.settle([self.of_part(hierarchy, tape, labels)])
        value, gradients = self.evaluate(hierarchy, tape, labels, settled)
        return self.with_cost_of_factors(factors, value, hierarchy.pullback(tape, gradients))

    def with_cost_of_factors(
        self, factors: Sequence[Array], value: float, gradients: list[Array], share: float = 1.0
    ) -> tuple[float, list[Array]]:
        """Return value and gradients with a share of what depends on the factors alone added."""
        cost, of_cost = self.of_factors(factors)
        if of_cost is not None:
            gradients = [d + share * e for d, e in zip(gradients, of_cost, strict=True)]
        return value + share * cost, gradients
