"""A good single level: several random starts of a few sweeps each, of which the best one is continued."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hntf.data import Data
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.loop import advance
from hntf.fitting.updates.alternating import AlternatingCP

SCREENING_SWEEPS = 10
FINAL_SWEEPS = 60
FINAL_TOL = 1e-5
FEWEST_STARTS, MOST_STARTS = 3, 12
SCREENING_WORK = 3e8
"""Number of multiply-adds for the screening of one level, so that small problems get more starts."""


def best_single_level(data: Data, rank: int, random_state: np.random.RandomState) -> AlternatingCP:
    """Return the best of several nonnegative CP decompositions of the given rank from random starts."""
    descent = screened_start(data, rank, random_state)
    if not _is_redundant(data, rank):
        advance(descent, max_iter=FINAL_SWEEPS, tol=FINAL_TOL)
    return descent


def best_levels(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[AlternatingCP]:
    """Return the best single-level decomposition of every rank."""
    return [best_single_level(data, rank, random_state) for rank in ranks]


def screened_start(data: Data, rank: int, random_state: np.random.RandomState) -> AlternatingCP:
    """Return the best of several random starts after a few sweeps each."""
    work = SCREENING_SWEEPS * (2 * data.n_entries * rank + sum(data.shape) * rank**3 / 3)
    starts = int(np.clip(SCREENING_WORK / work, FEWEST_STARTS, MOST_STARTS))
    if _is_redundant(data, rank):
        starts = 1
    candidates = []
    for _ in range(starts):
        factors = [random_factor(data, d, rank, random_state) for d in data.shape[1:]]
        descent = AlternatingCP.from_features(data, factors)
        descent.n_screened, _ = advance(descent, max_iter=SCREENING_SWEEPS, tol=0.0)
        # The first sweep of what follows is compared with the end of the screening, not the end with the sweep before it.
        descent.previous = float("inf")
        candidates.append(descent)
    return min(candidates, key=lambda candidate: candidate.error)


def _is_redundant(data: Data, rank: int) -> bool:
    """Tell whether there are more components than the rank of the data: then any start will do, and sweeps are slow."""
    return rank > math.prod(data.shape) // max(data.shape)
