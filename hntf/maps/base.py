"""What a layer asks of a linear map."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from hntf.arrays import Array, as_float64, is_torch
from hntf.data import Data
from hntf.least_squares.gram import Gram
from hntf.validation import check_order, check_real_array, check_same_home


class LinearMap(ABC):
    """A linear map `M` from codes `(n, k)` to data with `n` samples, given by its factors."""

    @abstractmethod
    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the code of data of a shape: `(n, k)`, or a tensor whose last modes flatten to `k`."""

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The factors, `(dimension, rank)` each, in float64."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same map with other factors, trusted to be float64 matrices of the same backend that fit together."""

    @abstractmethod
    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether the map produces data of a shape."""

    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the map does not produce data of the shape of `X`, `TypeError` if they have two backends."""
        check_same_home({"X": X.prototype, "the factors": self.factors[0]})
        if not self.fits(X.shape):
            raise ValueError(f"X must have shape {self.expected_shape}, got {tuple(X.shape)}")

    @property
    @abstractmethod
    def expected_shape(self) -> str:
        """The shape of the data, in words."""

    def input_shape(self, code_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in which the map takes a code of the level below as its data."""
        return code_shape

    @abstractmethod
    def gram(self, X: Data) -> Gram:
        """Return `G = M*M`: `(k, k)`, one a sample where the data are weighted, `(n, k, k)`, or a `KroneckerGram`."""

    def contracted(self, X: Data) -> Array | None:
        """Return a product with the data that `adjoint` and `pullback` share, if there is one."""
        return None

    @abstractmethod
    def adjoint(self, X: Data, contracted: Array | None = None) -> Array:
        """Return `C = M*(X)`, `(n, k)`."""

    @abstractmethod
    def pullback(self, X: Data, dG: Gram, dC: Array, contracted: Array | None = None) -> list[Array]:
        """Return the gradients with respect to the factors for gradients with respect to `G` (symmetric) and `C`."""

    @abstractmethod
    def input_gradient(self, X: Data, dC: Array) -> Any:
        """Return the gradient with respect to `X` for the gradient `dC`."""

    @abstractmethod
    def apply(self, S: Array) -> Array:
        """Return `M(S)`, dense, in the shape of the data."""

    @abstractmethod
    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        """Return the gradients with respect to `S` and the factors for the gradient `dX` with respect to `M(S)`.

        `dX` may have the shape of the data or that with all modes but the first flattened.
        """

    def residual_norm_squared(self, X: Data, S: Array) -> float:
        """Return `‖X − M(S)‖²` from the residual itself, in blocks of samples."""
        return X.residual_norm_squared(lambda rows: self.apply(S[rows]))


def checked_factors(factors: Any, name: str) -> list[Array]:
    """Return the factors as float64 matrices of one backend and device."""
    if is_torch(factors) or isinstance(factors, np.ndarray | str) or not isinstance(factors, Sequence) or not factors:
        raise TypeError(f"{name} must be a list with one matrix a mode, got {type(factors).__name__}")
    checked = []
    for i, U in enumerate(factors):
        U = check_real_array(U, f"{name}[{i}]", entries=False)  # noqa: PLW2901
        check_order(U, f"{name}[{i}]", (2,))
        checked.append(as_float64(U))
    check_same_home({f"{name}[{i}]": U for i, U in enumerate(checked)})
    return checked
