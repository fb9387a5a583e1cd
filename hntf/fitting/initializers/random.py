"""Random factors with columns of unit norm."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.arrays import Array, from_numpy
from hntf.data import Data


def random(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Draw all factors uniformly from `[0, 1]` with columns scaled to unit norm; the codes carry the scale of the data."""
    dimensions = [data.shape[1], *ranks]
    return [random_factor(data, d, k, random_state) for d, k in zip(dimensions, ranks, strict=False)]


def random_factor(data: Data, dimension: int, rank: int, random_state: np.random.RandomState) -> Array:
    """Draw one random factor, in the backend and on the device of the data."""
    U = random_state.uniform(size=(dimension, rank))
    return from_numpy(U / np.linalg.norm(U, axis=0), data.prototype)
