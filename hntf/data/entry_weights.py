"""The weights of the entries of dense data, and products with them and models, in blocks of samples.

Nearly constant weights of a matrix, such as a mask that hides little, are a constant and a sparse rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors, cp_dense
from hntf.arrays import Array, as_float64, from_numpy, host_view, to_numpy
from hntf.data.dense import DenseData
from hntf.least_squares.gram_blocks import EqualRows
from hntf.threads import matmul

BLOCK_ENTRIES = 2**19
"""Number of entries of the model that are formed at a time: 4 MiB."""

LARGEST_REST = 0.05
"""Fraction of entries with other weights than most up to which products with them alone are faster."""


class EntryWeights:
    """Nonnegative weights of all entries.

    Parameters
    ----------
    array : array
        The weights, or booleans, which are weights of 0 and 1.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape = tuple(array.shape)
        self._equal: dict[int, EqualRows] = {}

    @cached_property
    def largest(self) -> float:
        """The largest weight."""
        return float(self.array.max())

    def of_samples(self, rows: Any) -> Array:
        """Return the weights of some samples in float64."""
        return as_float64(self.array[rows])

    def blocks(self, width: int | None = None) -> Iterator[slice]:
        """Yield slices of samples that have a few hundred thousand entries, or rows of this width."""
        size = max(1, BLOCK_ENTRIES // (width or int(np.prod(self.shape[1:]))))
        for start in range(0, self.shape[0], size):
            yield slice(start, min(start + size, self.shape[0]))

    @property
    def constant(self) -> float:
        """The weight `c` of most entries; 0 if the weights are not nearly constant."""
        return 0.0 if self._rest is None else self.largest

    @cached_property
    def _rest(self) -> Any:
        """The weights less the constant as a sparse matrix; None if they are not nearly constant."""
        host = host_view(self.array)
        if host is None or host.ndim != 2:
            return None
        rows, columns = np.nonzero(host != self.largest)
        if len(rows) > LARGEST_REST * host.size:
            return None
        rest = host[rows, columns].astype(np.float64) - self.largest
        return scipy.sparse.csr_array((rest, (rows, columns)), shape=host.shape)

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int, samples: slice = slice(None)) -> Array:
        """Return the MTTKRP of the weights, less the constant, for some slices of a mode and some samples."""
        if self._rest is not None:
            rest = self._rest[samples] if mode else self._rest
            product = (rest.T.tocsr() if mode else rest)[slices] @ to_numpy(factors[1 - mode])
            return from_numpy(product, factors[1 - mode])
        index = (samples, *[slice(None)] * (mode - 1), slices) if mode else slices
        return DenseData(as_float64(self.array[index])).mttkrp(factors, mode)

    def times_model(self, factors: list[Array], others: Factors, mode: int) -> Array:
        """Return the MTTKRP of `W ∘ [[factors]]` in a mode, with `others` for the other modes."""
        return self._products(factors, others, [mode])[0]

    def products_of_model(self, left: list[Array], right: list[Array], mode: int) -> list[Array]:
        """Return the MTTKRP of `W ∘ [[left]]` with `right` in every mode but one."""
        return self._products(left, right, [i for i in range(len(left)) if i != mode])

    def _products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        if self._rest is not None:
            return self._products_with_rest(left, right, modes)
        results: list[Any] = [np.empty(0)] * len(modes)
        for rows in self.blocks():
            model = cp_dense(left[0][rows], left)
            model *= self.of_samples(rows)
            block = DenseData(model)
            here = [None if right[0] is None else right[0][rows], *right[1:]]
            for i, mode in enumerate(modes):
                product = block.mttkrp(here, mode)
                if mode == 0:
                    results[i] = 0.0 * left[0] if rows.start == 0 else results[i]
                    results[i][rows] = product
                else:
                    results[i] = product if rows.start == 0 else results[i] + product
        return results

    def _products_with_rest(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        rest = self._rest
        S, A = (to_numpy(U) for U in left)
        rows = np.repeat(np.arange(rest.shape[0]), np.diff(rest.indptr))
        entries = rest.data * np.einsum("ek,ek->e", S[rows], A[rest.indices])
        weighted = scipy.sparse.csr_array((entries, rest.indices, rest.indptr), shape=rest.shape)
        results = []
        for mode in modes:
            model, inner, matrix = (S, A, weighted) if mode == 0 else (A, S, weighted.T)
            other = to_numpy(right[1 - mode])
            product = self.constant * matmul(model, matmul(inner.T, other)) + matrix @ other
            results.append(from_numpy(product, left[mode]))
        return results

    def equal_slices(self, mode: int) -> EqualRows:
        """Return which slices of a mode have equal weights."""
        if mode not in self._equal:
            self._equal[mode] = EqualRows.of_keys(self._keys(mode))
        return self._equal[mode]

    def _keys(self, mode: int) -> np.ndarray:
        """Return the products of all slices with two random vectors, which differ where the slices do."""
        rng = np.random.default_rng(0)
        reference = as_float64(self.array[:0])
        vectors = [from_numpy(rng.random((d, 2)), reference) for d in self.shape]
        every = np.arange(self.shape[mode])
        if mode == 0:
            return np.concatenate([to_numpy(self.mttkrp_of_slices(every[b], vectors, 0)) for b in self.blocks()])
        parts = [to_numpy(self.mttkrp_of_slices(every, [vectors[0][b], *vectors[1:]], mode, b)) for b in self.blocks()]
        return np.sum(parts, axis=0)
