"""Hoyer's measure of sparsity."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import to_numpy
from hntf.validation import check_real_array, mode_index


def sparsity(x: Any, axis: int | None = None) -> Any:
    r"""Return Hoyer's sparsity, 0 where all entries are equal and 1 where a single one is not zero.

    .. math:: \frac{\sqrt n - \|x\|_1 / \|x\|_2}{\sqrt n - 1}

    Parameters
    ----------
    x : array
        A factor, a code, or any other array.
    axis : int, optional
        The axis of the vectors; by default all entries are one vector. A vector of zeros, or of one entry, has sparsity 1.

    References
    ----------
    Hoyer (2004), *Non-negative matrix factorization with sparseness constraints*, JMLR 5.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.metrics.sparsity(np.array([[1.0, 1.0], [0.0, 5.0]]), axis=1).round(12)
    array([0., 1.])
    """
    array = to_numpy(check_real_array(x, "x")).astype(float)
    if axis is None:
        array, axis = array.ravel(), 0
    axis = mode_index(axis, array.ndim, name="axis")
    root = array.shape[axis] ** 0.5
    largest = np.abs(array).max(axis=axis, keepdims=True)
    array = array / np.where(largest > 0, largest, 1.0)
    norm = np.linalg.norm(array, axis=axis)
    ratio = np.abs(array).sum(axis=axis) / np.where(norm > 0, norm, 1.0)
    result = np.clip((root - ratio) / (root - 1.0), 0.0, 1.0) if root > 1 else np.ones_like(ratio)
    return float(result) if np.ndim(result) == 0 else result
