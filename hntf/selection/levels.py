"""Which numbers of gathered components are levels of a hierarchy, and not what chance makes of components without one.

Two components gather into one at no cost if they are equal in every mode, and gather the more clearly the more modes they share.
With the congruences `c_i` of their profiles in the N modes, that of the samples among them, there are three distances:

- `1 - c_1 ... c_N` shows groups whose members are alike in all modes;
- `1 - (c_1 ... c_N)^(1 / (N - 1))` shows wide groups, whose members overlap a little; for matrices it is the first;
- `1 - c_2 ... c_N` shows groups of classes: each sample is of one of them, so that they share no samples.

Average linkage gives a tree of the components, and the logarithm of the ratio of successive heights,
`log(h(r to r-1) / h(r+1 to r))`, tells how much more it costs to gather below r components than to gather down to r.

A level is where this ratio has a peak that is rarely as large in trees of chance, of two kinds: those of the same distances between
other pairs, which lose the hierarchy, and those of profiles whose entries are permuted, which lose all that components share. The
distances are means over several fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage

from hntf.algebra import MATRIX
from hntf.metrics.matching import congruences, matched

DRAWS_OF_DISTANCES, DRAWS_OF_PROFILES = 500, 200

CHANCE_OF_DISTANCES, CHANCE_OF_PROFILES = 0.07, 0.01
"""Fractions of the trees of chance of both kinds that may have as large a peak at a level."""

MOST_ENTRIES = 2000
"""Number of entries of a profile that are permuted; of longer ones a random part is."""

SMALLEST_RATIO = 0.05
"""Logarithm of the ratio of heights below which a level is not worth having, whatever chance says."""

MOST_OF_FINER = 0.75
"""Number of components of a level, divided by that of the finest one, at most."""

FEWEST_COMPONENTS = 4

Fit = Sequence[np.ndarray]
"""The factors of a fit by mode, `(d_i, k)`."""


class LevelTest(NamedTuple):
    """What the tree of the finest components says about a number of components.

    Attributes
    ----------
    ratio : float
        The logarithm of the ratio of the heights above and below, of the distance that shows it best.
    chance_of_distances, chance_of_profiles : float
        The fractions of the trees of chance with as large a peak there; 1 where there is no peak.
    """

    ratio: float
    chance_of_distances: float
    chance_of_profiles: float

    @property
    def is_level(self) -> bool:
        """Whether such a level is worth having."""
        return self.chance_of_distances <= CHANCE_OF_DISTANCES and self.chance_of_profiles <= CHANCE_OF_PROFILES


def tested_levels(fits: Sequence[Fit], seed: int) -> dict[int, LevelTest]:
    """Return the test of every number of components from 2 to that of the finest level less one."""
    k = fits[0][0].shape[1]
    if k < FEWEST_COMPONENTS:
        return {}
    rng = np.random.default_rng(seed)
    distances = _distances_of_pairs(fits)
    ratios = _ratios(distances)
    of_distances = [_ratios(distances[:, rng.permutation(distances.shape[1])]) for _ in range(DRAWS_OF_DISTANCES)]
    profiles = [U[rng.permutation(len(U))[:MOST_ENTRIES]] for U in fits[0]]
    of_profiles = [
        _ratios(_distances_of_pairs([[rng.permuted(U, axis=0) for U in profiles]])) for _ in range(DRAWS_OF_PROFILES)
    ]
    chances = [_chances(ratios, np.array(draws)) for draws in (of_distances, of_profiles)]
    return {
        r: LevelTest(float(ratios[:, i].max()), *(float(c[i]) if r <= MOST_OF_FINER * k else 1.0 for c in chances))
        for i, r in enumerate(range(2, k))
    }


def _distances_of_pairs(fits: Sequence[Fit]) -> np.ndarray:
    """Return the mean distances of all pairs of components over several fits, `(kinds, pairs)`."""
    return np.mean([_distances(fits[0]), *(_distances(_in_order_of(fits[0], fit)) for fit in fits[1:])], axis=0)


def _in_order_of(first: Fit, fit: Fit) -> Fit:
    order = matched(first, fit)[0]
    return [U[:, order] for U in fit]


def _distances(fit: Fit) -> np.ndarray:
    order, pairs = len(fit), np.triu_indices(fit[0].shape[1], 1)
    of_samples, *others = [np.clip(congruences(U, U), 0.0, 1.0)[pairs] for U in fit]
    of_features = np.prod(others, axis=0)
    in_all = of_samples * of_features
    wide = [in_all ** (1.0 / (order - 1))] if order > MATRIX else []
    return 1.0 - np.array([in_all, *wide, of_features])


def _ratios(distances: np.ndarray) -> np.ndarray:
    """Return the logarithms of the ratios of successive heights, for 2, 3, …, k − 1 components, `(kinds, k − 2)`."""
    heights = np.array([linkage(pairs, "average")[:, 2] for pairs in distances])
    heights = np.maximum.accumulate(np.maximum(heights, 1e-12), axis=1)
    return np.log(heights[:, 1:] / heights[:, :-1])[:, ::-1]


def _chances(ratios: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return the fraction of the draws with as large a peak as there is, for every number of components; 1 where there is none.

    Of several distances, the one counts that has the rarest peak, in the draws as well.
    """
    every = np.concatenate([ratios[None], draws])
    padded = np.pad(every, ((0, 0), (0, 0), (1, 1)))
    is_peak = (every > padded[..., :-2]) & (every > padded[..., 2:]) & (every > SMALLEST_RATIO)
    as_large = np.array([(every >= one - 1e-12).mean(axis=0) for one in every])
    rarest = np.where(is_peak, as_large, 1.0).min(axis=1)
    return np.where(rarest[0] < 1.0, (rarest[1:] <= rarest[0] + 1e-12).mean(axis=0), 1.0)
