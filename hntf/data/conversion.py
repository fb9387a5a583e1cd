"""Conversion of arrays, tensors and sparse matrices to data objects."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import Array, as_bool, from_numpy, is_torch
from hntf.data.dense import DenseData
from hntf.data.given_weights import entry_weights
from hntf.data.hold_out import HoldOut
from hntf.data.masks import ALL_HIDDEN, as_masks, of_entries
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.sparse_arrays import densified, in_scipy, is_sparse_tensor
from hntf.data.sparse_masks import weighted_sparse_data
from hntf.data.sparse_tensor_input import sparse_tensor_data
from hntf.data.weighted import WeightedData
from hntf.validation import check_boolean, check_real_array, check_same_home, check_sparse


def as_data(
    X: Any, *, mask: Any = None, weights: Any = None, nonnegative: bool = False, some_observed: bool = True
) -> Data:
    """Return `X` as the data object that layers, losses and estimators work on.

    An entry that is masked, or whose weight is 0, is hidden: whatever stands there is never looked at.

    Parameters
    ----------
    X : array, tensor, scipy.sparse matrix, sparse tensor `(coordinates, values, shape)` or `sparse.COO`, or Data
        Samples along mode 0. Data objects are returned as they are.
    mask : bool array, "nan", "stored", HoldOut, or a tuple of these, optional
        True where an entry is observed, as in TensorLy; `"nan"` masks the entries of `X` that are NaN; what any of several masks
        hides is hidden. A mask has the shape of `X`, `(n,)` for each sample, or an axis of length 1 where it is the same for a
        whole mode. For a sparse `X` also a sparse array, whose entries that are not stored are False, or `"stored"`: only the
        stored entries of `X` are observed. A `HoldOut` hides a random fraction.
    weights : array, optional
        Nonnegative weights of the squared residuals, multiplied by the mask if there is one, of a shape as for `mask`; for a
        sparse `X` also a sparse array.
    nonnegative : bool
        Whether negative entries of `X` raise an error.
    some_observed : bool
        Whether data of which all entries are hidden raise an error, as they do unless they are a part of others.

    Returns
    -------
    Data
        The data object, in float64, on the device of `X`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a real array, has NaN, infinite or (with `nonnegative`) negative entries that are not hidden, an
        empty axis or the wrong shape, or belongs to another backend or device, or if all entries are hidden.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.as_data(np.array([[3.0, 4.0], [0.0, 0.0]])).norm_squared()
    25.0
    >>> observed = np.array([[True, True], [True, False]])
    >>> hntf.as_data(np.array([[3.0, np.nan], [0.0, -9999.0]]), mask=("nan", observed)).norm_squared()
    9.0
    """
    if isinstance(X, Data):
        if mask is not None or weights is not None:
            raise ValueError("mask and weights belong to as_data: X is a data object already")
        return X
    mask, weights = None if isinstance(mask, tuple) and not mask else mask, in_scipy(weights, "weights")
    if is_sparse_tensor(X):
        return sparse_tensor_data(X, mask, weights, nonnegative=nonnegative, some_observed=some_observed)
    if scipy.sparse.issparse(X):
        if mask is None and weights is None:
            return SparseData(check_sparse(X, "X", nonnegative=nonnegative, hidden_by="mask='nan'"))
        return weighted_sparse_data(X, mask, weights, nonnegative=nonnegative, some_observed=some_observed)
    X = check_real_array(X, "X", entries=False)
    if X.ndim < 2:
        raise ValueError(
            f"X must have order 2 or more, got order {X.ndim} with shape {tuple(X.shape)}. "
            "Reshape your data with X.reshape(1, -1) if it is one sample"
        )
    if mask is None and weights is None:
        return DenseData(check_real_array(X, "X", nonnegative=nonnegative, hidden_by="mask='nan'"))
    masks = tuple(_dense(each, "mask", X) for each in as_masks(mask))
    weights = _weights_of_entries(X, masks, _dense(weights, "weights", X), some_observed=some_observed)
    X = X * 1
    X[~(weights > 0)] = 0
    return WeightedData(
        DenseData(check_real_array(X, "X", nonnegative=nonnegative, hidden_by="mask='nan'")), entry_weights(weights)
    )


def _dense(x: Any, name: str, X: Array) -> Any:
    """Return a sparse mask or weights of dense data as an array in their backend, anything else unchanged."""
    dense = densified(x, name)
    return x if dense is x else from_numpy(dense, X)


def _weights_of_entries(X: Array, mask: Any, weights: Any, *, some_observed: bool) -> Array:
    """Return the weight of every entry of `X`, 0 where a mask hides it; as booleans if there are masks alone."""
    observed = observed_entries(X, mask)
    if weights is not None:
        check_same_home({"X": X, "weights": weights})
        weights = of_entries(check_real_array(weights, "weights", entries=False), "weights", X) * 1.0
        if observed is not None:
            weights[~observed] = 0.0
        check_real_array(weights, "weights", nonnegative=True)
    result: Array = observed if weights is None else weights
    if some_observed and not bool((result > 0).any()):
        raise ValueError(ALL_HIDDEN)
    return result


def observed_entries(X: Array, mask: Any) -> Array | None:
    """Return which entries of a dense array all masks observe, as booleans; None if there is no mask."""
    masks = as_masks(mask)
    return reduce(and_, [_checked_mask(X, each) for each in masks]) if masks else None


def _checked_mask(X: Array, mask: Any) -> Array:
    """Return a mask as booleans for all entries of `X`."""
    if isinstance(mask, HoldOut):
        return as_bool(from_numpy(mask.of_shape(tuple(X.shape)), X))
    if isinstance(mask, str):
        if mask != "nan":
            raise ValueError(f"mask must be an array or 'nan' (or 'stored', for sparse data), got {mask!r}")
        return X == X  # noqa: PLR0124  NaN is the one number that differs from itself
    mask = mask if is_torch(mask) else np.asarray(mask)
    check_same_home({"X": X, "mask": mask})
    return of_entries(as_bool(check_boolean(mask, "mask")), "mask", X)
