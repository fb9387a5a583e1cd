"""Sparse data: a SciPy sparse matrix. No dense array of its size is formed, except in blocks to compute a residual."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors
from hntf.arrays import Array
from hntf.data.dense import entries_divergence
from hntf.data.entry_weights import EntryWeights
from hntf.data.protocol import SMALLEST_MODEL, Data


class SparseData(Data):
    """A SciPy sparse matrix, `(n, m)`, stored by rows and by columns in float64."""

    def __init__(self, matrix: Any) -> None:
        self.matrix = scipy.sparse.csr_array(matrix, dtype=np.float64, copy=True)
        self.matrix.sum_duplicates()
        self.shape = self.matrix.shape
        self.prototype = np.empty(0, matrix.dtype)

    @cached_property
    def transposed(self) -> Any:
        """The transposed matrix."""
        return self.matrix.T.tocsr()

    @property
    def n_entries(self) -> int:
        return self.matrix.nnz

    def norm_squared(self) -> float:
        return float(self.matrix.data @ self.matrix.data)

    def minimum_and_maximum(self) -> tuple[float, float]:
        return float(self.matrix.data.min(initial=0.0)), float(self.matrix.data.max(initial=0.0))

    @property
    def _coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """The row and column indices of the stored entries, including stored zeros."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.matrix.indptr)), self.matrix.indices

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        return self.matrix @ factors[1] if mode == 0 else self.transposed @ factors[0]

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        left, right = (None if i == skip else U for i, U in enumerate(factors))
        if left is None and right is None:
            raise ValueError("a sparse matrix cannot be returned uncompressed: give the factor of a mode")
        if left is None:
            return self.matrix @ right
        product = (self.transposed @ left).T
        return product if right is None else product @ right

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        rows, columns = self._coordinates
        entries = np.empty(len(rows))
        block = max(1, 2**22 // dC.shape[1])
        for start in range(0, len(rows), block):
            here = slice(start, start + block)
            entries[here] = np.einsum("ek,ek->e", dC[rows[here]], factors[1][columns[here]])  # type: ignore[index]
        return scipy.sparse.csr_array((entries, (rows, columns)), shape=self.shape)

    def take(self, rows: Array) -> SparseData:
        return SparseData(self.matrix[rows])

    def ratio(self, factors: Factors) -> SparseData:
        model = self.input_gradient(factors[0], factors)
        return SparseData(self._with_entries(self.matrix.data / np.maximum(model.data, SMALLEST_MODEL)))

    def divergence(self, ratio: Any) -> float:
        return entries_divergence(self.matrix.data, ratio.matrix.data)

    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> SparseData:
        model = np.maximum(self.input_gradient(factors[0], factors).data, SMALLEST_MODEL)
        entries = -self.input_gradient(dC, factors).data * ratio.matrix.data / model
        return SparseData(self._with_entries(entries))

    def _with_entries(self, entries: np.ndarray) -> Any:
        return scipy.sparse.csr_array((entries, self.matrix.indices, self.matrix.indptr), shape=self.shape)

    def transposed_unfolding(self, mode: int) -> SparseData:
        return self if mode == 1 else SparseData(self.transposed)

    def as_matrix(self) -> SparseData:
        return self

    def weigh(self, dX: Array) -> Any:
        rows, columns = self._coordinates
        return scipy.sparse.csr_array((dX[rows, columns], (rows, columns)), shape=self.shape)

    def weighted_by(self, weights: EntryWeights) -> SparseData:
        return SparseData(self._with_entries(self.matrix.data * weights.of_entries(*self._coordinates)))

    def inner(self, other: Any) -> float:
        return float(self.matrix.data @ other.matrix.data)

    def of_samples(self, rows: slice) -> Array:
        return self.matrix[rows].toarray()

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = self.of_samples(rows) - model(rows)
            total += float(np.sum(residual**2))
        return total
