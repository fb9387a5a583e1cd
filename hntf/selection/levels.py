"""Which numbers of gathered components are levels of a hierarchy, and not what chance makes of components without one.

Two components gather into one at no cost if they are equal in every mode, and gather the more clearly the more modes they share:
their distance is `1 - (c_1^2 ... c_N^2)^(1/N)` with the congruences `c_i` of their profiles in the N modes, that of the samples
among them. Average linkage of these distances gives a tree of the components, and the logarithm of the ratio of successive
heights, `log(h(r to r-1) / h(r+1 to r))`, tells how much more it costs to gather below r components than to gather down to r. A
level is where this ratio has a peak that chance does not reach: permuting the distances between pairs, which leaves their
distribution and takes the hierarchy away, exceeds it in 5 % of the draws at most. The distances are means over several fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform

from hntf.metrics.matching import congruences, matched

DRAWS = 500
CHANCE = 0.05
SMALLEST_RATIO = 0.05
"""Logarithm of the ratio of heights below which a level is not worth having, whatever chance says."""

MOST_OF_FINER = 0.75
"""Number of components of a level, divided by that of the finest one, at most."""


class LevelTest(NamedTuple):
    """What the tree of the finest components says about a number of components.

    Attributes
    ----------
    ratio : float
        The logarithm of the ratio of the heights above and below.
    chance : float
        The fraction of random permutations of the distances whose ratio is as large.
    is_peak : bool
        Whether the ratio exceeds those of the neighbouring numbers.
    """

    ratio: float
    chance: float
    is_peak: bool

    @property
    def is_level(self) -> bool:
        """Whether such a level is worth having."""
        return self.is_peak and self.ratio > SMALLEST_RATIO and self.chance <= CHANCE


def gathering_distances(fits: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Return the mean distances of components over several fits, `(k, k)`; a fit is its factors by mode, `(d_i, k)`."""
    total = _distances(fits[0])
    for factors in fits[1:]:
        order = matched(fits[0], factors)[0]
        total = total + _distances([U[:, order] for U in factors])
    return total / len(fits)


def tested_levels(distances: np.ndarray, seed: int) -> dict[int, LevelTest]:
    """Return the test of every number of components from 2 to that of the finest level less one."""
    pairs = squareform(distances, checks=False)
    k = len(distances)
    if k < 4:
        return {}
    ratios = _ratios(pairs)
    rng = np.random.default_rng(seed)
    null = np.array([_ratios(rng.permutation(pairs)) for _ in range(DRAWS)])
    chance = (null >= ratios - 1e-12).mean(axis=0)
    padded = np.concatenate([[0.0], ratios, [0.0]])
    largest = MOST_OF_FINER * k
    return {
        r: LevelTest(
            float(ratios[i]), float(chance[i]), bool(ratios[i] > max(padded[i], padded[i + 2]) and r <= largest)
        )
        for i, r in enumerate(range(2, k))
    }


def _ratios(pairs: np.ndarray) -> np.ndarray:
    """Return the logarithms of the ratios of successive heights, for 2, 3, …, k − 1 components."""
    heights = np.maximum.accumulate(np.maximum(linkage(pairs, "average")[:, 2], 1e-12))
    return np.log(heights[1:] / heights[:-1])[::-1]


def _distances(factors: Sequence[np.ndarray]) -> np.ndarray:
    squares = np.prod([congruences(U, U) ** 2 for U in factors], axis=0)
    distances = 1.0 - np.minimum(squares, 1.0) ** (1.0 / len(factors))
    np.fill_diagonal(distances, 0.0)
    return distances
