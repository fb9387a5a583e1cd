"""Samples in a Dask array: functions run where its chunks are, on any of Dask's schedulers, and sums are formed there.

A task depends on its chunk and on the arguments alone. What a part remembers (supports, codes) is kept in the process that last
worked on it, and only makes the next pass faster: if a worker dies, Dask computes its chunks again elsewhere, and the result is the
same. In threads of this process, the parts remember as long as there is an `OnDask`; a worker remembers those of its last fits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from functools import reduce
from itertools import pairwise
from threading import Lock
from typing import Any, NamedTuple
from uuid import uuid4
from weakref import WeakValueDictionary

import numpy as np

from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.data.units import multiplied
from hntf.fitting.parts.blocks import joined, rows_between, rows_of
from hntf.fitting.parts.observed import Observed, cut
from hntf.fitting.parts.part import Part
from hntf.fitting.parts.protocol import OfPart, Parts, added

FAN_IN = 8
"""Number of results that a task adds."""

MOST_REMEMBERED = 4
"""Number of fits whose parts a worker remembers."""


class _Memory(dict[int, dict[Any, Any]]):
    """What the parts of a fit remember, by their number."""


_held: WeakValueDictionary[str, _Memory] = WeakValueDictionary()
_remembered: OrderedDict[str, _Memory] = OrderedDict()
_lock = Lock()


def _memory_of(token: str) -> _Memory:
    """Return what the parts remember under a name, in the process of their `OnDask` or on a worker."""
    with _lock:
        held = _held.get(token)
        if held is not None:
            return held
        memory = _remembered.setdefault(token, _Memory())
        _remembered.move_to_end(token)
        while len(_remembered) > MOST_REMEMBERED:
            _remembered.popitem(last=False)
        return memory


class ChunkReader(NamedTuple):
    """How chunks become data.

    Attributes
    ----------
    token : str
        The name under which the parts are remembered.
    nonnegative : bool
        Whether negative entries raise an error.
    checked : bool
        Whether the entries were checked already.
    scale : float
        By which entries are multiplied.
    """

    token: str
    nonnegative: bool
    checked: bool = False
    scale: float = 1.0

    def data(self, chunk: Any, observed: Observed) -> Data:
        """Return a chunk as data."""
        if self.scale != 1.0:
            chunk = multiplied(chunk, self.scale)
        return observed.data(chunk, nonnegative=self.nonnegative, checked=self.checked)


class FunctionCall(NamedTuple):
    """A function of a part with its arguments."""

    function: OfPart
    arguments: tuple[Any, ...]


def on_chunk(
    call: FunctionCall, how: ChunkReader, index: int, chunk: Any, observed: Observed, labels: Labels | None, *rows: Any
) -> Any:
    """Call a function on a chunk, in the process where the chunk is, and perhaps on rows of another array for its samples."""
    memory = _memory_of(how.token).setdefault(index, {})
    part = Part(how.data(chunk, observed), labels, memory=memory, stays=False)
    return call.function(part, *rows, *call.arguments)


def sum_of(*results: Any) -> Any:
    """Return the sum of results of parts."""
    return reduce(added, results)


class OnDask(Parts):
    """The chunks of a Dask array along its first axis.

    Parameters
    ----------
    chunks : sequence of Delayed
        The chunks.
    sizes : sequence of int
        Their numbers of samples.
    shape, dtype
        Those of the array.
    how : ChunkReader
        How chunks become data.
    observed : Observed
        Masks and weights of all samples.
    """

    def __init__(
        self,
        chunks: Sequence[Any],
        sizes: Sequence[int],
        shape: Sequence[int],
        dtype: Any,
        how: ChunkReader,
        observed: Observed,
    ) -> None:
        self.chunks, self.sizes = list(chunks), list(sizes)
        self.shape, self.how = tuple(shape), how
        self._observed = observed
        self._observed_of_chunks = self._of_chunks(observed)
        self._memory = _held.setdefault(how.token, _Memory())
        self.prototype = np.empty((0, *self.shape[1:]), dtype)
        self._labels: Sequence[Any] = [None] * len(self.chunks)

    @classmethod
    def of_array(cls, X: Any, mask: Any, weights: Any, *, nonnegative: bool) -> OnDask:
        """Return the parts of a Dask array."""
        X, mask, weights = (
            _with_known_sizes(X),
            tuple(map(_with_known_sizes, as_masks(mask))),
            _with_known_sizes(weights),
        )
        X = X.rechunk({axis: -1 for axis in range(1, X.ndim)})
        sizes = [size for size in X.chunks[0] if size]
        if not sizes:
            raise ValueError(f"X must have no empty axis, got shape {X.shape}")
        chunks = [chunk for chunk, size in zip(X.to_delayed().ravel(), X.chunks[0], strict=True) if size]
        observed = Observed.of(mask, weights, X)
        return cls(chunks, sizes, X.shape, X.dtype, ChunkReader(uuid4().hex, nonnegative), observed)

    def _of_chunks(self, observed: Observed) -> list[Any]:
        """Return masks and weights by chunk, each of them where it is needed."""
        import dask

        if not observed:
            return [observed] * len(self.chunks)
        masks = list(zip(*map(self._pieces, observed.masks), strict=True)) or [()] * len(self.chunks)
        make = dask.delayed(Observed, pure=False)
        found = [make(*pieces) for pieces in zip(masks, self._pieces(observed.weights), strict=True)]
        # What is in memory travels once, to where it is needed.
        return found if any(map(is_dask, (*observed.masks, observed.weights))) else list(dask.persist(*found))

    def _pieces(self, x: Any) -> list[Any]:
        """Return a mask or weights, or other rows for the samples, by chunk."""
        import dask

        n = self.shape[0]
        if is_dask(x) and x.shape[0] == n:
            x = x.rechunk((tuple(self.sizes), *[-1] * (x.ndim - 1)))
            return list(x.to_delayed().ravel())
        x = x.compute() if is_dask(x) else x
        return [dask.delayed(cut(x, slice(a, b), n), traverse=False) for a, b in self._bounds]

    @property
    def _bounds(self) -> list[tuple[int, int]]:
        """The first sample of every chunk, and the one after its last."""
        return list(pairwise(np.cumsum([0, *self.sizes]).tolist()))

    def times(self, scale: float) -> OnDask:
        parts = copy(self)
        parts.how = self.how._replace(scale=scale, token=uuid4().hex)
        parts._memory, parts._facts = _held.setdefault(parts.how.token, _Memory()), None
        return parts

    def _tasks(self, function: OfPart, arguments: tuple[Any, ...], *beside: Sequence[Any]) -> list[Any]:
        import dask

        # One task holds the arguments, so that they travel to every worker once.
        call = dask.delayed(FunctionCall(function, arguments), traverse=False, pure=False)
        how = self.how._replace(checked=self.is_checked)
        run = dask.delayed(on_chunk, pure=False)
        return [
            run(call, how, i, *of_part)
            for i, of_part in enumerate(zip(self.chunks, self._observed_of_chunks, self._labels, *beside, strict=True))
        ]

    def each(self, function: OfPart, *arguments: Any) -> list[Any]:
        import dask

        return list(dask.compute(*self._tasks(function, arguments)))

    def each_with(self, array: Any, function: OfPart, *arguments: Any) -> list[Any]:
        import dask

        return list(dask.compute(*self._tasks(function, arguments, self._pieces(array))))

    def checked_rows(self, array: Any, name: str) -> Any:
        return array if is_dask(array) else super().checked_rows(array, name)

    def total(self, function: OfPart, *arguments: Any) -> Any:
        import dask

        results, add = self._tasks(function, arguments), dask.delayed(sum_of, pure=False)
        while len(results) > 1:
            results = [add(*results[i : i + FAN_IN]) for i in range(0, len(results), FAN_IN)]
        return dask.compute(results[0])[0]

    def rows(
        self, function: OfPart, *arguments: Any, columns: int | None, dtype: Any = None, at_once: bool = False
    ) -> Any:
        import dask
        import dask.array

        dtype = dtype or (self.prototype.dtype if self.prototype.dtype.kind == "f" else np.float64)
        of_sample = () if columns is None else (columns,)
        tasks = self._tasks(function, arguments)
        if at_once:
            tasks = list(dask.persist(*tasks))
        blocks = [
            dask.array.from_delayed(task, (size, *of_sample), dtype)
            for task, size in zip(tasks, self.sizes, strict=True)
        ]
        return dask.array.concatenate(blocks)

    def taken(self, rows: np.ndarray) -> Data:
        import dask

        take = dask.delayed(rows_of, pure=False)
        found = [take(chunk, rows_between(rows, *b)) for chunk, b in zip(self.chunks, self._bounds, strict=True)]
        *found, observed = dask.compute(*found, self._observed.of_rows(rows, self.shape[0]))
        return self.how.data(joined(found), observed)

    def with_labels(self, labels: Labels | None) -> OnDask:
        import dask

        parts = copy(self)
        parts.labels = labels
        if labels is not None:
            slices = [labels.take(slice(a, b)) for a, b in self._bounds]
            # They travel once, to where they are needed.
            parts._labels = dask.persist(*[dask.delayed(each, traverse=False, pure=False) for each in slices])
        return parts

    def derived(self, function: Callable[..., Any], *arguments: Any, columns: int) -> OnDask:
        import dask

        # Kept where they are: the levels above read them many times.
        chunks = dask.persist(*self._tasks(function, arguments))
        how = ChunkReader(uuid4().hex, nonnegative=True)
        parts = OnDask(chunks, self.sizes, (self.shape[0], columns), np.float64, how, Observed())
        parts.labels, parts._labels = self.labels, self._labels
        return parts

    @property
    def always_remembers(self) -> bool:
        return tasks_run_in_this_process()

    def memories(self) -> Iterable[dict[Any, Any]]:
        return self._memory.values()


def tasks_run_in_this_process() -> bool:
    """Return whether the scheduler of Dask is that of threads, its default, or runs one task after the other."""
    import dask.base
    import dask.local
    import dask.threaded

    here = (None, dask.threaded.get, dask.local.get_sync)
    return dask.base.get_scheduler(cls=None, collections=None) in here


def is_dask(X: Any) -> bool:
    """Return whether `X` is a Dask array."""
    return type(X).__module__.partition(".")[0] == "dask" and hasattr(X, "chunks") and not is_sparse_tensor(X)


def _with_known_sizes(x: Any) -> Any:
    """Return a Dask array whose chunks have known sizes; anything else is returned unchanged."""
    if is_dask(x) and any(np.isnan(size) for axis in x.chunks for size in axis):
        # The sizes are written into the array, which is the caller's.
        return x.copy().compute_chunk_sizes()
    return x
