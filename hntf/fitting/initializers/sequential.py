"""Level by level: an NMF of the data, then of its codes, and so on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.fitting.initializers.scaling import balanced
from hntf.fitting.initializers.single_level import best_single_level


def sequential(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Factorize `S_{l−1} ≈ S_l A_lᵀ` one level after the other, as hierarchical NMF does (Cichocki & Zdunek 2006)."""
    factors = []
    level: Data = data
    for rank in ranks:
        S, A = _code_with_scale(level, rank, random_state)
        factors.append(A)
        level = DenseData(S)
    return balanced(factors)


def _code_with_scale(data: Data, rank: int, random_state: np.random.RandomState) -> tuple[Array, Array]:
    """Return `S` and `A` of an NMF, the columns of `A` of unit norm so that the code carries the scale of the data."""
    S, A = best_single_level(data, rank, random_state).factors
    norms = (A * A).sum(0) ** 0.5
    norms = norms + (norms == 0)
    return S * norms, A / norms
