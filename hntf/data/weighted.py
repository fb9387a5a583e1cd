"""Weighted or masked data: two data objects, `W ∘ X` for the adjoint and `W` for the Gram matrices, one a sample."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hntf.arrays import Array, as_float64, backend_of
from hntf.data.dense import DenseData
from hntf.data.protocol import Data, Factors, cp_dense, matricised
from hntf.least_squares.arrangement import Arrangement
from hntf.least_squares.gram import Gram
from hntf.least_squares.row_grams import RowGrams


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

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        return self.product.mttkrp(factors, mode, contracted)

    def contract_last(self, U: Array) -> Array | None:
        return self.product.contract_last(U)

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        return self.product.multi_mode_dot(factors, skip)

    @property
    def n_entries(self) -> int:
        return self.weights.n_entries

    def gram(self, factors: Factors, mode: int = 0) -> Array:
        products = [None if i == mode else _column_products(U) for i, U in enumerate(factors)]
        k = factors[mode - 1].shape[1]  # type: ignore[union-attr]
        return self.weights.mttkrp(products, mode).reshape(-1, k, k)

    def grams(self, factors: Factors) -> list[Array]:
        return [self.gram(factors, mode) for mode in range(len(factors))]

    def gram_pullback(self, factors: Factors, dG: Array) -> list[Array]:
        k = dG.shape[-1]
        products = [dG.reshape(-1, k * k), *map(_column_products, factors[1:])]
        gradients = []
        for mode, U in enumerate(factors[1:], start=1):
            gradients.append(_column_products_pullback(U, self.weights.mttkrp(products, mode)))
        return gradients

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return self.weigh(cp_dense(dC, factors))

    def unfolded(self, mode: int) -> WeightedData:
        return WeightedData(matricised(self.array, mode).T, matricised(self.weights.array, mode).T)

    def as_matrix(self) -> WeightedData:
        n = self.shape[0]
        return WeightedData(self.array.reshape(n, -1), self.weights.array.reshape(n, -1))

    def tucker_gram(self, core: Array, factors: Factors, mode: int) -> Array:
        pairs = [None if i == mode else _column_products(U) for i, U in enumerate(factors)]
        products = matricised(self.weights.multi_mode_dot(pairs, skip=mode), mode)
        ranks = [r for i, r in enumerate(core.shape) if i != mode]
        k = math.prod(ranks)
        split = products.reshape(-1, *(r for size in ranks for r in (size, size)))
        grams = _pairs_last(split, first=1).reshape(-1, k, k)
        core = matricised(core, mode)
        return core @ grams @ core.T

    def weigh(self, dX: Array) -> Any:
        return self.weights.array * dX

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = self.array[rows] - model(rows)
            total += float((self.weights.array[rows] * residual**2).sum())
        return total

    def kronecker_gram(self, factors: Factors) -> Gram:
        arrangement, _ = self._arrangement(factors)
        pairs = self.weights.multi_mode_dot([None if A is None else _column_products(A) for A in factors], skip=-1)
        moved = backend_of(pairs).transpose(pairs, arrangement.order)
        split = moved.reshape(-1, *(r for rank in arrangement.coupled for r in (rank, rank)))
        k = math.prod(arrangement.coupled)
        return RowGrams(_pairs_last(split, first=1).reshape(-1, k, k), arrangement)

    def kronecker_gram_pullback(self, factors: Factors, dG: Array) -> list[Array | None]:
        arrangement, free = self._arrangement(factors)
        ranks = arrangement.coupled
        d_pairs = _pairs_interleaved(dG.reshape(-1, *ranks, *ranks), first=1)
        tl = backend_of(dG)
        d_pairs = d_pairs.reshape(*(self.shape[axis] for axis in free), *(rank * rank for rank in ranks))
        d_pairs = tl.transpose(d_pairs, sorted(range(len(self.shape)), key=arrangement.order.__getitem__))
        products = [None if A is None else _column_products(A) for A in factors]
        gradients: list[Array | None] = []
        for mode, A in enumerate(factors):
            if A is None:
                gradients.append(None)
                continue
            others = self.weights.multi_mode_dot(products, skip=mode)
            gradients.append(_column_products_pullback(A, matricised(others, mode) @ matricised(d_pairs, mode).T))
        return gradients

    def _arrangement(self, factors: Factors) -> tuple[Arrangement, list[int]]:
        """Return how the code of these factors falls into problems, and the modes between them."""
        free = [mode for mode, A in enumerate(factors) if A is None]
        return Arrangement(
            [d if A is None else A.shape[1] for d, A in zip(self.shape, factors, strict=True)], free
        ), free


def _column_products(U: Array) -> Array:
    """Return the products of all pairs of columns, row by row: `(d, k²)`."""
    return backend_of(U).einsum("ja,jb->jab", U, U).reshape(len(U), -1)


def _column_products_pullback(U: Array, d_products: Array) -> Array:
    d_products = d_products.reshape(*U.shape, U.shape[1])
    return backend_of(U).einsum("jab,jb->ja", d_products + d_products.mT, U)


def _pairs_last(split: Array, first: int) -> Array:
    """Move the axes `(…, r, r, s, s)` of pairs to `(…, r, s, r, s)`."""
    axes = list(range(first, split.ndim))
    return backend_of(split).transpose(split, [*range(first), *axes[::2], *axes[1::2]])


def _pairs_interleaved(split: Array, first: int) -> Array:
    """Move the axes `(…, r, s, r, s)` of pairs to `(…, r, r, s, s)`."""
    half = (split.ndim - first) // 2
    axes = [axis for i in range(half) for axis in (first + i, first + half + i)]
    return backend_of(split).transpose(split, [*range(first), *axes])
