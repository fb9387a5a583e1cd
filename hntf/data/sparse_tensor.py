"""Sparse tensors of any order. No dense array of their size is formed, except in blocks for the residual of small ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors
from hntf.arrays import Array, to_numpy
from hntf.data.coordinates import Coordinates, mode_product_at_entries, mode_product_pullback, mttkrp, multi_mode_dot
from hntf.data.dense import entries_divergence
from hntf.data.entry_weights import EntryWeights
from hntf.data.protocol import SMALLEST_MODEL, Data
from hntf.data.sparse import SparseData

EXPANDABLE = 2**26
"""Number of entries up to which a residual is formed in dense blocks."""


class SparseTensorData(Data):
    """A sparse tensor of any order by the coordinates and values of its entries; entries that are not stored are zeros.

    Parameters
    ----------
    coordinates : Coordinates
        Where the entries are.
    values : array, `(nnz,)`
        Their values, in float64.
    prototype : array
        An empty array in the dtype of the results.
    are_kept : bool
        Whether the values are kept in the order of every mode whose products are formed, which takes a while to find.
    """

    def __init__(self, coordinates: Coordinates, values: np.ndarray, prototype: Any, *, are_kept: bool = True) -> None:
        self.are_kept = are_kept
        self._ordered: dict[int, np.ndarray] = {}
        self.coordinates = coordinates
        self.values = values
        self.prototype = prototype
        self.shape = coordinates.shape

    def __getstate__(self) -> dict[str, Any]:
        # What is found again travels to no process.
        return {**self.__dict__, "_ordered": {}}

    def _passing(self, values: np.ndarray) -> SparseTensorData:
        """Return other values of the entries, of which no product is formed twice."""
        return SparseTensorData(self.coordinates, values, self.prototype, are_kept=False)

    @property
    def n_entries(self) -> int:
        return len(self.values)

    def norm_squared(self) -> float:
        return float(self.values @ self.values)

    def minimum_and_maximum(self) -> tuple[float, float]:
        absent = {} if len(self.values) == math.prod(self.shape) else {"initial": 0.0}
        return float(self.values.min(**absent)), float(self.values.max(**absent))  # type: ignore[call-overload]

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        if self.are_kept and mode not in self._ordered:
            self._ordered[mode] = self.coordinates.ordered(self.values, (mode,))
        return mttkrp(self.coordinates, self.values, factors, mode, self._ordered.get(mode))

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        compressed = [None if mode == skip else U for mode, U in enumerate(factors)]
        if all(U is None for U in compressed):
            raise ValueError("a sparse tensor cannot be returned uncompressed: give the factor of a mode")
        return multi_mode_dot(self.coordinates, self.values, compressed)

    def contract_mode(self, U: Array, mode: int) -> None:
        # The product with a single factor is nearly as large as the dense tensor.
        return None

    def mode_product_pullback(self, factors: Factors, V: Array, mode: int) -> Array:
        return mode_product_pullback(self.coordinates, self.values, factors, to_numpy(V), mode)

    def mode_product_input_gradient(self, factors: Factors, V: Array, expand: Callable[[], Array]) -> Any:
        return self._entries(mode_product_at_entries(self.coordinates, factors, to_numpy(V)))

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return self._entries(self._model(dC, factors))

    def _entries(self, values: np.ndarray) -> Any:
        return np.array(self.coordinates.index, np.intp), values, self.shape

    def gradient_like(self, dX: Any) -> Any:
        index, values, shape = dX
        return index, super().gradient_like(values), shape

    def _model(self, code: Array, factors: Factors) -> np.ndarray:
        """Return the entries of `[[code, U_2, …, U_N]]` where entries are stored."""
        return self.coordinates.cp_at_entries([code, *factors[1:]])

    def take(self, rows: Array) -> SparseTensorData:
        rows = np.asarray(to_numpy(rows))
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        coordinates, entries = self.coordinates.take(rows)
        return SparseTensorData(coordinates, self.values[entries], self.prototype, are_kept=False)

    def ratio(self, factors: Factors) -> SparseTensorData:
        return self._passing(self.values / np.maximum(self._model(factors[0], factors), SMALLEST_MODEL))

    def divergence(self, ratio: Any) -> float:
        return entries_divergence(self.values, ratio.values)

    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> SparseTensorData:
        model = np.maximum(self._model(factors[0], factors), SMALLEST_MODEL)
        return self._passing(-self._model(dC, factors) * ratio.values / model)

    def transposed_unfolding(self, mode: int) -> SparseData:
        others = [i for i in range(len(self.shape)) if i != mode]
        groups = self.coordinates.groups(others)
        columns = self.coordinates.index[mode][groups.order]
        shape = (len(groups.pointers) - 1, self.shape[mode])
        return SparseData(scipy.sparse.csr_array((self.values[groups.order], columns, groups.pointers), shape=shape))

    def cells(self, mode: int) -> Coordinates:
        """Return the cells that have an entry somewhere along a mode, by their coordinates in the other modes; never none."""
        others = [i for i in range(len(self.shape)) if i != mode]
        if not len(self.values):
            origin = np.zeros((len(others), 1), self.coordinates.index.dtype)
            return Coordinates(origin, [self.shape[i] for i in others])
        groups = self.coordinates.groups(others)
        first = groups.order[groups.pointers[:-1]]
        return Coordinates(self.coordinates.index[others][:, first], [self.shape[i] for i in others])

    def nonzero_features(self) -> tuple[SparseData, Callable[[Array], Data]]:
        if not len(self.values):
            origin = Coordinates(np.zeros((len(self.shape), 1), self.coordinates.index.dtype), self.shape)
            return SparseTensorData(origin, np.zeros(1), self.prototype).nonzero_features()
        groups = self.coordinates.groups(range(1, len(self.shape)))
        columns = np.empty(self.n_entries, np.intp)
        columns[groups.order] = np.repeat(np.arange(len(groups.pointers) - 1), np.diff(groups.pointers))
        matrix = scipy.sparse.csr_array(
            (self.values, (self.coordinates.index[0], columns)), shape=(self.shape[0], len(groups.pointers) - 1)
        )
        of_features = self.cells(0).index

        def restored(B: Array) -> Data:
            k, width = B.shape
            index = np.vstack([np.repeat(np.arange(k), width), np.tile(of_features, k)])
            coordinates = Coordinates(index.astype(self.coordinates.index.dtype), (k, *self.shape[1:]))
            return SparseTensorData(coordinates, B.reshape(-1), self.prototype)

        return SparseData(matrix), restored

    def as_matrix(self) -> SparseData:
        features = self.coordinates.cells(range(1, len(self.shape)))
        shape = (self.shape[0], math.prod(self.shape[1:]))
        return SparseData(scipy.sparse.csr_array((self.values, (self.coordinates.index[0], features)), shape=shape))

    def weigh(self, dX: Array) -> Any:
        return self._entries(to_numpy(dX)[tuple(self.coordinates.index)])

    def weighted_by(self, weights: EntryWeights) -> SparseTensorData:
        return SparseTensorData(
            self.coordinates, self.values * weights.of_entries(*self.coordinates.index), self.prototype
        )

    def inner(self, other: Any) -> float:
        return float(self.values @ other.values)

    def of_samples(self, rows: slice) -> Array:
        samples = self.take(np.arange(*rows.indices(self.shape[0])))
        dense = np.zeros(samples.shape)
        dense[tuple(samples.coordinates.index)] = samples.values
        return dense

    @property
    def is_expandable(self) -> bool:
        return math.prod(self.shape) <= EXPANDABLE

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            total += float(np.sum((self.of_samples(rows) - model(rows)) ** 2))
        return total
