"""A part of the samples, with what fits remember of it from one pass to the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.least_squares.gram import Gram
from hntf.least_squares.gram_blocks import all_formed


class Part:
    """Some samples with their labels.

    Parameters
    ----------
    data : Data
        The samples.
    labels : Labels, optional
        Their labels.
    memory : dict, optional
        What the fits remember of the part: codes, supports from which the next searches start, and so on.
    stays : bool
        Whether the data stay in memory from one pass to the next, so that what is remembered may refer to them.
    """

    def __init__(
        self, data: Data, labels: Labels | None = None, *, memory: dict[Any, Any] | None = None, stays: bool = True
    ) -> None:
        self.data = data
        self.labels = labels
        self.memory = {} if memory is None else memory
        self.stays = stays

    def of_sweep(self, key: str, sweep: int, find: Callable[[], Any]) -> Any:
        """Return what is remembered of a sweep; if it was lost, or is that of an older sweep, `find` finds it again."""
        state = self.memory.get(key)
        if state is None or state.sweep != sweep:
            find()
        return self.memory[key]

    def returned(self, G: Gram) -> Gram:
        """Return a Gram matrix as a result of the part, as an array if it refers to data that do not stay."""
        return G if self.stays else all_formed(G)
