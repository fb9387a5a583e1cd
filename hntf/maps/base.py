"""What a layer asks of a linear map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from hntf.arrays import Array
from hntf.data import Data


class LinearMap(ABC):
    """A linear map `M` from codes `(n, k)` to data with `n` samples, given by its factors."""

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The factors, `(dimension, rank)` each, in float64."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """The number of components `k`."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same map with other factors."""

    @abstractmethod
    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the map does not produce data of the shape of `X`."""

    @abstractmethod
    def gram(self, X: Data) -> Array:
        """Return `G = M*M`: `(k, k)`, or one a sample where the data are weighted, `(n, k, k)`."""

    @abstractmethod
    def adjoint(self, X: Data) -> Array:
        """Return `C = M*(X)`, `(n, k)`."""

    @abstractmethod
    def pullback(self, X: Data, dG: Array, dC: Array) -> list[Array]:
        """Return the gradients with respect to the factors for gradients with respect to `G` (symmetric) and `C`."""

    @abstractmethod
    def input_gradient(self, X: Data, dC: Array) -> Any:
        """Return the gradient with respect to `X` for the gradient `dC`."""

    @abstractmethod
    def apply(self, S: Array) -> Array:
        """Return `M(S)`, dense."""

    @abstractmethod
    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        """Return the gradients with respect to `S` and the factors for the gradient `dX` with respect to `M(S)`."""

    @abstractmethod
    def residual_norm_squared(self, X: Data, S: Array) -> float:
        """Return `‖X − M(S)‖²` from the residual itself."""
