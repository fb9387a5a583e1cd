"""Masks and weights of sparse matrices, none of which takes the memory of a dense one unless it comes as one."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse

from hntf.data.entry_weights import EntryWeights
from hntf.data.given_weights import entry_weights
from hntf.data.hold_out import HeldOut, HoldOut
from hntf.data.masks import ALL_HIDDEN, aligned, as_masks
from hntf.data.sparse import SparseData
from hntf.data.structured_weights import StructuredWeights
from hntf.data.weighted import WeightedData
from hntf.validation import check_boolean, check_entries, check_order, check_real_array, check_real_dtype, check_shape


def weighted_sparse_data(
    X: Any, mask: Any, weights: Any, *, nonnegative: bool, some_observed: bool = True
) -> WeightedData:
    """Return a sparse matrix with a mask or weights as data; see `as_data`."""
    check_real_dtype(X.dtype, "X")
    check_order(X, "X", (2,))
    matrix = scipy.sparse.csr_array(X, copy=True)
    matrix.sum_duplicates()
    masks = [_of_mask(matrix, each) for each in as_masks(mask)]
    total = reduce(_product, masks) if masks else None
    if weights is not None:
        of_weights = _of_weights(matrix, weights, total)
        total = of_weights if total is None else _product(total, of_weights)
    assert total is not None
    # What is hidden may be anything.
    matrix.data[~_observed(total, matrix)] = 0
    check_entries(np.append(matrix.data, 0), "X", nonnegative=nonnegative, hidden_by="mask='nan'")
    data = WeightedData(SparseData(matrix), total)
    if some_observed and not data.n_observed_by_sample.any():
        raise ValueError(ALL_HIDDEN)
    return data


def _observed(weights: EntryWeights, matrix: Any) -> np.ndarray:
    """Tell which stored entries of a matrix have a positive weight."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    return weights.of_entries(rows, matrix.indices) > 0


def _of_mask(X: Any, mask: Any) -> EntryWeights:
    if isinstance(mask, HoldOut):
        return mask.weights(X.shape)
    if isinstance(mask, str):
        if mask == "stored":
            return _structured(X, 0.0, np.ones(X.nnz), X)
        if mask == "nan":
            return _structured(X, 1.0, -1.0 * np.isnan(X.data), X)
        raise ValueError(f"mask must be an array, a sparse matrix, 'nan' or 'stored', got {mask!r}")
    if scipy.sparse.issparse(mask):
        check_shape(mask, "mask", X.shape, "that of X")
        mask = scipy.sparse.csr_array(mask, copy=True)
        mask.data = np.asarray(check_boolean(mask.data, "mask"), bool)
        mask.sum_duplicates()
        return _structured(X, 0.0, 1.0 * mask.data, mask)
    return _of_array(X, np.asarray(check_boolean(mask, "mask"), bool), "mask")


def _of_weights(X: Any, weights: Any, mask: EntryWeights | None) -> EntryWeights:
    """Return weights, which may be anything where a mask hides the entry."""
    if scipy.sparse.issparse(weights):
        check_shape(weights, "weights", X.shape, "that of X")
        weights = scipy.sparse.csr_array(weights, copy=True)
        weights.sum_duplicates()
        if mask is not None:
            weights.data[~_observed(mask, weights)] = 0
        check_entries(np.append(weights.data, 0.0), "weights", nonnegative=True)
        return _structured(X, 0.0, weights.data.astype(np.float64), weights)
    weights = aligned(check_real_array(weights, "weights", entries=False), "weights", X)
    if mask is not None:
        is_full = tuple(weights.shape) == X.shape
        weights = np.where(mask.of_samples(slice(None)) > 0, weights, 0.0) if is_full else of_seen_slices(weights, mask)
    return _of_array(X, check_real_array(weights, "weights", nonnegative=True), "weights")


def of_seen_slices(weights: np.ndarray, mask: EntryWeights) -> np.ndarray:
    """Return weights along one mode with zeros for the slices that a mask hides whole, where they may be anything."""
    if weights.size == 1 or bool((weights >= 0).all() and np.isfinite(weights).all()):
        return weights
    ones = [np.ones((d, 1)) for d in mask.shape]
    seen = mask.mttkrp(ones, int(np.argmax(weights.shape)))
    return np.where(seen.reshape(weights.shape) > 0, weights, 0.0)


def _structured(X: Any, constant: float, entries: np.ndarray, pattern: Any) -> StructuredWeights:
    """Return the weights that are constant but at the entries of a pattern."""
    # Zeros are removed in place, which must not change the pattern.
    rest = scipy.sparse.csr_array((entries, pattern.indices, pattern.indptr), shape=X.shape, copy=True)
    rest.eliminate_zeros()
    U, V = (np.full((d, int(constant != 0.0)), 1.0) for d in X.shape)
    return StructuredWeights(constant * U, V, rest)


def _of_array(X: Any, array: np.ndarray, name: str) -> EntryWeights:
    """Return weights that are given for every entry, or for each sample or feature."""
    array = aligned(array, name, X)
    if 1 not in array.shape:
        return entry_weights(array)
    U, V = (np.ones((d, 1)) for d in X.shape)
    if array.shape[1] == 1:
        U = U * array
    else:
        V = V * array.T
    return StructuredWeights(U, V, scipy.sparse.csr_array(X.shape))


def _product(one: EntryWeights, other: EntryWeights) -> EntryWeights:
    """Return the product of two weights: that of sparse ones is sparse, otherwise it is dense if one of them is."""
    if isinstance(one, HeldOut) and isinstance(other, HeldOut):
        stored = one.stored or other.stored
        if stored is None:
            raise TypeError("mask must hold at most one hold-out of more than two million entries")
        return (one if stored is other.stored else other).times(stored)
    for a, b in ((one, other), (other, one)):
        if isinstance(a, HeldOut) and isinstance(b, StructuredWeights):
            return a.times(b) if b.U.shape[1] else b.where(a)
    if isinstance(one, StructuredWeights) and isinstance(other, StructuredWeights):
        return one.times(other)
    return entry_weights(one.of_samples(slice(None)) * other.of_samples(slice(None)))
