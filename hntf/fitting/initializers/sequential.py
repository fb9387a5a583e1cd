"""The start level by level: an NMF of the data, then of its code, and so on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.scaling import balanced, with_unit_columns


def sequential(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Factorize `S_{l−1} ≈ S_l A_lᵀ` one level after the other, as hierarchical NMF does (Cichocki & Zdunek 2006)."""
    factors = []
    level: Data = data
    for rank in ranks:
        S, A = best_single_level(level, rank, random_state).factors
        A, norms = with_unit_columns(A)
        factors.append(A)
        # The code carries the scale of the data to the next level.
        level = DenseData(S * norms)
    return balanced(factors)
