"""The entries of a sparse tensor by their coordinates, and their groups along some modes, over which products run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from hntf.algebra import Factors
from hntf.arrays import Array, to_numpy
from hntf.threads import over_rows

CHUNK = 2**14
"""Number of entries that are processed together; sums over chunks do not depend on the number of threads."""

CACHED = 2**17
"""Number of entries of a result that stays in the cache of a core."""

SPREAD = 16
"""Length of a mode, divided by the number of entries, from which counting its slices takes longer than comparing entries."""

SHARES = 16
"""Number of partial results of this size."""


def index_dtype(shape: Sequence[int]) -> type[np.integer[Any]]:
    """Return the smaller type of integers that holds all coordinates."""
    return np.int32 if max(shape) < 2**31 else np.int64


class Pieces(NamedTuple):
    """Groups of entries cut where chunks of entries begin, so that threads can share a large group.

    Attributes
    ----------
    bounds : array, `(p + 1,)`
        Where the entries of the pieces start.
    of_chunks : array, `(c + 1,)`
        The first piece of every chunk.
    rows : array, `(p,)`
        Where the sum of a piece goes: to its group if it is the first of the group, else to a row of its own behind the groups.
    groups : array
        The groups to which sums of these other pieces are added.
    firsts : array
        The first of the other pieces of each of these groups.
    """

    bounds: np.ndarray
    of_chunks: np.ndarray
    rows: np.ndarray
    groups: np.ndarray
    firsts: np.ndarray

    @classmethod
    def of_groups(cls, pointers: np.ndarray) -> Pieces:
        chunks = np.arange(0, pointers[-1], CHUNK)
        bounds = np.union1d(pointers, chunks)
        group = np.searchsorted(pointers, bounds[:-1], side="right") - 1
        is_first = pointers[group] == bounds[:-1]
        n_groups = len(pointers) - 1
        rows = np.where(is_first, group, n_groups + np.cumsum(~is_first) - 1)
        groups, firsts = np.unique(group[~is_first], return_index=True)
        return cls(bounds, np.append(np.searchsorted(bounds, chunks), len(rows)), rows, groups, firsts)


class Groups(NamedTuple):
    """The entries grouped by their coordinates in some modes; groups without entries do not appear.

    Attributes
    ----------
    pointers : array, `(g + 1,)`
        Where the entries of the groups start.
    others : array, `(nnz, p)`
        The coordinates of the entries in the other modes.
    order : array, `(nnz,)`
        The entries in the order of the groups.
    is_stored_order : bool
        Whether this is the order in which they are stored.
    pieces : Pieces
        The groups cut where chunks begin.
    """

    pointers: np.ndarray
    others: np.ndarray
    order: np.ndarray
    is_stored_order: bool
    pieces: Pieces


class Coordinates:
    """Where the entries of a sparse tensor are.

    Parameters
    ----------
    index : array of int, `(N, nnz)`
        The coordinates of the entries, in lexicographic order and without duplicates.
    shape : tuple of int
        The shape of the tensor.
    """

    def __init__(self, index: np.ndarray, shape: Sequence[int]) -> None:
        self.index = index
        self.shape = tuple(shape)
        self._groups: dict[tuple[int, ...], Groups] = {}

    @classmethod
    def of_entries(cls, index: np.ndarray, values: np.ndarray, shape: Sequence[int]) -> tuple[Coordinates, np.ndarray]:
        """Return the coordinates of entries in any order, and the sums of the values at each."""
        index = np.asarray(index, dtype=index_dtype(shape))
        order = _sorted(index, range(len(shape)), shape)
        rows = [row[order] for row in index]
        values = values[order]
        first = _starts(rows, len(values))
        if len(first) < len(values):
            values = np.add.reduceat(values, first)
            rows = [row[first] for row in rows]
        return cls(np.stack(rows), shape), values

    def __len__(self) -> int:
        return self.index.shape[1]

    def __getstate__(self) -> dict[str, Any]:
        # What is found again travels to no process.
        return {**self.__dict__, "_groups": {}}

    def groups(self, modes: Sequence[int]) -> Groups:
        """Return the entries grouped by their coordinates in some modes."""
        key = tuple(modes)
        if key not in self._groups:
            self._groups[key] = self._grouped(key)
        return self._groups[key]

    def _grouped(self, modes: tuple[int, ...]) -> Groups:
        leading = modes == tuple(range(len(modes)))
        order = np.arange(len(self)) if leading else _sorted(self.index, modes, self.shape)
        others = [mode for mode in range(len(self.shape)) if mode not in modes]
        pointers = np.append(_starts([self.index[mode][order] for mode in modes], len(self)), len(self))
        return Groups(
            pointers, np.ascontiguousarray(self.index[others].T[order]), order, leading, Pieces.of_groups(pointers)
        )

    def ordered(self, values: np.ndarray, modes: Sequence[int]) -> np.ndarray:
        """Return values of the entries in the order of their groups."""
        groups = self.groups(modes)
        return values if groups.is_stored_order else values[groups.order]

    def cells(self, modes: Sequence[int]) -> np.ndarray:
        """Return the coordinates of the entries in some modes as one index, in C order."""
        cells = np.zeros(len(self), np.int64)
        for mode in modes:
            cells *= self.shape[mode]
            cells += self.index[mode]
        return cells

    def cp_at_entries(self, factors: Factors) -> np.ndarray:
        """Return the entries of `[[U_1, …, U_N]]` at the coordinates."""
        from hntf.data.compiled import cp_at_entries

        arrays = _in_eights(factors)
        result = np.empty(len(self))
        work = len(arrays) * arrays[0].shape[1]
        over_rows(partial(cp_at_entries, tuple(self.index), arrays, result), len(self), work)
        return result

    def take(self, rows: np.ndarray) -> tuple[Coordinates, np.ndarray]:
        """Return the coordinates in some slices of mode 0, in the order of `rows`, and which entries they are."""
        bounds = self._sample_pointers
        counts = bounds[rows + 1] - bounds[rows]
        entries = ranges(bounds[rows], counts)
        index = self.index[:, entries]
        index[0] = np.repeat(np.arange(len(rows)), counts)
        return Coordinates(index, (len(rows), *self.shape[1:])), entries

    def lookup(self, at: Coordinates, values: np.ndarray) -> np.ndarray:
        """Return the values at other coordinates, 0 where these have none."""
        both = np.hstack([self.index, at.index])
        order = _sorted(both, range(len(self.shape)), self.shape)
        starts = _starts([row[order] for row in both], len(order))
        groups = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
        cell = np.empty(len(order), np.intp)
        cell[order] = groups
        of_cell = np.zeros(len(starts))
        of_cell[cell[: len(self)]] = values
        return of_cell[cell[len(self) :]]

    def bounds_of_slices(self, mode: int) -> np.ndarray:
        """Return where the entries of every slice of a mode start in `groups((mode,))`, `(d_mode + 1,)`."""
        return np.append(0, np.cumsum(np.bincount(self.index[mode], minlength=self.shape[mode])))

    @cached_property
    def _sample_pointers(self) -> np.ndarray:
        return np.searchsorted(self.index[0], np.arange(self.shape[0] + 1))


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the integers of several ranges, one range after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)


def stacked_entries(blocks: Sequence[tuple[Coordinates, np.ndarray]]) -> tuple[Coordinates, np.ndarray]:
    """Return the entries of blocks of samples as those of one tensor."""
    sizes = [coordinates.shape[0] for coordinates, _ in blocks]
    index = np.hstack([coordinates.index for coordinates, _ in blocks])
    index[0] += np.repeat(np.cumsum([0, *sizes[:-1]]), [len(coordinates) for coordinates, _ in blocks]).astype(
        index.dtype
    )
    shape = (sum(sizes), *blocks[0][0].shape[1:])
    return Coordinates(index, shape), np.concatenate([values for _, values in blocks])


def mttkrp(
    coordinates: Coordinates, values: np.ndarray, factors: Factors, mode: int, ordered: np.ndarray | None = None
) -> np.ndarray:
    """Return the MTTKRP of the sparse tensor with these entries, `(shape[mode], rank)`.

    `ordered` are the values in the order of the slices of the mode, if they are known.
    """
    from hntf.data.compiled import LANES, add_hadamard, sum_hadamard

    others = [i for i in range(len(factors)) if i != mode]
    arrays = _contiguous([factors[i] for i in others])
    n_components = arrays[0].shape[1]
    arrays = tuple(_with_columns(U, LANES) for U in arrays)
    d, rank = coordinates.shape[mode], arrays[0].shape[1]
    if ordered is None and (mode == 0 or d * rank > CACHED):
        ordered = coordinates.ordered(values, (mode,))
    if ordered is not None:
        sums = _summed(sum_hadamard, coordinates, ordered, (mode,), arrays, rank, (d,))
        return sums[:, :n_components]
    # The result fits into the cache: entries are added to it in the order in which they are stored.
    keys, rows = coordinates.index[mode], tuple(coordinates.index[i] for i in others)
    size = max(CHUNK, -(-len(values) // SHARES))
    shares = np.zeros((-(-len(values) // size), d, rank))

    def work(first: int, last: int) -> None:
        for share in range(first, last):
            add_hadamard(keys, rows, values, arrays, shares[share], share * size, min((share + 1) * size, len(values)))

    over_rows(work, len(shares), size * rank * len(factors))
    return shares.sum(axis=0)[:, :n_components]


def add_outer_products(
    G: np.ndarray, bounds: tuple[np.ndarray, np.ndarray], others: np.ndarray, values: np.ndarray, factors: Factors
) -> None:
    """Add `Σ_e w_e k_e k_eᵀ` to every matrix, over the entries between its bounds, with `k_e = u_e ∘ v_e ∘ …`.

    `others` are the coordinates of the entries in the modes of these factors, `(nnz, p)`.
    """
    from hntf.data.compiled import add_outer_products

    arguments = (*bounds, others, values, _in_eights(factors), G)
    work = len(values) * G.shape[1] ** 2 // max(1, len(G))
    over_rows(lambda first, last: add_outer_products(*arguments, first, last), len(G), work)


def multi_mode_dot(coordinates: Coordinates, values: np.ndarray, factors: Sequence[Array | None]) -> np.ndarray:
    """Return `X ×_i U_iᵀ` over the modes with a factor, dense."""
    from hntf.data.compiled import sum_kronecker

    kept = [mode for mode, U in enumerate(factors) if U is None]
    compressed = [mode for mode, U in enumerate(factors) if U is not None]
    arrays = _contiguous([factors[mode] for mode in compressed])
    ranks = [U.shape[1] for U in arrays]
    dimensions = [coordinates.shape[mode] for mode in kept]
    ordered = coordinates.ordered(values, tuple(kept))
    product = _summed(
        sum_kronecker, coordinates, ordered, tuple(kept), arrays, math.prod(ranks), tuple(dimensions)
    ).reshape(*dimensions, *ranks)
    return product.transpose(np.argsort([*kept, *compressed]))


def mode_product_pullback(
    coordinates: Coordinates, values: np.ndarray, factors: Sequence[Array | None], V: np.ndarray, mode: int
) -> np.ndarray:
    """Return the gradient of `⟨X ×_i U_iᵀ, V⟩` with respect to the factor of a mode, `(d, r)`."""
    from hntf.data.compiled import sum_through

    kept = [i for i, U in enumerate(factors) if U is None]
    others = [i for i, U in enumerate(factors) if U is not None and i != mode]
    arrays = _contiguous([factors[i] for i in others]) or (np.ones((1, 1)),)
    by_cell = V.transpose([*kept, mode, *others])
    rank = V.shape[mode]
    by_cell = np.ascontiguousarray(by_cell.reshape(math.prod(coordinates.shape[i] for i in kept), rank, -1))
    # Of the coordinates in the other modes, these weights give the cell, and these columns the rows of the factors.
    besides = [i for i in range(len(factors)) if i != mode]
    dimensions = [coordinates.shape[i] if i in kept else 1 for i in besides]
    strides = np.array([math.prod(dimensions[m + 1 :]) if i in kept else 0 for m, i in enumerate(besides)])
    columns = np.array([besides.index(i) for i in others], dtype=np.intp)
    arguments = (strides, columns, arrays, by_cell)
    ordered = coordinates.ordered(values, (mode,))
    return _summed(sum_through, coordinates, ordered, (mode,), arguments, rank, (coordinates.shape[mode],))


def mode_product_at_entries(coordinates: Coordinates, factors: Sequence[Array | None], V: np.ndarray) -> np.ndarray:
    """Return the entries of `V ×_i U_i` at the coordinates."""
    from hntf.data.compiled import kronecker_at_entries

    kept = [i for i, U in enumerate(factors) if U is None]
    compressed = [i for i, U in enumerate(factors) if U is not None]
    arrays = _contiguous([factors[i] for i in compressed])
    by_cell = np.ascontiguousarray(
        V.transpose([*kept, *compressed]).reshape(math.prod(coordinates.shape[i] for i in kept), -1)
    )
    result = np.empty(len(coordinates))
    arguments = (coordinates.cells(kept), coordinates.index, np.array(compressed), arrays, by_cell, result)
    over_rows(partial(kronecker_at_entries, *arguments), len(coordinates), 2 * by_cell.shape[1])
    return result


def _summed(
    kernel: Any,
    coordinates: Coordinates,
    ordered: np.ndarray,
    modes: tuple[int, ...],
    arguments: Any,
    rank: int,
    dimensions: tuple[int, ...],
) -> np.ndarray:
    """Run a kernel that sums over the groups of some modes, and return the sums as rows of an array with a row for every cell.

    `ordered` are the values in the order of the groups.
    """
    groups = coordinates.groups(modes)
    pieces = groups.pieces
    n_groups = len(groups.pointers) - 1
    sums = np.zeros((len(pieces.rows), rank))

    def work(first: int, last: int) -> None:
        start, stop = pieces.of_chunks[first], pieces.of_chunks[last]
        kernel(pieces.bounds, pieces.rows, groups.others, ordered, arguments, sums, start, stop)

    over_rows(work, len(pieces.of_chunks) - 1, CHUNK * rank * len(coordinates.shape))
    if len(pieces.groups):
        sums[pieces.groups] += np.add.reduceat(sums[n_groups:], pieces.firsts)
    sums = sums[:n_groups]
    if len(sums) == math.prod(dimensions):
        return sums
    result = np.zeros((math.prod(dimensions), rank))
    result[coordinates.cells(modes)[groups.order[groups.pointers[:-1]]]] = sums
    return result


def _with_columns(factor: np.ndarray, fewest: int) -> np.ndarray:
    """Return a factor with columns of zeros behind its own, if it has fewer than the kernels read at once."""
    missing = fewest - factor.shape[1]
    return factor if missing <= 0 else np.pad(factor, ((0, 0), (0, missing)))


def _in_eights(factors: Sequence[Any]) -> tuple[np.ndarray, ...]:
    """Return contiguous factors with columns of zeros behind their own, up to a multiple of those that kernels read at once."""
    from hntf.data.compiled import LANES

    arrays = _contiguous(factors)
    return tuple(_with_columns(U, -(-U.shape[1] // LANES) * LANES) for U in arrays)


def _contiguous(factors: Sequence[Any]) -> tuple[np.ndarray, ...]:
    return tuple(np.ascontiguousarray(to_numpy(U), dtype=np.float64) for U in factors)


def _sorted(index: np.ndarray, modes: Sequence[int], shape: Sequence[int]) -> np.ndarray:
    """Return the order of entries by their coordinates in some modes, the first mode slowest; equal ones keep their order."""
    from hntf.data.compiled import counting_sort

    order = np.arange(index.shape[1])
    for mode in reversed(list(modes)):
        if shape[mode] > SPREAD * len(order):
            order = order[np.argsort(index[mode][order], kind="stable")]
        else:
            order = counting_sort(index[mode], shape[mode], order)
    return order


def _starts(rows: Sequence[np.ndarray], n: int) -> np.ndarray:
    """Return where the coordinates of `n` sorted entries change, in any of several modes."""
    changes = np.zeros(n, bool)
    changes[:1] = True
    for row in rows:
        changes[1:] |= row[1:] != row[:-1]
    return np.flatnonzero(changes)
