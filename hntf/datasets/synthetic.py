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
    """A matrix `X` `(90, 87)` with three nested levels of classes, and the labels of its samples at each level."""

    X: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    supergroups: np.ndarray


def make_hierarchical_blocks(
    *, noise: float = 0.15, random_state: int | np.random.RandomState | None = None
) -> HierarchicalBlocks:
    """Generate the synthetic matrix with a known three-level hierarchy, 90 samples of 87 features.

    Each of nine classes of samples has a block of features. The classes gather into four groups, and these into two supergroups.
    An entry is 4 in the block of the class itself, 2 in another block of its group, 1 in another block of its supergroup and 0
    elsewhere, plus noise that is uniform on `[0, noise]`. The true ranks are `(9, 4, 2)`.

    Parameters
    ----------
    noise : float
        The largest value of the noise, at least 0.
    random_state : int, RandomState or None
        Seed or generator of the noise. Pass an int for reproducible results.

    Returns
    -------
    HierarchicalBlocks
        The matrix `X` and the labels `classes`, `groups` and `supergroups` of its samples, each `(90,)`.

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
    """A tensor `X` `(40, 40, 40)` with three nested levels of blocks, the same without noise, and labels of its samples."""

    X: np.ndarray
    clean: np.ndarray
    groups: np.ndarray
    supergroups: np.ndarray


def make_hierarchical_tensor(
    *, noise: float = 0.4, random_state: int | np.random.RandomState | None = None
) -> HierarchicalTensor:
    """Generate the synthetic tensor with a known three-level hierarchy, 40 × 40 × 40.

    Two large blocks of value 0.75 each contain two blocks of value 2. Three of these four contain two blocks of value 3.5 each,
    the last one none. The true ranks are 7, 4 and 2. The noise added to each entry is `noise` times the absolute value of a
    standard normal number.

    Parameters
    ----------
    noise : float
        The scale of the noise, at least 0; the papers' low and high noise are 0.1 and 0.4.
    random_state : int, RandomState or None
        Seed or generator of the noise. Pass an int for reproducible results.

    Returns
    -------
    HierarchicalTensor
        The tensor `X`, the tensor `clean` without noise, and the labels `groups` (4) and `supergroups` (2) of the samples, each
        `(40,)`: the blocks of value 2 and of value 0.75 to which an index of mode 0 belongs.

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
