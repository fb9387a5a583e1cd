"""Which samples are outside of memory, and who reads them."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.fitting.parts.in_turn import InTurn
from hntf.fitting.parts.on_dask import OnDask, is_dask
from hntf.fitting.parts.protocol import Parts
from hntf.fitting.parts.sources import source_of


def parts_of(X: Any, mask: Any, weights: Any, *, nonnegative: bool) -> Parts | None:
    """Return the parts of samples that are not in memory; None for all others."""
    if is_dask(X):
        return OnDask.of_array(X, mask, weights, nonnegative=nonnegative)
    source = source_of(X)
    if source is None:
        return None
    return InTurn(source, mask, weights, nonnegative=nonnegative, loads=isinstance(X, np.memmap))
