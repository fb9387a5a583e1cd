"""A part of the samples, with what fits remember of it from one pass to the next."""

from __future__ import annotations

from typing import Any

from hntf.costs.targets import Labels
from hntf.data import Data


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
