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


COARSE_BLOCKS = (((0, 20),) * 3, ((20, 40),) * 3)
MIDDLE_BLOCKS = (
    ((0, 12), (0, 12), (0, 8)),
    ((12, 20), (12, 20), (8, 20)),
    ((20, 27), (20, 34), (20, 27)),
    ((27, 40), (34, 40), (27, 40)),
)
FINE_BLOCKS = (
    ((0, 12), (0, 6), (0, 4)),
    ((0, 12), (6, 12), (4, 8)),
    ((12, 17), (12, 20), (8, 13)),
    ((17, 20), (12, 20), (13, 20)),
    ((20, 23), (20, 27), (20, 27)),
    ((23, 27), (27, 34), (20, 27)),
)


class HierarchicalTensor(NamedTuple):
    """A tensor with three nested levels of blocks: `X` `(40, 40, 40)`, the same without noise, and labels of its samples."""

    X: np.ndarray
    clean: np.ndarray
    groups: np.ndarray
    supergroups: np.ndarray


def make_hierarchical_tensor(
    *, noise: float = 0.4, random_state: int | np.random.RandomState | None = None
) -> HierarchicalTensor:
    """Draw the synthetic tensor with a known three-level hierarchy, 40 × 40 × 40.

    Two large blocks of 0.75 hold two blocks of 2 each, and those hold six blocks of 3.5 between them, of which the last of the four
    has none: 7, 4 and 2 are the natural ranks. The noise is `noise` times the size of a normal number, entry by entry.

    Parameters
    ----------
    noise : float
        At least 0; the papers' low and high noise are 0.1 and 0.4.
    random_state : int, RandomState or None

    Returns
    -------
    HierarchicalTensor
        `groups` (4) and `supergroups` (2) are the blocks of the second and first level that a sample, an index of mode 0, is in.

    References
    ----------
    Vendrow, Haddock, Needell (2021), *Neural nonnegative CP decomposition for hierarchical tensor analysis*, Asilomar.

    Examples
    --------
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> make_hierarchical_tensor(random_state=0).X.shape
    (40, 40, 40)
    """
    clean = np.zeros((40, 40, 40))
    for value, blocks in ((0.75, COARSE_BLOCKS), (2.0, MIDDLE_BLOCKS), (3.5, FINE_BLOCKS)):
        for block in blocks:
            clean[tuple(slice(*ends) for ends in block)] = value
    X = clean + noise * np.abs(check_random_state(random_state).standard_normal(clean.shape))
    groups, supergroups = (np.zeros(40, int) for _ in range(2))
    for labels, blocks in ((groups, MIDDLE_BLOCKS), (supergroups, COARSE_BLOCKS)):
        for label, (samples, *_) in enumerate(blocks):
            labels[slice(*samples)] = label
    return HierarchicalTensor(X, clean, groups, supergroups)
