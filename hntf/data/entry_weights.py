"""The weights of the entries of data, and the products with them and with models that Gram matrices of weighted data consist of.

`DenseWeights` hold one number for every entry, of a tensor of any order. `StructuredWeights` of a matrix are the sum of one of low
rank and a sparse one: a mask that hides little, weights of the samples, or a sparse mask.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cache, cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors, cp_dense, unfold
from hntf.arrays import Array, as_float64, backend_of, columns, from_numpy, host_view, to_numpy
from hntf.data.dense import DenseData
from hntf.data.hashes import hash_states, hashes_of_rows, hashes_of_sums
from hntf.data.protocol import blocks_of_rows
from hntf.least_squares.downdated import Downdates
from hntf.least_squares.gram_blocks import EqualRows
from hntf.threads import matmul, over_rows

LARGEST_REST = 0.05
"""Fraction of entries with other weights than most up to which products with them alone are faster."""

SMALLEST_DIFFERENCE = 1e-3
"""Weight, relative to the largest one, from which weights are kept as their differences from it."""

KEY_DIGITS = 11
"""Number of digits to which sums of weights are compared."""


class EntryWeights(ABC):
    """Nonnegative weights of all entries of a tensor of some `shape`."""

    shape: tuple[int, ...]

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._equal: dict[int, EqualRows] = {}
        self._proportional: dict[int, tuple[EqualRows, np.ndarray]] = {}

    @property
    @abstractmethod
    def largest(self) -> float:
        """The largest weight, or a bound of it."""

    @property
    def is_mask(self) -> bool:
        """Whether all weights are known to be 0 or 1."""
        return False

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
    def n_empty_samples(self) -> int:
        """The number of samples all of whose weights are 0."""

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
    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int, samples: slice = slice(None)) -> Array:
        """Return the MTTKRP of the weights for some slices of a mode and some samples; the factor of mode 0 is of these samples."""

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


def entry_weights(array: Array) -> EntryWeights:
    """Return weights that are given as an array, or as booleans, which are weights of 0 and 1."""
    host = host_view(array)
    if host is not None and host.ndim == 2:
        largest = host.max()
        rows, features = np.nonzero(host != largest)
        if len(rows) <= LARGEST_REST * host.size and _survives(host[rows, features], largest):
            rest = scipy.sparse.csr_array(
                (host[rows, features].astype(np.float64) - largest, (rows, features)), shape=host.shape
            )
            constant = np.full((len(host), 1), float(largest))
            ones = np.ones((host.shape[1], 1))
            return StructuredWeights(
                constant, ones, rest, prototype=as_float64(array[:0]), is_mask=host.dtype == np.bool_
            )
    return DenseWeights(array)


def _survives(weights: Array, largest: float) -> bool:
    """Tell whether weights keep their digits where they are a difference from the largest one: those of 0 do."""
    return float(weights[weights > 0].min(initial=largest)) >= SMALLEST_DIFFERENCE * largest


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
    def n_empty_samples(self) -> int:
        return self.shape[0] - int((self.array.reshape(self.shape[0], -1) > 0).any(1).sum())

    def take(self, rows: Array) -> DenseWeights:
        return DenseWeights(self.array[rows])

    def transposed_unfolding(self, mode: int) -> DenseWeights:
        return DenseWeights(unfold(self.array, mode).T)

    def as_matrix(self) -> DenseWeights:
        return DenseWeights(self.array.reshape(len(self.array), -1))

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int, samples: slice = slice(None)) -> Array:
        index = (samples, *[slice(None)] * (mode - 1), slices) if mode else slices
        return DenseData(as_float64(self.array[index])).mttkrp(factors, mode)

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        k = next(U.shape[1] for U in factors if U is not None)
        features = [None if U is None or i == 0 else _products_of_pairs(U) for i, U in enumerate(factors)]
        if mode == 0:
            upper = self.mttkrp_of_slices(slices, features, 0)
        else:
            # The products of the columns of the codes are larger than the data, so the samples are taken in blocks.
            codes: Any = factors[0]
            upper = sum(
                self.mttkrp_of_slices(slices, [_products_of_pairs(codes[rows]), *features[1:]], mode, rows)
                for rows in self.blocks(k * k)
            )
        return columns(upper, _pairs(k)[2]).reshape(-1, k, k)

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
        parts = [unfold(self.of_samples(rows), mode) for rows in self.blocks()]
        largest = [backend_of(part).max(part, axis=1) for part in parts]
        return np.concatenate([*map(to_numpy, largest)]) if mode == 0 else np.max([*map(to_numpy, largest)], axis=0)

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        hashes = np.zeros(self.shape[mode], np.uint64)
        for rows in self.blocks():
            values = to_numpy(unfold(self.of_samples(rows), mode))
            columns, slices = np.arange(values.shape[1]), rows if mode == 0 else slice(None)
            places = hash_states(0 if mode == 0 else rows.start, (columns,))
            hashes[slices] += hashes_of_rows(values, places, None if factors is None else factors[slices])
        return hashes


class StructuredWeights(EntryWeights):
    """The weights `W = U Vᵀ + R` of a matrix, with a sparse `R`.

    Parameters
    ----------
    U, V : arrays, `(n, r)` and `(m, r)`
        The part of low rank; `r` may be 0.
    rest : csr_array, `(n, m)`
        The sparse part `R`.
    prototype : array
        An empty array of the backend of the products.
    is_mask : bool
        Whether all weights are known to be 0 or 1.
    """

    def __init__(self, U: np.ndarray, V: np.ndarray, rest: Any, *, prototype: Array, is_mask: bool = False) -> None:
        super().__init__(rest.shape)
        self.U, self.V, self.rest, self.prototype = U, V, rest, prototype
        self._is_mask = is_mask

    @property
    def is_mask(self) -> bool:
        return self._is_mask

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
        return from_numpy(self.U[rows] @ self.V.T + self.rest[rows].toarray(), self.prototype)

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        rows, columns = index
        low_rank = np.einsum("er,er->e", self.U[rows], self.V[columns])
        # Of no entries, SciPy returns a sparse array.
        return low_rank + np.asarray(self.rest[rows, columns]).ravel() if len(rows) else low_rank

    @property
    def n_empty_samples(self) -> int:
        sums = self.U @ self.V.sum(axis=0) + self.rest.sum(axis=1)
        sizes = np.abs(self.U) @ np.abs(self.V).sum(axis=0) + abs(self.rest).sum(axis=1)
        return int(np.count_nonzero(sums <= 10.0**-KEY_DIGITS * sizes))

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
        rest = self._at(other.rest) + other._at(self.rest) + self.rest * other.rest
        return self._changed(U, V, scipy.sparse.csr_array(rest), is_mask=self.is_mask and other.is_mask)

    def where(self, mask: EntryWeights) -> StructuredWeights:
        """Return sparse weights without the entries that a mask hides."""
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.rest.indptr))
        kept = mask.of_entries(rows, self.rest.indices) > 0
        rest = scipy.sparse.csr_array((self.rest.data[kept], (rows[kept], self.rest.indices[kept])), shape=self.shape)
        return self._changed(self.U, self.V, rest)

    def _at(self, pattern: Any) -> Any:
        """Return the product of the part of low rank with a sparse matrix, entry by entry."""
        coordinates = pattern.tocoo()
        values = np.einsum("er,er->e", self.U[coordinates.row], self.V[coordinates.col])
        return scipy.sparse.csr_array(
            (values * coordinates.data, (coordinates.row, coordinates.col)), shape=pattern.shape
        )

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int, samples: slice = slice(None)) -> Array:
        factor = to_numpy(factors[1 - mode])
        if mode == 0:
            product = self.U[slices] @ (self.V.T @ factor) + self.rest[slices] @ factor
        else:
            sparse = self.rest[samples].T.tocsr()
            product = self.V[slices] @ (self.U[samples].T @ factor) + sparse[slices] @ factor
        return from_numpy(product, self.prototype)

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        from hntf.data.compiled import add_outer_products

        factor = np.ascontiguousarray(to_numpy(factors[1 - mode]))
        outer, inner = (self.U, self.V) if mode == 0 else (self.V, self.U)
        G = np.zeros((len(slices), factor.shape[1], factor.shape[1]))
        for u, v in zip(outer.T, inner.T, strict=True):
            G += u[slices, None, None] * matmul(factor.T, v[:, None] * factor)
        rest = (self.rest if mode == 0 else self._transposed_rest)[slices]
        arguments = (rest.indptr, rest.indices, rest.data, factor, G)
        work = rest.nnz * factor.shape[1] ** 2 // len(slices)
        over_rows(lambda first, last: add_outer_products(*arguments, first, last), len(slices), work)
        return from_numpy(G, self.prototype)

    def downdates(self, factors: Factors, mode: int) -> Downdates | None:
        outer, inner = (self.U, self.V) if mode == 0 else (self.V, self.U)
        if outer.shape[1] != 1 or (outer != outer[0]).any() or not self._lowers:
            return None
        factor = np.ascontiguousarray(to_numpy(factors[1 - mode]))
        G = outer[0, 0] * matmul(factor.T, inner * factor)
        return Downdates(G, -(self.rest if mode == 0 else self._transposed_rest), factor)

    @cached_property
    def _lowers(self) -> bool:
        """Whether the sparse part lowers weights."""
        return bool((self.rest.data <= 0).all()) and self.rest.nnz > 0

    @cached_property
    def _transposed_rest(self) -> Any:
        return self.rest.T.tocsr()

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        S, A = (to_numpy(U) for U in left)
        rows = np.repeat(np.arange(self.shape[0]), np.diff(self.rest.indptr))
        entries = self.rest.data * np.einsum("ek,ek->e", S[rows], A[self.rest.indices])
        sparse = scipy.sparse.csr_array((entries, self.rest.indices, self.rest.indptr), shape=self.shape)
        results = []
        for mode in modes:
            outer, inner, model, other_model = (self.U, self.V, S, A) if mode == 0 else (self.V, self.U, A, S)
            other = to_numpy(right[1 - mode])
            product = (sparse if mode == 0 else sparse.T) @ other
            for u, v in zip(outer.T, inner.T, strict=True):
                product = product + u[:, None] * matmul(model, matmul(other_model.T, v[:, None] * other))
            results.append(from_numpy(product, self.prototype))
        return results

    def _sizes(self, mode: int) -> np.ndarray:
        outer, rest = (self.U, self.rest) if mode == 0 else (self.V, self._transposed_rest)
        of_rest = abs(rest).max(axis=1).toarray().ravel() if rest.nnz else np.zeros(rest.shape[0])
        return np.maximum(np.abs(outer).max(axis=1, initial=0.0), of_rest)

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        outer, rest = (self.U, self.rest) if mode == 0 else (self.V, self._transposed_rest)
        return hashes_of_sums(outer, rest.data, hash_states(1, (rest.indices,)), rest.indptr, factors)


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
