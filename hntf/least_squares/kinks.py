"""Kinks, where the solution has no derivative: the distance to the nearest one, and a recorder of supports.

The solution is smooth as long as no row's support changes. A finite difference across a change does not approximate a derivative,
so a check of derivatives installs a recorder and compares the supports on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from hntf.arrays import Array, backend_of, to_numpy
from hntf.least_squares.gram import Gram, apply_gram, row_grams


def margin(S: Array, Y: Array) -> Array:
    """Return the strict-complementarity margin of every row, `min_j max(s_j, y_j)`, `(n,)`."""
    tl = backend_of(S)
    return -tl.max(tl.where(S > Y, -S, -Y), axis=1)  # TensorLy has no minimum along an axis in torch


class KinkRecorder:
    """Collects the supports and the smallest margin of all problems that are solved while it is installed."""

    def __init__(self) -> None:
        self.supports: list[np.ndarray] = []
        self.margin = np.inf

    def record(self, S: Array, Y: Array, support: Array) -> None:
        """Record a solution."""
        self.supports.append(to_numpy(support).copy())
        self.margin = min(self.margin, float(margin(to_numpy(S), to_numpy(Y)).min()))

    def crossed(self, other: KinkRecorder) -> bool:
        """Return whether a support differs from that of the `other` run, which means that there is a kink between them."""
        return len(self.supports) != len(other.supports) or any(
            not np.array_equal(a, b) for a, b in zip(self.supports, other.supports, strict=True)
        )

    def crossed_samples(self, other: KinkRecorder, n: int) -> frozenset[int] | None:
        """Return the samples, of `n`, whose support differs; None if the supports do not have one row for each sample."""
        pairs = list(zip(self.supports, other.supports, strict=False))
        if len(self.supports) != len(other.supports) or any(len(a) != n or a.shape != b.shape for a, b in pairs):
            return None
        return frozenset(int(i) for a, b in pairs for i in np.flatnonzero((a != b).any(axis=1)))


_recorder: ContextVar[KinkRecorder | None] = ContextVar("hntf_kink_recorder", default=None)


@contextmanager
def recording() -> Iterator[KinkRecorder]:
    """Record all problems that are solved inside the block."""
    recorder = KinkRecorder()
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


def is_recorded() -> bool:
    """Return whether a recorder is installed."""
    return _recorder.get() is not None


def record(G: Gram, C: Array, S: Array, support: Array) -> None:
    """Record a solved problem if a recorder is installed."""
    recorder = _recorder.get()
    if recorder is not None:
        recorder.record(S, apply_gram(row_grams(G, len(C)), S) - C, support)
