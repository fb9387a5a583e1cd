"""Weighted or masked data: `W ∘ X` for the products with the data, and `W` for the Gram matrices, one for each slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors, cp_dense, split_columns
from hntf.arrays import Array, backend_of
from hntf.data.completed import CompletedData
from hntf.data.dense import DenseData
from hntf.data.entry_weights import EntryWeights
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.sparse_tensor import SparseTensorData
from hntf.data.weighted_gram import WeightedGram
from hntf.data.weighted_kronecker import WeightedKroneckerGram, weighted_tucker_gram
from hntf.least_squares.arrangement import Arrangement
from hntf.least_squares.gram import Gram
from hntf.least_squares.gram_blocks import OuterProducts
from hntf.least_squares.row_grams import RowGrams


class WeightedData(Data):
    """Data with a nonnegative weight for every squared residual; a mask is a weight of 0 or 1.

    Parameters
    ----------
    values : DenseData or SparseData
        The data, with zeros where the weights are zero.
    weights : EntryWeights
        The weights.
    """

    def __init__(self, values: Data, weights: EntryWeights) -> None:
        self.values = values
        self.weights = weights
        self.shape = values.shape
        self.prototype = values.prototype
        self.product = values.weighted_by(weights)

    def norm_squared(self) -> float:
        return self.values.inner(self.product)

    def inner(self, other: Any) -> float:
        return self.product.inner(other)

    def weighted_by(self, weights: EntryWeights) -> Data:
        return self.product.weighted_by(weights)

    def of_samples(self, rows: slice) -> Array:
        return self.values.of_samples(rows)

    def completed(self, model: Callable[[], Sequence[Array]]) -> Data:
        if isinstance(self.values, SparseTensorData):
            raise TypeError("a sparse tensor with a mask or weights is not taken here; use a dense one")
        factors, largest = model(), self.weights.largest or 1.0
        if isinstance(self.values, SparseData):
            return CompletedData(self.product, self.weights, factors, largest)
        filled = cp_dense(factors[0], factors)
        for rows in self.weights.blocks():
            weights = self.weights.of_samples(rows) / largest
            filled[rows] = weights * self.values.of_samples(rows) + (1.0 - weights) * filled[rows]
        return DenseData(filled)

    def minimum_and_maximum(self) -> tuple[float, float]:
        return self.values.minimum_and_maximum()

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        return self.product.mttkrp(factors, mode, contracted)

    def contract_last(self, U: Array) -> Array | None:
        return self.product.contract_last(U)

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        return self.product.multi_mode_dot(factors, skip)

    @property
    def is_expandable(self) -> bool:
        return self.values.is_expandable

    def nonzero_features(self) -> tuple[Data, Callable[[Array], Data]]:
        if not isinstance(self.values, SparseTensorData):
            return super().nonzero_features()
        matrix, restored = self.values.nonzero_features()
        return WeightedData(matrix, self.weights.of_cells(self.values.cells(0), 0)), restored  # type: ignore[attr-defined]

    def gradient_like(self, dX: Any) -> Any:
        return self.values.gradient_like(dX)

    @property
    def n_entries(self) -> int:
        return max(self.product.n_entries, self.weights.n_entries)

    @property
    def n_dense_entries(self) -> int:
        return self.product.n_dense_entries

    def gram(self, factors: Factors, mode: int = 0) -> WeightedGram:
        return WeightedGram(self.weights, factors, mode)

    def gram_products(self, factors: Factors, ranks: Sequence[int]) -> list[Array]:
        # One Gram matrix per row of every model; those between columns of different models are not required.
        models = list(zip(*(split_columns(U, ranks) for U in factors), strict=True))
        return [
            backend_of(factors[0]).concatenate([self.gram(model, mode).apply(model[mode]) for model in models], axis=1)
            for mode in range(len(factors))
        ]

    def gram_pullback(self, factors: Factors, dG: OuterProducts) -> list[Array]:
        return self.gram(factors).pullback(dG)

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return self._times_weights(self.values.input_gradient(dC, factors))

    def _times_weights(self, dX: Any) -> Any:
        if isinstance(dX, tuple):
            index, entries, shape = dX
            return index, entries * self.weights.of_entries(*index), shape
        if not scipy.sparse.issparse(dX):
            return self.weights.of_samples(slice(None)) * dX
        entries = dX.tocoo()
        weighted = entries.data * self.weights.of_entries(entries.row, entries.col)
        return scipy.sparse.csr_array((weighted, (entries.row, entries.col)), shape=dX.shape)

    def take(self, rows: Array) -> WeightedData:
        return WeightedData(self.values.take(rows), self.weights.take(rows))

    def ratio(self, factors: Factors) -> WeightedData:
        return WeightedData(self.values.ratio(factors), self.weights)

    def divergence(self, ratio: Any) -> float:
        return self.product.divergence(ratio.values)

    def weights_mttkrp(self, factors: Factors, mode: int) -> Array:
        return self.weights.mttkrp(factors, mode)

    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> Data:
        return self.values.ratio_gradient(ratio.product, factors, dC)

    def transposed_unfolding(self, mode: int) -> WeightedData:
        values = self.values.transposed_unfolding(mode)
        if not isinstance(self.values, SparseTensorData):
            return WeightedData(values, self.weights.transposed_unfolding(mode))
        of_cells = self.weights.of_cells(self.values.cells(mode), mode)  # type: ignore[attr-defined]
        return WeightedData(values, of_cells.transposed_unfolding(0))

    @property
    def observed(self) -> Array:
        blocks = [self.weights.of_samples(rows) > 0 for rows in self.weights.blocks()]
        return backend_of(blocks[0]).concatenate(blocks)

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        return self.weights.n_observed_by_sample

    def weights_of(self, sample: int) -> Array:
        return self.weights.of_samples(slice(sample, sample + 1)).reshape(-1)

    def as_matrix(self) -> WeightedData:
        return WeightedData(self.values.as_matrix(), self.weights.as_matrix())

    def weigh(self, dX: Array) -> Any:
        return self._times_weights(self.values.weigh(dX))

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = self.values.of_samples(rows) - model(rows)
            total += float((self.weights.of_samples(rows) * residual**2).sum())
        return total

    def tucker_gram(self, core: Array, factors: Factors, mode: int) -> Array:
        return weighted_tucker_gram(self.weights, core, factors, mode)

    def kronecker_gram(self, factors: Factors) -> Gram:
        G = self._kronecker(factors)
        return RowGrams(G, G.arrangement)

    def kronecker_gram_pullback(self, factors: Factors, dG: OuterProducts) -> list[Array | None]:
        return self._kronecker(factors).pullback(dG)

    def _kronecker(self, factors: Factors) -> WeightedKroneckerGram:
        separate = [mode for mode, A in enumerate(factors) if A is None]
        return WeightedKroneckerGram(self.weights, factors, Arrangement(self.compressed_shape(factors), separate))
