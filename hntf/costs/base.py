"""The interface of losses to models, and the combination of the parts of a sum over samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from hntf.arrays import Array
from hntf.costs.targets import Labels, as_labels
from hntf.data import Data, as_data


@runtime_checkable
class Differentiable(Protocol):
    """A model with a forward pass on data and a pullback of gradients to its factors, which is all that a loss requires."""

    @property
    def factors(self) -> list[Array]:
        """The trained factors."""

    @property
    def n_levels(self) -> int:
        """The number of levels."""

    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the model does not produce data of the shape of `X`."""

    def solve(self, X: Data, start: Any = None) -> Any:
        """Run the forward pass and return its tape."""

    def codes(self, tape: Any) -> list[Array]:
        """Return the codes of the samples at every level."""

    def no_gradients(self, tape: Any) -> Any:
        """Return gradients of zero with respect to the results of the forward pass."""

    def squared_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return `Σ_l w_l ‖X − X̂_l‖²` and its gradients."""

    def layer_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return the weighted squared errors of all layers on their own inputs, and the gradients."""

    def pullback(self, tape: Any, gradients: Any) -> list[Array]:
        """Return the gradients with respect to the factors."""


class Loss(ABC):
    """A sum over samples of a function of a model's results for them, plus a function of the factors alone.

    Samples may come in several parts with a forward pass each. First `of_part` returns from every part what the others require,
    and `settle` combines these into one object, such as the classifier of the labels; then `evaluate` uses it to evaluate every
    part.
    """

    @property
    def steepness(self) -> float:
        """Ratio of the loss to an unweighted error, by which the stopping tolerances are scaled."""
        return 1.0

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return what the other parts require from a part; None by default."""
        return None

    @property
    def settles(self) -> bool:
        """Whether parts are evaluated only after `settle` has combined what `of_part` returns for them."""
        return False

    def settle(self, parts: Sequence[Any]) -> Any:
        """Combine the results of `of_part` into what `evaluate` requires; None by default."""
        return None

    @abstractmethod
    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part and its gradient with respect to the results of the forward pass."""

    def of_factors(self, factors: Sequence[Array]) -> tuple[float, list[Array] | None]:
        """Return the cost that depends on the factors alone, and its gradients; None if these are zero."""
        return 0.0, None

    def value_and_grad(
        self, hierarchy: Differentiable, X: Any, y: Any = None, mask: Any = None
    ) -> tuple[float, list[Array]]:
        """Return the loss and its gradients with respect to all factors.

        Parameters
        ----------
        hierarchy : Hierarchy, or another model of hntf.hierarchies
            The model.
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
            Samples along mode 0.
        y : array, `(n,)` or `(n, p)`, optional
            For losses with labels: class labels, -1 where unknown, or a matrix of soft or multiple labels.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` masks the entries that are NaN.

        Returns
        -------
        value : float
            The loss.
        gradients : list of arrays
            The gradients, in the order and shapes of `hierarchy.factors`, float64.

        Raises
        ------
        TypeError, ValueError
            If `X`, `y` or `mask` has the wrong type, shape or entries, if `y` is given to a loss without labels, or if it is
            missing for a loss with labels.
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
        self, factors: Sequence[Array], value: float, gradients: list[Array], fraction: float = 1.0
    ) -> tuple[float, list[Array]]:
        """Return value and gradients plus the cost that depends on the factors alone, times `fraction`, the fraction of samples."""
        cost, of_cost = self.of_factors(factors)
        if of_cost is not None:
            gradients = [d + fraction * e for d, e in zip(gradients, of_cost, strict=True)]
        return value + fraction * cost, gradients
