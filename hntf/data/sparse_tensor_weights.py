"""Weights of sparse tensors, none of which takes the memory of a dense one: of low rank, plus a sparse tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors, cp_dense, khatri_rao
from hntf.arrays import Array, to_numpy
from hntf.data.coordinates import Coordinates, mttkrp
from hntf.data.entry_weights import KEY_DIGITS, EntryWeights, StructuredWeights
from hntf.data.hashes import hash_states, hashes_of_sums
from hntf.threads import over_rows


class SparseTensorWeights(EntryWeights):
    """The weights `[[V_1, …, V_N]] + R` with a sparse tensor `R`.

    Parameters
    ----------
    vectors : list of arrays, `(d_i, r)`
        The factors `V_i`; `r` may be 0.
    coordinates : Coordinates
        Where `R` has entries.
    values : array, `(nnz,)`
        The entries of `R`.
    is_mask : bool
        Whether all weights are known to be 0 or 1.
    """

    def __init__(
        self, vectors: Sequence[np.ndarray], coordinates: Coordinates, values: np.ndarray, *, is_mask: bool = False
    ) -> None:
        super().__init__(coordinates.shape)
        self.vectors, self.coordinates, self.values = list(vectors), coordinates, values
        self._is_mask = is_mask

    @property
    def is_mask(self) -> bool:
        return self._is_mask

    @property
    def n_entries(self) -> int:
        return len(self.values)

    @property
    def largest(self) -> float:
        low_rank = reduce(mul, [np.abs(V).max(axis=0) for V in self.vectors]).sum()
        return float(low_rank) + max(0.0, float(self.values.max(initial=0.0)))

    def of_samples(self, rows: Any) -> Array:
        rows = np.arange(self.shape[0])[rows]
        coordinates, entries = self.coordinates.take(rows)
        dense = cp_dense(self.vectors[0][rows], self.vectors)
        dense[tuple(coordinates.index)] += self.values[entries]
        return dense

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        at = Coordinates(np.stack(index), self.shape)
        return at.cp_at_entries(self.vectors) + self.coordinates.lookup(at, self.values)

    @property
    def n_empty_samples(self) -> int:
        ones = [np.ones((d, 1)) for d in self.shape]
        sums = self.mttkrp(ones, 0)[:, 0]
        sizes = np.abs(self.vectors[0]) @ reduce(mul, [np.abs(V).sum(axis=0) for V in self.vectors[1:]])
        sizes = sizes + mttkrp(self.coordinates, np.abs(self.values), ones, 0)[:, 0]
        return int(np.count_nonzero(sums <= 10.0**-KEY_DIGITS * sizes))

    def take(self, rows: Array) -> SparseTensorWeights:
        rows = to_numpy(rows)
        coordinates, entries = self.coordinates.take(rows)
        vectors = [self.vectors[0][rows], *self.vectors[1:]]
        return SparseTensorWeights(vectors, coordinates, self.values[entries], is_mask=self.is_mask)

    def transposed_unfolding(self, mode: int) -> EntryWeights:
        raise NotImplementedError("the weights of the cells that data have are those of `of_cells`")

    def as_matrix(self) -> StructuredWeights:
        features = range(1, len(self.shape))
        shape = (self.shape[0], math.prod(self.shape[1:]))
        index = (self.coordinates.index[0], self.coordinates.cells(features))
        rest = scipy.sparse.csr_array((self.values, index), shape=shape)
        V = khatri_rao(self.vectors[1:])
        return StructuredWeights(self.vectors[0], V, rest, prototype=np.empty(0), is_mask=self.is_mask)

    def of_cells(self, cells: Coordinates, mode: int) -> StructuredWeights:
        """Return the weights along a mode of some cells, given by their coordinates in the other modes, `(d_mode, cells)`."""
        others = [i for i in range(len(self.shape)) if i != mode]
        columns = np.arange(1.0, len(cells) + 1)
        at = Coordinates(self.coordinates.index[others], cells.shape)
        of_entry = cells.lookup(at, columns).astype(np.intp) - 1
        known = of_entry >= 0
        rest = scipy.sparse.csr_array(
            (self.values[known], (self.coordinates.index[mode][known], of_entry[known])),
            shape=(self.shape[mode], len(cells)),
        )
        V = reduce(mul, [self.vectors[i][index] for i, index in zip(others, cells.index, strict=True)])
        return StructuredWeights(self.vectors[mode], V, rest, prototype=np.empty(0), is_mask=self.is_mask)

    def times(self, other: SparseTensorWeights) -> SparseTensorWeights:
        """Return the product of two weights, entry by entry."""
        vectors = [
            np.einsum("ir,is->irs", V, W).reshape(len(V), -1) for V, W in zip(self.vectors, other.vectors, strict=True)
        ]
        index = np.hstack([self.coordinates.index, other.coordinates.index])
        here, there = self.values, other.values
        values = np.concatenate(
            [
                here * self.coordinates.cp_at_entries(other.vectors)
                + here * other.coordinates.lookup(self.coordinates, there),
                there * other.coordinates.cp_at_entries(self.vectors),
            ]
        )
        coordinates, values = Coordinates.of_entries(index, values, self.shape)
        return SparseTensorWeights(vectors, coordinates, values, is_mask=self.is_mask and other.is_mask)

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int, samples: slice = slice(None)) -> Array:
        low_rank = self.vectors[mode][slices] @ reduce(
            mul, [V.T @ to_numpy(U) for i, (V, U) in enumerate(zip(self.vectors, factors, strict=True)) if i != mode]
        )
        return low_rank + mttkrp(self.coordinates, self.values, factors, mode)[slices]

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        from hntf.data.compiled import add_outer_hadamard

        others = [i for i in range(len(factors)) if i != mode]
        arrays = tuple(np.ascontiguousarray(to_numpy(factors[i])) for i in others)
        k = arrays[0].shape[1]
        G = np.zeros((len(slices), k, k))
        for r in range(self.vectors[0].shape[1]):
            products = [(U * self.vectors[i][:, r : r + 1]).T @ U for i, U in zip(others, arrays, strict=True)]
            G += self.vectors[mode][slices, r][:, None, None] * reduce(mul, products)
        groups = self.coordinates.groups((mode,))
        bounds = self.coordinates.bounds_of_slices(mode)
        arguments = (bounds[slices], bounds[slices + 1], groups.others, self.values[groups.order], arrays, G)
        work = len(self.values) * k * k // max(1, self.shape[mode])
        over_rows(lambda first, last: add_outer_hadamard(*arguments, first, last), len(slices), work)
        return G

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        left = [to_numpy(U) for U in left]
        entries = self.values * self.coordinates.cp_at_entries(left)
        results = []
        for mode in modes:
            product = mttkrp(self.coordinates, entries, right, mode)
            for r in range(self.vectors[0].shape[1]):
                weighted = [U * V[:, r : r + 1] for U, V in zip(left, self.vectors, strict=True)]
                others = [W.T @ to_numpy(right[i]) for i, W in enumerate(weighted) if i != mode]
                product = product + weighted[mode] @ reduce(mul, others)
            results.append(product)
        return results

    def _sizes(self, mode: int) -> np.ndarray:
        sizes = np.abs(self.vectors[mode]).max(axis=1, initial=0.0)
        np.maximum.at(sizes, self.coordinates.index[mode], np.abs(self.values))
        return sizes

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        groups, bounds = self.coordinates.groups((mode,)), self.coordinates.bounds_of_slices(mode)
        places = hash_states(1, groups.others.T)
        return hashes_of_sums(self.vectors[mode], self.values[groups.order], places, bounds, factors)
