"""Conversion of arrays, tensors and sparse matrices to data objects."""

from __future__ import annotations

from typing import Any

import scipy.sparse

from hntf.arrays import Array
from hntf.data.dense import DenseData
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.weighted import WeightedData
from hntf.validation import check_boolean, check_real_array, check_same_home, check_shape, check_sparse


def as_data(X: Any, *, mask: Any = None, weights: Array | None = None, nonnegative: bool = False) -> Data:
    """Return `X` as the data object that layers, losses and estimators work on.

    Parameters
    ----------
    X : array, tensor or scipy.sparse matrix of order 2 or more, or Data
        Samples along mode 0. Data objects are returned as they are.
    mask : bool array, shape of `X`, or "nan", optional
        True where an entry is observed, as in TensorLy; `"nan"` masks the entries of `X` that are NaN. For dense `X` only.
    weights : array, shape of `X`, optional
        Nonnegative weights of the squared residuals, multiplied by the mask if there is one. For dense `X` only.
    nonnegative : bool
        Whether negative entries of `X` raise an error.

    Returns
    -------
    Data
        The data object, in float64, on the device of `X`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a real array, has NaN, infinite or (with `nonnegative`) negative entries, an empty axis or the wrong
        shape, or belongs to another backend or device.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.as_data(np.array([[3.0, 4.0], [0.0, 0.0]])).norm_squared()
    25.0
    """
    if isinstance(X, Data):
        if mask is not None or weights is not None:
            raise ValueError("mask and weights belong to as_data: X is a data object already")
        return X
    if scipy.sparse.issparse(X):
        if mask is not None or weights is not None:
            raise TypeError("mask and weights need a dense X, got a sparse matrix; use X.toarray()")
        return SparseData(check_sparse(X, "X", nonnegative=nonnegative))
    X = check_real_array(X, "X", entries=False)
    if X.ndim < 2:
        raise ValueError(
            f"X must have order 2 or more, got order {X.ndim} with shape {tuple(X.shape)}. "
            "Reshape your data with X.reshape(1, -1) if it is one sample"
        )
    if isinstance(mask, str):
        if mask != "nan":
            raise ValueError(f"mask must be an array or 'nan', got {mask!r}")
        mask = X == X  # noqa: PLR0124  NaN is the one number that differs from itself
        X = X * 1
        X[~mask] = 0
    check_real_array(X, "X", nonnegative=nonnegative)
    if mask is None and weights is None:
        return DenseData(X)
    check_same_home({"X": X, "mask": mask, "weights": weights})
    if mask is not None:
        mask = check_boolean(mask, "mask", tuple(X.shape), "that of X")
    if weights is None:
        return WeightedData(X, mask)
    weights = check_real_array(weights, "weights", nonnegative=True)
    check_shape(weights, "weights", tuple(X.shape), "that of X")
    return WeightedData(X, weights if mask is None else weights * mask)
