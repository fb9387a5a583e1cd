"""A code tensor as separate problems: the axes between problems become rows, the axes within a problem become columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hntf.arrays import Array, backend_of


class Arrangement:
    """The problems in a code tensor of `shape`, flattened to `(shape[0], k)`; `separate` are the axes between problems."""

    def __init__(self, shape: Sequence[int], separate: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.separate = tuple(self.shape[axis] for axis in separate)
        self.order = [*separate, *(axis for axis in range(len(shape)) if axis not in separate)]
        self.coupled = tuple(self.shape[axis] for axis in self.order[len(separate) :])
        self.inverse = sorted(range(len(self.order)), key=self.order.__getitem__)

    def to_rows(self, code: Array) -> Array:
        """Return the code with one row per problem."""
        moved = backend_of(code).transpose(code.reshape(self.shape), self.order)
        return moved.reshape(-1, math.prod(self.coupled))

    def from_rows(self, rows: Array, like: Array) -> Array:
        """Return the code from its rows, in the shape of `like`."""
        return self.tensor(rows).reshape(like.shape)

    def tensor(self, rows: Array) -> Array:
        """Return the code tensor from its rows."""
        return backend_of(rows).transpose(rows.reshape(*self.separate, *self.coupled), self.inverse)
