"""Samples that are read part by part, from files or from an iterable of blocks: a pass reads every part once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import reduce
from typing import Any

import numpy as np

from hntf.costs.targets import Labels
from hntf.data import Data, DenseData
from hntf.data.units import multiplied
from hntf.fitting.parts.blocks import digest_of, joined, rows_between, rows_of
from hntf.fitting.parts.observed import Observed
from hntf.fitting.parts.part import Part
from hntf.fitting.parts.protocol import InMemory, OfPart, Parts, added, stacked
from hntf.fitting.parts.sources import Source
from hntf.validation import check_real_dtype


class InTurn(Parts):
    """Samples outside of memory, read block by block; while a function works on one, the next is read.

    Parameters
    ----------
    source : Source
        Where the samples are.
    mask, weights
        As in `as_data`, for all samples.
    nonnegative : bool
        Whether negative entries raise an error.
    loads : bool
        Whether a method that takes data in memory alone may load them.
    """

    def __init__(self, source: Source, mask: Any, weights: Any, *, nonnegative: bool, loads: bool = False) -> None:
        check_real_dtype(source.dtype, "X")
        self.source = source
        self.axes = source.axes
        self._observed = Observed.of(mask, weights, source)
        self.nonnegative, self.loads = nonnegative, loads
        self.shape = source.shape
        self.prototype = np.empty((0, *source.shape[1:]), source.dtype)
        self._memories: list[dict[Any, Any]] = [{} for _ in source.bounds]
        self._scale = 1.0
        self._known: dict[int, bytes] = {}  # digests of the blocks as they were read first

    def _blocks(self) -> Iterator[Any]:
        """Yield the blocks, which must be those that the source held when it was opened."""
        i = 0
        for i, block in enumerate(self._read_ahead(), start=1):
            if i > len(self.source.bounds):
                raise ValueError(f"X must hold the same blocks whenever it is read; there are more than {i - 1} now")
            start, stop = self.source.bounds[i - 1]
            if tuple(block.shape) != (stop - start, *self.shape[1:]) or self._has_changed(i - 1, block):
                raise ValueError(f"X must hold the same blocks whenever it is read; block {i - 1} has changed")
            yield block
        if i < len(self.source.bounds):
            raise ValueError(f"X must hold the same blocks whenever it is read; there are only {i} now")

    def _has_changed(self, i: int, block: Any) -> bool:
        """Tell whether a block is another one than before, as in blocks of samples in another order."""
        if not self.source.may_change:
            return False
        digest = digest_of(block)
        return self._known.setdefault(i, digest) != digest

    def _read_ahead(self) -> Iterator[Any]:
        if self.source.is_in_memory:
            yield from self.source
            return
        blocks = iter(self.source)
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(next, blocks, None)
            while (block := ahead.result()) is not None:
                ahead = reader.submit(next, blocks, None)
                yield block

    def _parts(self) -> Iterator[Part]:
        for block, bounds, memory in zip(self._blocks(), self.source.bounds, self._memories, strict=True):
            rows = slice(*bounds)
            labels = None if self.labels is None else self.labels.take(rows)
            yield Part(self._data(block, rows), labels, memory=memory, stays=False)

    def times(self, scale: float) -> InTurn:
        parts = copy(self)
        parts._scale, parts._facts, parts._memories = scale, None, [{} for _ in self.source.bounds]
        return parts

    def _in_units(self, block: Any) -> Any:
        return block if self._scale == 1.0 else multiplied(block, self._scale)

    def _data(self, block: Any, rows: slice) -> Data:
        observed = self._observed.of_rows(rows, self.shape[0])
        return observed.data(self._in_units(block), nonnegative=self.nonnegative, checked=self.is_checked)

    def each(self, function: OfPart, *arguments: Any) -> list[Any]:
        return [function(part, *arguments) for part in self._parts()]

    def total(self, function: OfPart, *arguments: Any) -> Any:
        return reduce(added, (function(part, *arguments) for part in self._parts()))

    def each_with(self, array: Any, function: OfPart, *arguments: Any) -> list[Any]:
        pairs = zip(self._parts(), self.source.bounds, strict=True)
        return [function(part, np.asarray(array[a:b]), *arguments) for part, (a, b) in pairs]

    def rows(
        self, function: OfPart, *arguments: Any, columns: int | None, dtype: Any = None, at_once: bool = False
    ) -> Any:
        return stacked(self.each(function, *arguments))

    def taken(self, rows: np.ndarray) -> Data:
        pairs = zip(self._blocks(), self.source.bounds, strict=True)
        found = [rows_of(block, rows_between(rows, *bounds)) for block, bounds in pairs]
        return self._observed.of_rows(rows, self.shape[0]).data(self._in_units(joined(found)))

    def _loaded(self) -> Data:
        block = self._in_units(joined(list(self._blocks())))
        return self._observed.data(block, nonnegative=self.nonnegative)

    def with_labels(self, labels: Labels | None) -> InTurn:
        parts = copy(self)
        parts.labels = labels
        return parts

    def derived(self, function: OfPart, *arguments: Any, columns: int) -> InMemory:
        return InMemory.of(DenseData(self.rows(function, *arguments, columns=columns)), self.labels)

    @property
    def held(self) -> Data:
        return self._loaded() if self.loads else super().held

    def memories(self) -> list[dict[Any, Any]]:
        return self._memories
