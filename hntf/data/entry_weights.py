"""The weights of the entries of data, and the products with them and with models that Gram matrices of weighted data consist of.

`DenseWeights` hold a number for every entry, of a tensor of any order; `structured_weights` and
`structured_tensor_weights` hold less.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np

from hntf.algebra import Factors, cp_dense, unfold
from hntf.arrays import Array, as_float64, backend_of, columns, to_numpy
from hntf.data.dense import DenseData
from hntf.data.hashes import hash_states, hashes_of_rows
from hntf.data.protocol import blocks_of_rows
from hntf.least_squares.downdated import Downdates
from hntf.least_squares.gram_blocks import EqualRows


class EntryWeights(ABC):
    """Nonnegative weights of all entries of a tensor of some `shape`."""

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...], *, is_mask: bool = False) -> None:
        self.shape, self._is_mask = shape, is_mask
        self._equal: dict[int, EqualRows] = {}
        self._proportional: dict[int, tuple[EqualRows, np.ndarray]] = {}

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest weight, or a bound of it."""

    @property
    def is_mask(self) -> bool:
        """Whether all weights are known to be 0 or 1."""
        return self._is_mask

    @abstractmethod
    def of_samples(self, rows: Any) -> Array:
        """Return the weights of some samples as a dense array in float64."""

    @abstractmethod
    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        """Return the weights of some entries, given by their coordinates in every mode."""

    @property
    def n_entries(self) -> int:
        """Number of entries that a product reads."""
        return math.prod(self.shape)

    @property
    @abstractmethod
    def n_observed_by_sample(self) -> np.ndarray:
        """The number of entries of every sample whose weight is positive."""

    @abstractmethod
    def take(self, rows: Array) -> EntryWeights:
        """Return the weights of some samples."""

    @abstractmethod
    def transposed_unfolding(self, mode: int) -> EntryWeights:
        """Return the weights of the transposed unfolding along a mode."""

    @abstractmethod
    def as_matrix(self) -> EntryWeights:
        """Return the weights of the data as a matrix of samples."""

    @abstractmethod
    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        """Return the MTTKRP of the weights for some slices of a mode."""

    @abstractmethod
    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        """Return the Gram matrices `Σ_e w_ie k_e k_eᵀ` of some slices of a mode, `(len(slices), k, k)`."""

    @abstractmethod
    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        """Return the MTTKRP of `W ∘ [[left]]` with the factors `right`, in some modes."""

    def downdates(self, factors: Factors, mode: int) -> Downdates | None:
        """Return the Gram matrices of the slices of a mode as a shared one less a few terms for each; None if they are not such."""
        return None

    def mttkrp(self, factors: Factors, mode: int) -> Array:
        """Return the MTTKRP of the weights."""
        return self.mttkrp_of_slices(np.arange(self.shape[mode]), factors, mode)

    def blocks(self, width: int | None = None) -> list[slice]:
        """Return slices of samples in blocks of their entries, or of rows of this width."""
        return blocks_of_rows(self.shape[0], width or math.prod(self.shape[1:]))

    def equal_slices(self, mode: int) -> EqualRows:
        """Return which slices of a mode have equal weights."""
        if mode not in self._equal:
            self._equal[mode] = EqualRows.of_keys(self._hashes(mode, None)[:, None])
        return self._equal[mode]

    def proportional_slices(self, mode: int) -> tuple[EqualRows, np.ndarray]:
        """Return which slices of a mode have weights that are equal but for a positive factor, and these factors, `(d_mode,)`."""
        if mode not in self._proportional:
            sizes = self._sizes(mode)
            factors = np.where(sizes > 0, sizes, 1.0)
            self._proportional[mode] = EqualRows.of_keys(self._hashes(mode, factors)[:, None]), factors
        return self._proportional[mode]

    @abstractmethod
    def _sizes(self, mode: int) -> np.ndarray:
        """Return the sizes of the weights of every slice of a mode, which a factor multiplies, `(d_mode,)`."""

    @abstractmethod
    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        """Return hashes that tell the slices of a mode apart, or these divided by factors, `(d_mode,)`."""


class DenseWeights(EntryWeights):
    """Weights as an array; products are taken in blocks of samples.

    Parameters
    ----------
    array : array
        The weights, or booleans.
    """

    def __init__(self, array: Array) -> None:
        super().__init__(tuple(array.shape))
        self.array = array

    @cached_property
    def largest(self) -> float:
        return float(self.array.max())

    @property
    def is_mask(self) -> bool:
        return str(self.array.dtype).endswith("bool")

    def of_samples(self, rows: Any) -> Array:
        return as_float64(self.array[rows])

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        return to_numpy(as_float64(self.array[index]))

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        return to_numpy((self.array.reshape(self.shape[0], -1) > 0).sum(1))

    def take(self, rows: Array) -> DenseWeights:
        return DenseWeights(self.array[rows])

    def transposed_unfolding(self, mode: int) -> DenseWeights:
        return DenseWeights(unfold(self.array, mode).T)

    def as_matrix(self) -> DenseWeights:
        return DenseWeights(self.array.reshape(len(self.array), -1))

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        return self._mttkrp(slices, factors, mode, lambda codes: codes)

    def _mttkrp(self, slices: np.ndarray, factors: Factors, mode: int, of_codes: Callable[[Array], Array]) -> Array:
        """Return the MTTKRP for some slices of a mode, with what is formed from the factor of mode 0 in place of it.

        Samples are taken in blocks: weights as numbers, and products with them, may be as large as the data.
        """
        width = math.prod(self.shape[1:])
        if mode == 0:
            blocks = [slices[rows] for rows in blocks_of_rows(len(slices), width)] or [slices]
            products = [DenseData(self.of_samples(_range_of(rows))).mttkrp(factors, 0) for rows in blocks]
            return products[0] if len(products) == 1 else backend_of(products[0]).concatenate(products)
        codes: Any = factors[0]
        here = (*[slice(None)] * mode, _range_of(slices))
        return sum(
            DenseData(as_float64(self.array[rows][here])).mttkrp([of_codes(codes[rows]), *factors[1:]], mode)
            for rows in self.blocks(max(width, codes.shape[1] ** 2)) or [slice(0)]
        )

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        k = next(U.shape[1] for U in factors if U is not None)
        pairs = [U if U is None or i == 0 else _products_of_pairs(U) for i, U in enumerate(factors)]
        return columns(self._mttkrp(slices, pairs, mode, _products_of_pairs), _pairs(k)[2]).reshape(-1, k, k)

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        row = next(U for U in right if U is not None)[:1]
        results: list[Any] = [0.0 * left[mode][:, :1] * row for mode in modes]
        for rows in self.blocks():
            model = cp_dense(left[0][rows], left)
            model *= self.of_samples(rows)
            block = DenseData(model)
            here = [None if right[0] is None else right[0][rows], *right[1:]]
            for result, mode in zip(results, modes, strict=True):
                result[rows if mode == 0 else slice(None)] += block.mttkrp(here, mode)
        return results

    def _sizes(self, mode: int) -> np.ndarray:
        largest = [self._largest_of_slices(rows, mode) for rows in self.blocks()]
        return np.concatenate(largest) if mode == 0 else np.max(largest, axis=0)

    def _largest_of_slices(self, samples: slice, mode: int) -> np.ndarray:
        """Return the largest weight of every slice of a mode, among some samples."""
        weights = unfold(self.of_samples(samples), mode)
        return to_numpy(backend_of(weights).max(weights, axis=1))

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        hashes = np.zeros(self.shape[mode], np.uint64)
        for rows in self.blocks():
            values = to_numpy(unfold(self.of_samples(rows), mode))
            columns, slices = np.arange(values.shape[1]), rows if mode == 0 else slice(None)
            places = hash_states(0 if mode == 0 else rows.start, (columns,))
            hashes[slices] += hashes_of_rows(values, places, None if factors is None else factors[slices])
        return hashes


def _range_of(slices: np.ndarray) -> Any:
    """Return consecutive positions as a slice, by which an array is not copied, others unchanged."""
    is_range = len(slices) > 0 and bool((np.diff(slices) == 1).all())
    return slice(slices[0], slices[-1] + 1) if is_range else slices


@cache
def _pairs(k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns of all pairs `i ≤ j`, and the position of the pair of every entry of a `(k, k)` matrix, flattened."""
    first, second = np.triu_indices(k)
    position = np.empty((k, k), int)
    position[first, second] = position[second, first] = np.arange(len(first))
    return first, second, position.ravel()


def _products_of_pairs(U: Array) -> Array:
    """Return the products of all pairs of columns."""
    first, second, _ = _pairs(U.shape[1])
    return columns(U, first) * columns(U, second)
