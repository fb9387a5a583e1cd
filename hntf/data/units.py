"""Data in other units, so that sums of their squares neither overflow nor vanish."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import as_float64, is_torch
from hntf.data.sparse_arrays import entries_of, is_sparse_tensor
from hntf.scales import inverse_power

MODERATE = (1e-50, 1e50)
"""Range of the largest entry of `X` in which its fourth power is far from overflow and underflow; other data are rescaled."""


def moderate_scale(smallest: float, largest: float) -> float:
    """Return the power of two by which data with these extreme entries are multiplied: 1 where they are moderate, or zero."""
    size = max(abs(smallest), abs(largest))
    return 1.0 if size == 0.0 or MODERATE[0] < size < MODERATE[1] else float(inverse_power(size))


def multiplied(X: Any, scale: float) -> Any:
    """Return an array, sparse matrix or sparse tensor times a number, in float64; what a mask hides may overflow."""
    with np.errstate(over="ignore"):
        if is_sparse_tensor(X):
            entries = entries_of(X, "X")
            return entries._replace(values=entries.values.astype(np.float64) * scale)
        if scipy.sparse.issparse(X):
            return X.astype(np.float64) * scale
        return as_float64(X if is_torch(X) else np.asarray(X)) * scale
