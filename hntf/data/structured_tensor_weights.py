"""Weights of the entries of a tensor that are of low rank but for few entries; none takes the memory of a dense tensor.

They are what `structured_weights` are for matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property, partial, reduce
from operator import mul
from typing import Any

import numpy as np

from hntf.algebra import Factors, cp_dense, khatri_rao
from hntf.arrays import Array, from_numpy, to_numpy
from hntf.data.coordinates import Coordinates, add_outer_products, mttkrp, ranges, stacked_entries
from hntf.data.entry_weights import DenseWeights, EntryWeights
from hntf.data.hashes import hash_states, hashes_of_sums
from hntf.data.structured_weights import BLOCK_ANEW, NUMPY, StructuredWeights, cancelled, differences

LARGEST_SLICE = 2**30
"""Number of entries of a slice up to which its weights are formed, in blocks, where rounding would be left of others."""


Cut = Callable[[Any], Any]


def _in_numpy(factors: Factors) -> list[Any]:
    return [None if U is None else to_numpy(U) for U in factors]


def _cut(factors: Any, mode: int, block: slice) -> Any:
    """Return factors with some rows of that of a mode."""
    return [U if U is None or i != mode else U[block] for i, U in enumerate(factors)]


class StructuredTensorWeights(EntryWeights):
    """The weights `[[V_1, …, V_N]] + R` with a sparse tensor `R`.

    Parameters
    ----------
    vectors : list of arrays, `(d_i, r)`
        The factors `V_i`, nonnegative; `r` is 0 or 1.
    coordinates : Coordinates
        Where `R` has entries.
    values : array, `(nnz,)`
        The entries of `R`; the negative of that of the other part, exactly, where a weight is 0.
    prototype : array
        An empty array of the backend of the products.
    is_mask : bool
        Whether all weights are known to be 0 or 1.
    """

    def __init__(
        self,
        vectors: Sequence[np.ndarray],
        coordinates: Coordinates,
        values: np.ndarray,
        *,
        prototype: Array = NUMPY,
        is_mask: bool = False,
    ) -> None:
        super().__init__(coordinates.shape, is_mask=is_mask)
        self.vectors, self.coordinates, self.values = list(vectors), coordinates, values
        self.prototype = prototype

    def _changed(
        self,
        vectors: Sequence[np.ndarray],
        coordinates: Coordinates,
        values: np.ndarray,
        *,
        is_mask: bool | None = None,
    ) -> StructuredTensorWeights:
        is_mask = self.is_mask if is_mask is None else is_mask
        return StructuredTensorWeights(vectors, coordinates, values, prototype=self.prototype, is_mask=is_mask)

    @property
    def n_entries(self) -> int:
        return len(self.values)

    @property
    def largest(self) -> float:
        low_rank = reduce(mul, [np.abs(V).max(axis=0) for V in self.vectors]).sum()
        return float(low_rank) + max(0.0, float(self.values.max(initial=0.0)))

    def of_samples(self, rows: Any) -> Array:
        return from_numpy(self._of_slices(np.arange(self.shape[0])[rows], 0), self.prototype)

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        at = Coordinates(np.stack(index), self.shape)
        return at.cp_at_entries(self.vectors) + self.coordinates.lookup(at, self.values)

    @cached_property
    def _at_coordinates(self) -> np.ndarray:
        """The weights where the sparse part has entries."""
        return self.coordinates.cp_at_entries(self.vectors) + self.values

    def _of_slices(self, slices: np.ndarray, mode: int, other: int = -1, block: slice = slice(None)) -> np.ndarray:
        """Return the weights of some slices of a mode, a dense array with these slices along it, or a block along another mode."""
        vectors = [V[slices] if i == mode else V for i, V in enumerate(_cut(self.vectors, other, block))]
        dense = cp_dense(vectors[0], vectors)
        bounds = self.coordinates.bounds_of_slices(mode)
        counts = bounds[slices + 1] - bounds[slices]
        entries = self.coordinates.groups((mode,)).order[ranges(bounds[slices], counts)]
        index = self.coordinates.index[:, entries]
        index[mode] = np.repeat(np.arange(len(slices)), counts)
        if other >= 0:
            inside = (index[other] >= block.start) & (index[other] < block.stop)
            index, entries = index[:, inside], entries[inside]
            index[other] -= block.start
        dense[tuple(index)] = self._at_coordinates[entries]
        return dense

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        changes = 1 * (self._at_coordinates > 0) - (self.coordinates.cp_at_entries(self.vectors) > 0)
        n_positive = (self.vectors[0] > 0) @ reduce(mul, [np.count_nonzero(V, axis=0) for V in self.vectors[1:]])
        return n_positive + np.bincount(self.coordinates.index[0], changes, self.shape[0])

    def take(self, rows: Array) -> StructuredTensorWeights:
        rows = to_numpy(rows)
        coordinates, entries = self.coordinates.take(rows)
        vectors = [self.vectors[0][rows], *self.vectors[1:]]
        return self._changed(vectors, coordinates, self.values[entries])

    @staticmethod
    def stacked(blocks: Sequence[StructuredTensorWeights]) -> StructuredTensorWeights:
        """Return the weights of blocks of samples as those of one tensor."""
        coordinates, values = stacked_entries([(block.coordinates, block.values) for block in blocks])
        ranks = [block.vectors[0].shape[1] for block in blocks]
        of_features = [block.vectors[1:] for block, rank in zip(blocks, ranks, strict=True) if rank == max(ranks)]
        for of_mode in zip(*of_features, strict=True):
            if any(not np.array_equal(V, of_mode[0]) for V in of_mode):
                raise ValueError("weights of the features of a sparse tensor X must be the same for all samples")
        first = np.vstack(
            [
                np.pad(block.vectors[0], ((0, 0), (0, max(ranks) - rank)))
                for block, rank in zip(blocks, ranks, strict=True)
            ]
        )
        is_mask = all(block.is_mask for block in blocks)
        return blocks[0]._changed([first, *of_features[0]], coordinates, values, is_mask=is_mask)

    def transposed_unfolding(self, mode: int) -> StructuredWeights:
        return self._unfolded(mode).transposed_unfolding(0)

    def as_matrix(self) -> StructuredWeights:
        return self._unfolded(0)

    def _unfolded(self, mode: int) -> StructuredWeights:
        """Return the weights with the slices of a mode as rows."""
        others = [i for i in range(len(self.shape)) if i != mode]
        U, V = self.vectors[mode], khatri_rao([self.vectors[i] for i in others])
        rest = differences(U, V, self.coordinates.index[mode], self.coordinates.cells(others), self._at_coordinates)
        return StructuredWeights(U, V, rest, prototype=self.prototype, is_mask=self.is_mask)

    def of_cells(self, cells: Coordinates, mode: int) -> StructuredWeights:
        """Return the weights along a mode of some cells, given by their coordinates in the other modes, `(d_mode, cells)`."""
        others = [i for i in range(len(self.shape)) if i != mode]
        columns = np.arange(1.0, len(cells) + 1)
        at = Coordinates(self.coordinates.index[others], cells.shape)
        of_entry = cells.lookup(at, columns).astype(np.intp) - 1
        known = of_entry >= 0
        U = self.vectors[mode]
        V = reduce(mul, [self.vectors[i][index] for i, index in zip(others, cells.index, strict=True)])
        rest = differences(U, V, self.coordinates.index[mode][known], of_entry[known], self._at_coordinates[known])
        return StructuredWeights(U, V, rest, prototype=self.prototype, is_mask=self.is_mask)

    def times(self, other: StructuredTensorWeights) -> StructuredTensorWeights:
        """Return the product of two weights, entry by entry."""
        vectors = [
            np.einsum("ir,is->irs", V, W).reshape(len(V), -1) for V, W in zip(self.vectors, other.vectors, strict=True)
        ]
        index = np.hstack([self.coordinates.index, other.coordinates.index])
        coordinates, _ = Coordinates.of_entries(index, np.zeros(index.shape[1]), self.shape)
        weights = self.of_entries(*coordinates.index) * other.of_entries(*coordinates.index)
        values = weights - coordinates.cp_at_entries(vectors)
        return self._changed(vectors, coordinates, values, is_mask=self.is_mask and other.is_mask)

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        factors = _in_numpy(factors)
        low_rank = self.vectors[mode][slices] @ reduce(
            mul, [V.T @ U for i, (V, U) in enumerate(zip(self.vectors, factors, strict=True)) if i != mode]
        )
        product = low_rank + mttkrp(self.coordinates, self.values, factors, mode)[slices]
        self._form_anew(product, product, low_rank, slices, mode, lambda W, here, cut: W.mttkrp(cut(factors), mode))
        return from_numpy(product, self.prototype)

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        factors = _in_numpy(factors)
        others = [i for i in range(len(factors)) if i != mode]
        arrays = [factors[i] for i in others]
        k = arrays[0].shape[1]
        G = np.zeros((len(slices), k, k))
        for r in range(self.vectors[0].shape[1]):
            products = [(U * self.vectors[i][:, r : r + 1]).T @ U for i, U in zip(others, arrays, strict=True)]
            G += self.vectors[mode][slices, r][:, None, None] * reduce(mul, products)
        diagonal = np.einsum("nkk->nk", G)
        of_low_rank = diagonal.copy()
        bounds, values = self.coordinates.bounds_of_slices(mode), self.coordinates.ordered(self.values, (mode,))
        of_slices = bounds[slices], bounds[slices + 1]
        add_outer_products(G, of_slices, self.coordinates.groups((mode,)).others, values, arrays)
        self._form_anew(
            G, diagonal, of_low_rank, slices, mode,
            lambda W, here, cut: W.grams_of_slices(np.arange(len(here)), cut(factors), mode),
        )  # fmt: skip
        return from_numpy(G, self.prototype)

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        left, right = [to_numpy(U) for U in left], _in_numpy(right)
        entries = self.values * self.coordinates.cp_at_entries(left)
        results = []
        for mode in modes:
            sparse = mttkrp(self.coordinates, entries, right, mode)
            low_rank = np.zeros(sparse.shape)
            for r in range(self.vectors[0].shape[1]):
                weighted = [U * V[:, r : r + 1] for U, V in zip(left, self.vectors, strict=True)]
                others = [W.T @ right[i] for i, W in enumerate(weighted) if i != mode]
                low_rank += weighted[mode] @ reduce(mul, others)
            product = low_rank + sparse

            def of_block(W: DenseWeights, here: np.ndarray, cut: Cut, mode: int = mode) -> Array:
                of_slices = [U[here] if i == mode else U for i, U in enumerate(left)]
                return W.products(cut(of_slices), cut(right), [mode])[0]

            self._form_anew(product, product, low_rank, np.arange(len(product)), mode, of_block)
            results.append(from_numpy(product, self.prototype))
        return results

    def _form_anew(
        self,
        results: np.ndarray,
        parts: np.ndarray,
        of_low_rank: np.ndarray,
        slices: np.ndarray,
        mode: int,
        of_block: Callable[[DenseWeights, np.ndarray, Cut], Array],
    ) -> None:
        """Replace the results of slices as in `structured_weights`, by sums over blocks along the longest of the other modes.

        `of_block` returns those of a block from its weights, the positions of the slices, and a function that cuts factors to it.
        """
        entries = math.prod(self.shape) // max(1, self.shape[mode])
        if entries > LARGEST_SLICE:
            return
        longest = max((i for i in range(len(self.shape)) if i != mode), key=lambda i: self.shape[i])
        length = self.shape[longest]
        for here in cancelled(parts, of_low_rank, entries):
            results[here] = 0.0
            step = max(1, BLOCK_ANEW * length // (entries * len(here)))
            for start in range(0, length, step):
                block = slice(start, min(start + step, length))
                W = DenseWeights(self._of_slices(slices[here], mode, longest, block))
                results[here] += of_block(W, here, partial(_cut, mode=longest, block=block))

    def _sizes(self, mode: int) -> np.ndarray:
        sizes = np.abs(self.vectors[mode]).max(axis=1, initial=0.0)
        np.maximum.at(sizes, self.coordinates.index[mode], np.abs(self.values))
        return sizes

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        bounds, values = self.coordinates.bounds_of_slices(mode), self.coordinates.ordered(self.values, (mode,))
        places = hash_states(1, self.coordinates.groups((mode,)).others.T)
        return hashes_of_sums(self.vectors[mode], values, places, bounds, factors)
