"""Weighted or masked data: two data objects, `W ∘ X` for the adjoint and `W` for the Gram matrices, one a sample."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array, as_float64, backend_of
from hntf.data.dense import DenseData
from hntf.data.protocol import Data, Factors, cp_dense


class WeightedData(Data):
    """Dense data with a nonnegative weight for every squared residual; a mask is a weight of 0 or 1."""

    def __init__(self, array: Array, weights: Array) -> None:
        self.prototype = array[:0]
        self.shape = tuple(array.shape)
        self.array = as_float64(array)
        self.weights = DenseData(weights)
        self.product = DenseData(self.array * self.weights.array)

    def norm_squared(self) -> float:
        return float(self.product.array.reshape(-1) @ self.array.reshape(-1))

    def extent(self) -> tuple[float, float]:
        return float(self.array.min()), float(self.array.max())

    def mttkrp(self, factors: Factors, mode: int) -> Array:
        return self.product.mttkrp(factors, mode)

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        return self.product.multi_mode_dot(factors, skip)

    @property
    def n_entries(self) -> int:
        return self.weights.n_entries

    def gram(self, factors: Factors, mode: int = 0) -> Array:
        products = [None if i == mode else _column_products(U) for i, U in enumerate(factors)]
        k = factors[mode - 1].shape[1]  # type: ignore[union-attr]
        return self.weights.mttkrp(products, mode).reshape(-1, k, k)

    def gram_pullback(self, factors: Factors, dG: Array) -> list[Array]:
        k = dG.shape[-1]
        products = [dG.reshape(-1, k * k), *map(_column_products, factors[1:])]
        gradients = []
        for mode, U in enumerate(factors[1:], start=1):
            d_products = self.weights.mttkrp(products, mode).reshape(-1, k, k)
            gradients.append(2 * backend_of(U).einsum("jab,jb->ja", 0.5 * (d_products + d_products.mT), U))
        return gradients

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return self.weights.array * cp_dense(dC, factors)

    def residual_norm_squared(self, code: Array, factors: Factors) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = self.array[rows] - cp_dense(code[rows], factors)
            total += float((self.weights.array[rows] * residual**2).sum())
        return total


def _column_products(U: Array) -> Array:
    """Return the products of all pairs of columns, row by row: `(d, k²)`."""
    return backend_of(U).einsum("ja,jb->jab", U, U).reshape(len(U), -1)
