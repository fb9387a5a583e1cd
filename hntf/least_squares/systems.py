"""Numba kernels: the systems `G_PP s_P = c_P` on the supports `P` of up to eight rows, solved together.

Small systems are interleaved and solved at once (see `lanes`). The columns of each support are gathered, so that what is solved has
the size of the support; systems with fewer columns than the largest are filled up with those of the identity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.least_squares.elimination import SAFE_PIVOT, eliminate, reciprocal_condition, substitute
from hntf.least_squares.kernels import kernel, step
from hntf.least_squares.lanes import LANES, entry, load, set_entry, store

MOST_INTERLEAVED = 128
"""Number of columns up to which eight systems stay in the cache of a core."""


class Columns(NamedTuple):
    """The columns for which eight rows are solved.

    Attributes
    ----------
    chosen : array, `(8, k + 1)`, int64
        The columns of each row; entries behind the last are of no use.
    sizes : array, `(8,)`, int64
        Their numbers, 0 where there is no row.
    safe : array, `(8,)`, bool
        Whether all pivots were safe.
    """

    chosen: np.ndarray
    sizes: np.ndarray
    safe: np.ndarray


class Systems(NamedTuple):
    """Work arrays for systems of at most `k` columns, in the layout of `elimination`, where `…` is `()` or `(8,)`.

    Attributes
    ----------
    U : array, `(k (k + 1), …)`
        The systems.
    diagonal, pivots, inverse, norms, solution, work : array, `(k, …)`
        The diagonal before the elimination, its pivots and their inverses, the norms of the columns, the solution, and space.
    counts : array, `(1, …)`
        The number of columns of each, as floating-point numbers.
    """

    U: np.ndarray
    diagonal: np.ndarray
    pivots: np.ndarray
    inverse: np.ndarray
    norms: np.ndarray
    solution: np.ndarray
    work: np.ndarray
    counts: np.ndarray


@kernel
def columns_of_rows(k):  # type: ignore[no-untyped-def]
    """Return space for the columns of eight rows."""
    return Columns(
        np.empty((LANES, k + 1), np.int64),
        np.empty(LANES, np.int64),
        np.empty(LANES, np.bool_),
    )


@kernel
def interleaved(k):  # type: ignore[no-untyped-def]
    """Return space for eight interleaved systems."""
    k = min(k, MOST_INTERLEAVED)
    return Systems(
        np.empty((k * (k + 1), LANES)),
        np.empty((k, LANES)),
        np.empty((k, LANES)),
        np.empty((k, LANES)),
        np.empty((k, LANES)),
        np.empty((k, LANES)),
        np.empty((k, LANES)),
        np.empty((1, LANES)),
    )


@kernel
def single(k):  # type: ignore[no-untyped-def]
    """Return space for one system, none if all are small enough to be interleaved."""
    k = k if k > MOST_INTERLEAVED else 0
    return Systems(
        np.empty(k * (k + 1)),
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.empty(1),
    )


@step
def gather(support, rows, columns):  # type: ignore[no-untyped-def]
    """Find the columns of the supports of some rows, `−1` for none; return the largest number."""
    k = support.shape[1]
    largest = 0
    for lane in range(LANES):
        size, first = 0, rows[lane] * k
        if first >= 0:
            for j in range(k):
                set_entry(columns.chosen, lane * (k + 1) + size, j)
                size += entry(support, first + j)
        columns.sizes[lane] = size
        largest = max(largest, size)
    return largest


@step
def solve(G, C, support, rows, columns, eight, one, S):  # type: ignore[no-untyped-def]
    """Write the solutions of some rows on their supports; `columns.safe` tells whether all pivots are."""
    largest = gather(support, rows, columns)
    chosen, sizes, safe = columns
    if largest <= MOST_INTERLEAVED:
        _fill(G, C, rows, chosen, sizes, largest, eight.U)
        _finish(rows, chosen, sizes, largest, eight, safe, S)
    else:
        for lane in range(LANES):
            here = slice(lane, lane + 1)
            _fill(G, C, rows[here], chosen[here], sizes[here], sizes[lane], one.U)
            _finish(rows[here], chosen[here], sizes[here], sizes[lane], one, safe[here], S)


@step
def conditions(G, C, support, rows, columns, eight, one, found):  # type: ignore[no-untyped-def]
    """Write estimates of the reciprocal condition numbers of some columns of every row, 0 where a pivot is not safe."""
    largest = gather(support, rows, columns)
    chosen, sizes, safe = columns
    if largest <= MOST_INTERLEAVED:
        _fill(G, C, rows, chosen, sizes, largest, eight.U)
        _condition(sizes, largest, eight, safe, found)
    else:
        for lane in range(LANES):
            here = slice(lane, lane + 1)
            _fill(G, C, rows[here], chosen[here], sizes[here], sizes[lane], one.U)
            _condition(sizes[here], sizes[lane], one, safe[here], found[here])


@step
def _fill(G, C, rows, chosen, sizes, size, U):  # type: ignore[no-untyped-def]
    """Write the systems for the columns of each row, with the identity for the rest up to the same `size`."""
    rows_per_gram, k = len(C) // len(G), C.shape[1]
    lanes, width = len(rows), size + 1
    for lane in range(lanes):
        i, of_lane, columns = rows[lane], sizes[lane], chosen[lane]
        gram = i // rows_per_gram * k * k
        for a in range(of_lane):
            row, first = gram + entry(columns, a) * k, a * width
            for b in range(a, of_lane):
                set_entry(U, (first + b) * lanes + lane, entry(G, row + entry(columns, b)))
            for b in range(of_lane, size):
                set_entry(U, (first + b) * lanes + lane, 0.0)
            set_entry(U, (first + size) * lanes + lane, entry(C, i * k + entry(columns, a)))
        for a in range(of_lane, size):
            set_entry(U, (a * width + a) * lanes + lane, 1.0)
            for b in range(a + 1, width):
                set_entry(U, (a * width + b) * lanes + lane, 0.0)


@step
def _eliminate(sizes, size, systems, safe):  # type: ignore[no-untyped-def]
    """Eliminate the systems."""
    lanes, width = len(sizes), size + 1
    for a in range(size):
        store(systems.diagonal, a, load(systems.U, a * width + a))
    eliminate(systems.U, size, systems.pivots, systems.inverse)
    for lane in range(lanes):
        all_safe = True
        for a in range(sizes[lane]):
            # The rounding error of a pivot grows with those before it: a small one does not tell whether its column is dependent.
            pivot, before = entry(systems.pivots, a * lanes + lane), entry(systems.diagonal, a * lanes + lane)
            all_safe &= pivot > SAFE_PIVOT * before
        safe[lane] = all_safe


@step
def _finish(rows, chosen, sizes, size, systems, safe, S):  # type: ignore[no-untyped-def]
    """Solve the systems, and write the solutions."""
    _eliminate(sizes, size, systems, safe)
    substitute(systems.U, size, systems.inverse, systems.solution)
    lanes, k = len(rows), S.shape[1]
    for lane in range(lanes):
        first, columns = rows[lane] * k, chosen[lane]
        if first >= 0:
            for j in range(k):
                set_entry(S, first + j, 0.0)
            for a in range(sizes[lane]):
                set_entry(S, first + entry(columns, a), entry(systems.solution, a * lanes + lane))


@step
def _condition(sizes, size, systems, safe, found):  # type: ignore[no-untyped-def]
    """Eliminate the systems, and write estimates of their reciprocal condition numbers."""
    _eliminate(sizes, size, systems, safe)
    lanes = len(sizes)
    for lane in range(lanes):
        set_entry(systems.counts, lane, float(max(1, sizes[lane])))
        for a in range(size):
            norm = np.sqrt(entry(systems.diagonal, a * lanes + lane)) if a < sizes[lane] else 0.0
            set_entry(systems.norms, a * lanes + lane, norm)
    estimate = reciprocal_condition(systems.U, size, systems.counts, systems.inverse, systems.norms, systems.work)
    store(systems.counts, 0, estimate)
    for lane in range(lanes):
        found[lane] = entry(systems.counts, lane) if safe[lane] else 0.0
