"""Generators of reference problems."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_random_state

FEATURE_BLOCKS = (10, 5, 10, 12, 13, 4, 11, 8, 14)
SAMPLE_BLOCKS = (10, 10, 5, 7, 5, 20, 10, 9, 14)
GROUP_OF_CLASS = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
SUPERGROUP_OF_CLASS = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])


class HierarchicalBlocks(NamedTuple):
    """A matrix with three nested levels of classes: `X` `(90, 87)`, and the labels of its samples at each level."""

    X: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    supergroups: np.ndarray


def make_hierarchical_blocks(
    *, noise: float = 0.15, random_state: int | np.random.RandomState | None = None
) -> HierarchicalBlocks:
    """Draw the synthetic matrix with a known three-level hierarchy, 90 samples of 87 features.

    Nine classes of samples have a block of features each; they gather into four groups and two supergroups. An entry is 4 in
    the class's own block, 2 in another block of its group, 1 in another block of its supergroup, 0 elsewhere, plus noise
    that is uniform on `[0, noise]`. The natural ranks are `(9, 4, 2)`.

    Parameters
    ----------
    noise : float
        Largest noise, at least 0.
    random_state : int, RandomState or None

    Returns
    -------
    HierarchicalBlocks

    References
    ----------
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*; there columns are samples.

    Examples
    --------
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> make_hierarchical_blocks(random_state=0).X.shape
    (90, 87)
    """
    of_feature = np.repeat(np.arange(9), FEATURE_BLOCKS)
    of_sample = np.repeat(np.arange(9), SAMPLE_BLOCKS)
    X = np.zeros((len(of_sample), len(of_feature)))
    for value, membership in ((1.0, SUPERGROUP_OF_CLASS), (2.0, GROUP_OF_CLASS), (4.0, np.arange(9))):
        X[membership[of_sample][:, None] == membership[of_feature]] = value
    X += noise * check_random_state(random_state).uniform(size=X.shape)
    return HierarchicalBlocks(X, of_sample, GROUP_OF_CLASS[of_sample], SUPERGROUP_OF_CLASS[of_sample])
