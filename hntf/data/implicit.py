"""Data that are known by their products with factors, and never stored: for what these do not give, they are expanded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from hntf.algebra import Factors, cp_dense
from hntf.arrays import Array
from hntf.data.dense import DenseData
from hntf.data.entry_weights import EntryWeights
from hntf.data.protocol import Data


class ImplicitData(Data):
    """Data of which a subclass states the products, some samples, and a subset of the samples."""

    @property
    def is_expandable(self) -> bool:
        return False

    @abstractmethod
    def expanded(self) -> DenseData:
        """Return the same as dense data."""

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return cp_dense(dC, factors)

    def weigh(self, dX: Array) -> Any:
        return dX

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        return self.expanded().residual_norm_squared(model)

    def weighted_by(self, weights: EntryWeights) -> Data:
        return self.expanded().weighted_by(weights)

    def inner(self, other: Any) -> float:
        return self.expanded().inner(other)

    def minimum_and_maximum(self) -> tuple[float, float]:
        return self.expanded().minimum_and_maximum()

    def ratio(self, factors: Factors) -> Data:
        return self.expanded().ratio(factors)

    def divergence(self, ratio: Any) -> float:
        return self.expanded().divergence(ratio)

    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> Data:
        return self.expanded().ratio_gradient(ratio, factors, dC)

    def transposed_unfolding(self, mode: int) -> Data:
        return self.expanded().transposed_unfolding(mode)

    def as_matrix(self) -> Data:
        return self.expanded().as_matrix()
