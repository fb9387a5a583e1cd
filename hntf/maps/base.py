"""The interface of linear maps to layers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from hntf.arrays import Array, as_float64, is_torch, to_numpy
from hntf.data import Data
from hntf.least_squares.gram import Gram
from hntf.validation import check_order, check_real_array, check_same_home

SMALLEST_SQUARE = 1e-300
"""The square of the norm of a column below which its entries lose digits."""


class LinearMap(ABC):
    """A linear map `M` from codes `(n, k)` to data with `n` samples, given by its factors."""

    @abstractmethod
    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the code for data of the given shape: `(n, k)`, or a tensor whose last modes are flattened to `k`."""

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The factors, `(dimension, rank)` each, in float64."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same map with other factors, which must be float64 matrices of one backend that fit together (not checked)."""

    @abstractmethod
    def fits(self, shape: tuple[int, ...]) -> bool:
        """Return whether the map produces data of the given shape."""

    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the map does not produce data of the shape of `X`, `TypeError` if their backends differ."""
        check_same_home({"X": X.prototype, "the factors": self.factors[0]})
        if not self.fits(X.shape):
            raise ValueError(f"X must have shape {self.expected_shape}, got {tuple(X.shape)}")

    def check_factors(self) -> None:
        """Raise `ValueError` if columns of the factors are not zero, but the squares of their products are."""
        smallest = 1.0
        for A in self.factors:
            squares, largest = to_numpy((A * A).sum(0)), to_numpy(abs(A)).max(axis=0)
            smallest *= float(squares.min(where=largest > 0, initial=1.0))
        if smallest < SMALLEST_SQUARE:
            raise ValueError("the factors must hold columns whose products do not underflow; scale them")

    @property
    @abstractmethod
    def expected_shape(self) -> str:
        """The shape of the data as a phrase for error messages."""

    def input_shape(self, code_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in which the map takes a code of the level below as its data."""
        return code_shape

    @abstractmethod
    def matrix(self) -> Array:
        """Return the matrix `A` `(m, k)` from codes to data, both flattened along the modes that the map compresses."""

    @abstractmethod
    def gram(self, X: Data) -> Gram:
        """Return `G = M*M`: `(k, k)`; one per sample, `(n, k, k)`, for weighted data; or a `KroneckerGram`."""

    def contracted(self, X: Data) -> Array | None:
        """Return a product with the data that `adjoint` and `pullback` have in common, or None if there is none."""
        return None

    @abstractmethod
    def adjoint(self, X: Data, contracted: Array | None = None) -> Array:
        """Return `C = M*(X)`, `(n, k)`."""

    @abstractmethod
    def pullback(self, X: Data, dG: Gram, dC: Array, contracted: Array | None = None) -> list[Array]:
        """Return the gradients with respect to the factors from the gradients with respect to `G` (symmetric) and `C`."""

    @abstractmethod
    def input_gradient(self, X: Data, dC: Array) -> Any:
        """Return the gradient with respect to `X` from the gradient `dC`."""

    @abstractmethod
    def apply(self, S: Array) -> Array:
        """Return `M(S)`, dense, in the shape of the data."""

    @abstractmethod
    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        """Return the gradients with respect to `S` and the factors from the gradient `dX` with respect to `M(S)`.

        `dX` has the shape of the data, or the same with all modes but the first flattened.
        """

    def residual_norm_squared(self, X: Data, S: Array) -> float:
        """Return `‖X − M(S)‖²`, computed from the residual itself in blocks of samples."""
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
