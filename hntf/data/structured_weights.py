"""Weights of the entries of a matrix that are of low rank but for few entries: a mask that hides little, or weights of the samples.

Products with them are those of the part of low rank and of the sparse part. Where the second takes away nearly all of a result, as
where the heavy features of a sample are hidden, rounding would be left: such slices are formed anew from their weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors
from hntf.arrays import Array, from_numpy, to_numpy
from hntf.data.coordinates import Coordinates, add_outer_products
from hntf.data.entry_weights import DenseWeights, EntryWeights
from hntf.data.hashes import hash_states, hashes_of_sums
from hntf.data.protocol import blocks_of_rows
from hntf.least_squares.downdated import Downdates
from hntf.least_squares.gram_blocks import in_blocks
from hntf.threads import matmul

CANCELLED = 1e-3
"""What is left of the part of low rank below which a result is formed anew."""

BLOCK_ANEW = 2**20
"""Number of weights in the blocks in which this is done."""

NUMPY = np.empty(0)
"""A prototype of arrays of NumPy."""


def differences(U: np.ndarray, V: np.ndarray, rows: np.ndarray, columns: np.ndarray, values: np.ndarray) -> Any:
    """Return the sparse `R` with which `U Vᵀ + R` has these values at some entries, exactly where they are 0."""
    entries = values - _at_entries(U, V, rows, columns)
    rest = scipy.sparse.csr_array((entries, (rows, columns)), shape=(len(U), len(V)))
    rest.eliminate_zeros()
    return rest


def _at_entries(U: np.ndarray, V: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return U[rows, 0] * V[columns, 0] if U.shape[1] else np.zeros(len(rows))


def _rows_of(matrix: Any) -> np.ndarray:
    """Return the rows of the stored entries of a sparse matrix."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _on_both_patterns(one: Any, other: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the pattern of the entries of two sparse matrices, and those of each on it."""
    for matrix in (one, other):
        matrix.sort_indices()
    marked = [
        scipy.sparse.csr_array((np.full(R.nnz, mark), R.indices, R.indptr), shape=R.shape)
        for R, mark in ((one, 1), (other, 2))
    ]
    pattern = marked[0] + marked[1]
    values = np.zeros((2, pattern.nnz))
    values[0, pattern.data != 2], values[1, pattern.data != 1] = one.data, other.data
    return pattern, values[0], values[1]


def cancelled(parts: np.ndarray, of_low_rank: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield, in blocks, slices of some width that have results far below those of the part of low rank, both `(slices, k)`."""
    # In blocks, which take little memory beside the results.
    lost = np.concatenate(
        [
            rows.start + np.flatnonzero((np.abs(parts[rows]) < CANCELLED * np.abs(of_low_rank[rows])).any(axis=1))
            for rows in blocks_of_rows(len(parts), parts.shape[1])
        ]
        or [np.empty(0, int)]
    )
    yield from in_blocks(lost, width, BLOCK_ANEW)


class StructuredWeights(EntryWeights):
    """The weights `W = U Vᵀ + R` of a matrix, with a sparse `R`.

    Parameters
    ----------
    U, V : arrays, `(n, r)` and `(m, r)`, nonnegative
        The part of low rank; `r` is 0 or 1.
    rest : csr_array, `(n, m)`
        The sparse part `R`; the negative of the other one, exactly, where a weight is 0.
    prototype : array
        An empty array of the backend of the products.
    is_mask : bool
        Whether all weights are known to be 0 or 1.
    """

    def __init__(
        self, U: np.ndarray, V: np.ndarray, rest: Any, *, prototype: Array = NUMPY, is_mask: bool = False
    ) -> None:
        super().__init__(rest.shape, is_mask=is_mask)
        self.U, self.V, self.rest, self.prototype = U, V, rest, prototype

    @property
    def n_entries(self) -> int:
        return self.rest.nnz

    def _changed(self, U: np.ndarray, V: np.ndarray, rest: Any, *, is_mask: bool | None = None) -> StructuredWeights:
        is_mask = self.is_mask if is_mask is None else is_mask
        return StructuredWeights(U, V, rest, prototype=self.prototype, is_mask=is_mask)

    @cached_property
    def largest(self) -> float:
        low_rank = float((np.abs(self.U).max(axis=0) * np.abs(self.V).max(axis=0)).sum()) if self.U.size else 0.0
        return low_rank + max(0.0, float(self.rest.data.max(initial=0.0)))

    def of_samples(self, rows: Any) -> Array:
        return from_numpy(self._of_slices(rows, 0), self.prototype)

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        rows, columns = index
        low_rank = _at_entries(self.U, self.V, rows, columns)
        # Of no entries, SciPy returns a sparse array.
        return low_rank + np.asarray(self.rest[rows, columns]).ravel() if len(rows) else low_rank

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        rows = _rows_of(self.rest)
        low_rank = _at_entries(self.U, self.V, rows, self.rest.indices)
        changes = 1 * (low_rank + self.rest.data > 0) - (low_rank > 0)
        n_positive = (self.U > 0) @ np.count_nonzero(self.V, axis=0)
        return n_positive + np.bincount(rows, changes, len(self.U))

    def take(self, rows: Array) -> StructuredWeights:
        rows = to_numpy(rows)
        return self._changed(self.U[rows], self.V, self.rest[rows])

    def transposed_unfolding(self, mode: int) -> StructuredWeights:
        return self if mode == 1 else self._changed(self.V, self.U, self.rest.T.tocsr())

    def as_matrix(self) -> StructuredWeights:
        return self

    def times(self, other: StructuredWeights) -> StructuredWeights:
        """Return the product of two weights, entry by entry."""
        U = np.einsum("nr,ns->nrs", self.U, other.U).reshape(self.shape[0], -1)
        V = np.einsum("mr,ms->mrs", self.V, other.V).reshape(self.shape[1], -1)
        pattern, of_self, of_other = _on_both_patterns(self.rest, other.rest)
        index = _rows_of(pattern), pattern.indices
        weights = (_at_entries(self.U, self.V, *index) + of_self) * (_at_entries(other.U, other.V, *index) + of_other)
        rest = scipy.sparse.csr_array(
            (weights - _at_entries(U, V, *index), pattern.indices, pattern.indptr), shape=self.shape
        )
        rest.eliminate_zeros()
        return self._changed(U, V, rest, is_mask=self.is_mask and other.is_mask)

    def where(self, mask: EntryWeights) -> StructuredWeights:
        """Return sparse weights without the entries that a mask hides."""
        rows = _rows_of(self.rest)
        kept = mask.of_entries(rows, self.rest.indices) > 0
        rest = scipy.sparse.csr_array((self.rest.data[kept], (rows[kept], self.rest.indices[kept])), shape=self.shape)
        return self._changed(self.U, self.V, rest)

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        outer, inner, rest = self._along(mode)
        factor = to_numpy(factors[1 - mode])
        low_rank = outer[slices] @ (inner.T @ factor)
        product = low_rank + rest[slices] @ factor
        for here, W in self._cancelled(product, low_rank, slices, mode):
            product[here] = W @ factor
        return from_numpy(product, self.prototype)

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        outer, inner, rest = self._along(mode)
        factor = to_numpy(factors[1 - mode])
        G = np.zeros((len(slices), factor.shape[1], factor.shape[1]))
        for u, v in zip(outer.T, inner.T, strict=True):
            G += u[slices, None, None] * matmul(factor.T, v[:, None] * factor)
        diagonal = np.einsum("nkk->nk", G)
        of_low_rank = diagonal.copy()
        rest = rest[slices]
        bounds = rest.indptr[:-1], rest.indptr[1:]
        add_outer_products(G, bounds, rest.indices[:, None], rest.data, [factor])
        for here, W in self._cancelled(diagonal, of_low_rank, slices, mode):
            G[here] = DenseWeights(W.T).grams_of_slices(np.arange(len(W)), [factor, None], 1)
        return from_numpy(G, self.prototype)

    def downdates(self, factors: Factors, mode: int) -> Downdates | None:
        outer, inner, rest = self._along(mode)
        if outer.shape[1] != 1 or (outer != outer[0]).any() or not self._lowers:
            return None
        factor = np.ascontiguousarray(to_numpy(factors[1 - mode]))
        G = outer[0, 0] * matmul(factor.T, inner * factor)
        return Downdates(G, -rest, factor)

    @cached_property
    def _lowers(self) -> bool:
        """Whether the sparse part lowers weights."""
        return bool((self.rest.data <= 0).all()) and self.rest.nnz > 0

    @cached_property
    def _transposed_rest(self) -> Any:
        return self.rest.T.tocsr()

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        models = [to_numpy(U) for U in left]
        entries = Coordinates(np.stack([_rows_of(self.rest), self.rest.indices]), self.shape)
        at_rest = self.rest.data * entries.cp_at_entries(models)
        sparse = scipy.sparse.csr_array((at_rest, self.rest.indices, self.rest.indptr), shape=self.shape)
        return [
            self._product(sparse if mode == 0 else sparse.T, models[mode], models[1 - mode], right[1 - mode], mode)
            for mode in modes
        ]

    def _product(self, sparse: Any, model: np.ndarray, other_model: np.ndarray, other: Any, mode: int) -> Array:
        outer, inner, _ = self._along(mode)
        other = to_numpy(other)
        product = sparse @ other
        if not outer.shape[1]:
            return from_numpy(product, self.prototype)
        inner_products = matmul(other_model.T, inner * other)
        for rows in blocks_of_rows(*model.shape):
            low_rank = matmul(model[rows], inner_products)
            low_rank *= outer[rows]
            product[rows] += low_rank
            for here, W in self._cancelled(product[rows], low_rank, np.arange(len(model))[rows], mode):
                product[rows.start + here] = (W * (model[rows][here] @ other_model.T)) @ other
        return from_numpy(product, self.prototype)

    def _cancelled(
        self, parts: np.ndarray, of_low_rank: np.ndarray, slices: np.ndarray, mode: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield positions of slices that are formed anew, with their weights, one slice in a row."""
        for here in cancelled(parts, of_low_rank, self.shape[1 - mode]):
            yield here, self._of_slices(slices[here], mode)

    def _of_slices(self, slices: Any, mode: int) -> np.ndarray:
        """Return the weights of some slices of a mode, one in a row."""
        outer, inner, rest = self._along(mode)
        return outer[slices] @ inner.T + rest[slices].toarray()

    def _along(self, mode: int) -> tuple[np.ndarray, np.ndarray, Any]:
        """Return `U`, `V` and the sparse part of the weights with the slices of a mode as rows."""
        return (self.U, self.V, self.rest) if mode == 0 else (self.V, self.U, self._transposed_rest)

    def _sizes(self, mode: int) -> np.ndarray:
        outer, _, rest = self._along(mode)
        of_rest = abs(rest).max(axis=1).toarray().ravel() if rest.nnz else np.zeros(rest.shape[0])
        return np.maximum(np.abs(outer).max(axis=1, initial=0.0), of_rest)

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        outer, _, rest = self._along(mode)
        return hashes_of_sums(outer, rest.data, hash_states(1, (rest.indices,)), rest.indptr, factors)
