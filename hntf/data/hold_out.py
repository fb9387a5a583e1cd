"""A random hold-out of entries by a hash of their coordinates: large ones are drawn anew wherever they are looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import Factors
from hntf.arrays import Array, to_numpy
from hntf.data.coordinates import index_dtype
from hntf.data.entry_weights import EntryWeights
from hntf.data.hashes import hash_states
from hntf.data.structured_weights import StructuredWeights
from hntf.threads import over_rows
from hntf.validation import check_number

REMEMBERED = 2**21
"""Number of entries held out from a sparse matrix up to which they are remembered, in 50 MB."""

BLOCK_HELD_OUT = 2**20
"""Number of entries that are held out in the blocks in which products are formed."""

MOST_STORED = 2**23
"""Number of entries held out from a sparse tensor up to which they are stored, in 200 MB for order 3."""

SEEDS = 2**64
"""Number of seeds."""

FITTED_TOGETHER = 3
"""Number of hold-outs of sparse tensors that are remembered, for fits that follow each other with the same ones."""


class HoldOut:
    """A mask that hides a random fraction of the entries, the same ones whenever it is used.

    An entry is held out if a hash of its coordinates and the seed is below the fraction. For a sparse matrix with more than two
    million entries held out nothing is stored; the hashes of all its entries, stored or not, are computed again for every product.
    From a sparse tensor of order 3 or more at most eight million entries are held out.

    Parameters
    ----------
    fraction : float
        The fraction of entries that are hidden, between 0 and 1.
    seed : int
        Which hold-out it is.
    inverted : bool
        Whether the entries that are held out are the observed ones, as for the error of the hold-out; `~mask` inverts a mask.

    References
    ----------
    DeBruine, Melcher, Triche (2021), *Fast and robust non-negative matrix factorization for single-cell experiments*, bioRxiv.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> rng = np.random.default_rng(0)
    >>> X = rng.random((200, 4)) @ rng.random((4, 50))
    >>> held_out = hntf.HoldOut(0.1)
    >>> model = hntf.NMF(4, max_iter=2000, tol=1e-7, random_state=0).fit(X, mask=held_out)
    >>> model.reconstruction_error(X, mask=~held_out) < 0.02
    True
    """

    _rows: np.ndarray | None = None
    """The numbers of the samples, by which they are hashed; by default 0, 1, …."""

    def __init__(self, fraction: float, seed: int = 0, *, inverted: bool = False) -> None:
        check_number(fraction, "fraction", strict=True)
        if not fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
        check_number(seed, "seed", integer=True)
        if not 0 <= seed < SEEDS:
            raise ValueError(f"seed must be from 0 to 2**64 - 1, got {seed}")
        self.fraction, self.seed, self.inverted = float(fraction), int(seed), bool(inverted)

    def __invert__(self) -> HoldOut:
        inverse = copy(self)
        inverse.inverted = not self.inverted
        return inverse

    def __repr__(self) -> str:
        return f"{'~' if self.inverted else ''}HoldOut({self.fraction}, seed={self.seed})"

    @property
    def is_of_rows(self) -> bool:
        """Whether it is that of some samples, whose numbers are known; otherwise they are 0, 1, …."""
        return self._rows is not None

    def of_rows(self, rows: np.ndarray) -> HoldOut:
        """Return the mask of some samples, by their numbers."""
        part = copy(self)
        part._rows = rows if self._rows is None else self._rows[rows]
        return part

    def observed(self, *index: np.ndarray) -> np.ndarray:
        """Return which entries are observed, from their coordinates in every mode, which are broadcast against each other."""
        rows, *others = index
        rows = rows if self._rows is None else self._rows[rows]
        return (hashes(self.seed, (rows, *others)) < self.fraction) == self.inverted

    def weights(self, shape: tuple[int, int]) -> HeldOut:
        """Return the weights of a matrix."""
        rows, columns = map(np.arange, shape)
        return HeldOut(self, (rows if self._rows is None else self._rows, columns))

    def entries(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the coordinates of the entries of a tensor that are held out, `(N, held out)`, in lexicographic order.

        Raises
        ------
        ValueError
            If they are more than can be stored.
        """
        number = math.prod(shape)
        if self.fraction * number > MOST_STORED:
            raise ValueError(
                f"fraction must be at most {MOST_STORED / number:.2g} for a sparse tensor of shape {shape}, or the mask go with "
                f"'stored', as in ('stored', HoldOut({self.fraction})); got {self.fraction}"
            )
        if self._rows is None:
            return _entries(self.seed, self.fraction, shape)
        return np.hstack(list(_blocks_of_entries(self.seed, self.fraction, self._rows, shape)))

    def of_shape(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the mask of a dense array, computed in blocks of samples."""
        observed = np.empty(shape, bool)
        rows = max(1, BLOCK_HELD_OUT // max(1, math.prod(shape[1:])))
        others = tuple(map(slice, shape[1:]))
        for start in range(0, shape[0], rows):
            stop = min(start + rows, shape[0])
            observed[start:stop] = self.observed(*np.ogrid[(slice(start, stop), *others)])
        return observed


@lru_cache(FITTED_TOGETHER)
def _entries(seed: int, fraction: float, shape: tuple[int, ...]) -> np.ndarray:
    found = np.hstack(list(_blocks_of_entries(seed, fraction, np.arange(shape[0]), shape)))
    found.flags.writeable = False
    return found


def _blocks_of_entries(seed: int, fraction: float, rows: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Yield the coordinates of the entries that are held out, `(N, held out)`, of samples that are hashed by the numbers `rows`."""
    *lead, last = shape
    every = math.prod(lead)
    for start in range(0, every, BLOCK_HELD_OUT):
        first, *others = np.unravel_index(np.arange(start, min(start + BLOCK_HELD_OUT, every)), lead)
        indptr, columns = held_out(hash_states(seed, (rows[first], *others)), np.arange(last), fraction)
        positions = np.repeat(np.arange(len(first)), np.diff(indptr))
        yield np.stack([*(index[positions] for index in (first, *others)), columns]).astype(index_dtype(shape))


def hashes(seed: int, index: Any) -> np.ndarray:
    """Return a number in `[0, 1)` for every tuple of coordinates."""
    return (hash_states(seed, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def held_out(
    states: np.ndarray, keys: np.ndarray, fraction: float, *, swapped: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for every row, which columns are held out: pointers to the first of each row, and the columns.

    `states` are those of the hash for the rows, and `keys` the coordinates of the columns, or the other way round if `swapped`.
    """
    from hntf.data.compiled import held_out_columns

    n_rows, n_columns = (len(keys), len(states)) if swapped else (len(states), len(keys))
    counts, columns = np.zeros(n_rows + 1, np.int64), np.empty(0, np.int64)
    for filling in (False, True):
        if filling:
            columns = np.empty(counts.sum(), np.int64)
        indptr = np.cumsum(counts)
        arguments = (states, keys.astype(np.int64), fraction, swapped, indptr, counts, columns, filling)
        over_rows(partial(held_out_columns, *arguments), n_rows, 8 * n_columns)
    return indptr, columns


class HeldOut(EntryWeights):
    """The weights of a hold-out of a matrix, times others.

    Parameters
    ----------
    mask : HoldOut
        The hold-out.
    ids : sequence of two int arrays, `(n,)` and `(m,)`
        The coordinates of the rows and of the columns, from which hashes are computed.
    transposed : bool
        Whether the coordinates are those of the transposed matrix.
    others : StructuredWeights, optional
        The weights by which those of the hold-out are multiplied.
    """

    def __init__(
        self,
        mask: HoldOut,
        ids: Sequence[np.ndarray],
        *,
        transposed: bool = False,
        others: StructuredWeights | None = None,
    ) -> None:
        super().__init__((len(ids[0]), len(ids[1])))
        self.mask, self.ids, self.transposed, self.others = mask, ids, transposed, others

    @property
    def largest(self) -> float:
        return 1.0 if self.others is None else self.others.largest

    @property
    def is_mask(self) -> bool:
        return self.others is None or self.others.is_mask

    def times(self, others: StructuredWeights) -> HeldOut:
        """Return the product with other weights, entry by entry."""
        others = others if self.others is None else self.others.times(others)
        return HeldOut(self.mask, self.ids, transposed=self.transposed, others=others)

    @property
    def stored(self) -> StructuredWeights | None:
        """The same weights with the entries that are held out, if these are few."""
        return None if self._remembered is None else self._remembered[0]

    def of_entries(self, *index: np.ndarray) -> np.ndarray:
        coordinates = [ids[i] for ids, i in zip(self.ids, index, strict=True)]
        below = hashes(self.mask.seed, reversed(coordinates) if self.transposed else coordinates) < self.mask.fraction
        observed = 1.0 * (below == self.mask.inverted)
        return observed if self.others is None else observed * self.others.of_entries(*index)

    def of_samples(self, rows: Any) -> Array:
        return self._block(np.arange(self.shape[0])[rows], 0).of_samples(slice(None))

    def _block(self, slices: np.ndarray, mode: int) -> StructuredWeights:
        """Return the weights of some slices of a mode, which are stored, as a matrix with these slices as rows."""
        ids, others = self.ids[mode][slices], self.ids[1 - mode]
        swapped = self.transposed != (mode == 1)
        first, last = (others, ids) if swapped else (ids, others)
        indptr, columns = held_out(hash_states(self.mask.seed, (first,)), last, self.mask.fraction, swapped=swapped)
        sign = 1.0 if self.mask.inverted else -1.0
        rest = scipy.sparse.csr_array((np.full(len(columns), sign), columns, indptr), shape=(len(ids), len(others)))
        width = int(not self.mask.inverted)
        U, V = np.ones((len(ids), width)), np.ones((len(others), width))
        block = StructuredWeights(U, V, rest, is_mask=True)
        if self.others is None:
            return block
        return block.times((self.others if mode == 0 else self.others.transposed_unfolding(0)).take(slices))

    @cached_property
    def _remembered(self) -> dict[int, StructuredWeights] | None:
        """The weights of all slices of each mode, if few entries are held out."""
        if self.mask.fraction * self.shape[0] * self.shape[1] > REMEMBERED:
            return None
        return {mode: self._block(np.arange(self.shape[mode]), mode) for mode in (0, 1)}

    def _blocks(self, slices: np.ndarray, mode: int) -> Iterator[tuple[np.ndarray, StructuredWeights]]:
        """Yield positions in `slices`, with the weights of these slices."""
        if self._remembered is not None:
            whole = self._remembered[mode]
            every = np.arange(len(slices))
            yield every, whole if np.array_equal(slices, np.arange(self.shape[mode])) else whole.take(slices)
            return
        size = max(1, int(BLOCK_HELD_OUT / (self.mask.fraction * self.shape[1 - mode] + 1)))
        for start in range(0, len(slices), size):
            here = np.arange(start, min(start + size, len(slices)))
            yield here, self._block(slices[here], mode)

    def _by_block(
        self, slices: np.ndarray, mode: int, of_block: Callable[[np.ndarray, StructuredWeights], np.ndarray]
    ) -> np.ndarray:
        return np.concatenate([of_block(here, block) for here, block in self._blocks(slices, mode)])

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        every = np.arange(self.shape[0])
        return np.concatenate([block.n_observed_by_sample for _, block in self._blocks(every, 0)])

    def take(self, rows: Array) -> HeldOut:
        others = None if self.others is None else self.others.take(rows)
        ids = (self.ids[0][to_numpy(rows)], self.ids[1])
        return HeldOut(self.mask, ids, transposed=self.transposed, others=others)

    def transposed_unfolding(self, mode: int) -> HeldOut:
        if mode == 1:
            return self
        others = None if self.others is None else self.others.transposed_unfolding(mode)
        return HeldOut(self.mask, self.ids[::-1], transposed=not self.transposed, others=others)

    def as_matrix(self) -> HeldOut:
        return self

    def mttkrp_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        other = [None, factors[1 - mode]]
        return self._by_block(slices, mode, lambda here, block: block.mttkrp_of_slices(np.arange(len(here)), other, 0))

    def grams_of_slices(self, slices: np.ndarray, factors: Factors, mode: int) -> Array:
        other = [None, factors[1 - mode]]
        return self._by_block(slices, mode, lambda here, block: block.grams_of_slices(np.arange(len(here)), other, 0))

    def products(self, left: list[Array], right: Factors, modes: list[int]) -> list[Array]:
        results = []
        for mode in modes:
            model, other_model = to_numpy(left[mode]), left[1 - mode]
            other = [None, right[1 - mode]]

            def of_block(
                here: np.ndarray,
                block: StructuredWeights,
                model: np.ndarray = model,
                other_model: Array = other_model,
                other: Factors = other,
            ) -> np.ndarray:
                return block.products([model[here], other_model], other, [0])[0]

            results.append(self._by_block(np.arange(self.shape[mode]), mode, of_block))
        return results

    def _sizes(self, mode: int) -> np.ndarray:
        return np.ones(self.shape[mode])

    def _hashes(self, mode: int, factors: np.ndarray | None) -> np.ndarray:
        return np.arange(self.shape[mode])
