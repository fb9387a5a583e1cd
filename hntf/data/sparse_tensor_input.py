"""Sparse tensors as data, with masks and weights of any kind."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.data.coordinates import Coordinates
from hntf.data.hold_out import HoldOut
from hntf.data.masks import ALL_HIDDEN, aligned, as_masks
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.sparse_arrays import Entries, entries_of, is_sparse_tensor
from hntf.data.sparse_masks import of_seen_slices, weighted_sparse_data
from hntf.data.sparse_tensor import SparseTensorData
from hntf.data.structured_tensor_weights import StructuredTensorWeights
from hntf.data.weighted import WeightedData
from hntf.validation import check_boolean, check_entries, check_real_array, check_shape


def sparse_tensor_data(X: Any, mask: Any, weights: Any, *, nonnegative: bool, some_observed: bool = True) -> Data:
    """Return a sparse tensor as data; see `as_data`."""
    index, values, shape = entries_of(X, "X")
    if len(shape) == MATRIX:
        # Values at the same place add up, which small types of integers cannot hold.
        values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
        matrix = scipy.sparse.csr_array((values, tuple(index)), shape=shape)
        if mask is None and weights is None:
            check_entries(np.append(matrix.data, 0), "X", nonnegative=nonnegative, hidden_by="mask='nan'")
            return SparseData(matrix)
        return weighted_sparse_data(matrix, mask, weights, nonnegative=nonnegative, some_observed=some_observed)
    coordinates, summed = Coordinates.of_entries(index, values.astype(np.float64), shape)
    masks = as_masks(mask)
    only_stored = any(isinstance(each, str) and each == "stored" for each in masks)
    parts = [
        # Where only stored entries are observed, a hold-out is that of these.
        _constant_but_at(0.0, coordinates, 1.0 * each.observed(*coordinates.index))
        if only_stored and isinstance(each, HoldOut)
        else _of_mask(coordinates, summed, each)
        for each in masks
    ]
    total = reduce(StructuredTensorWeights.times, parts) if parts else None
    if weights is not None:
        of_weights = _weights_of(weights, "weights", coordinates, boolean=False, seen=total)
        total = of_weights if total is None else total.times(of_weights)
    if total is None:
        check_entries(np.append(summed, 0), "X", nonnegative=nonnegative, hidden_by="mask='nan'")
        return SparseTensorData(coordinates, summed, values[:0])
    # What is hidden may be anything.
    summed[~(total.of_entries(*coordinates.index) > 0)] = 0
    check_entries(np.append(summed, 0), "X", nonnegative=nonnegative, hidden_by="mask='nan'")
    if some_observed and not total.n_observed_by_sample.any():
        raise ValueError(ALL_HIDDEN)
    return WeightedData(SparseTensorData(coordinates, summed, values[:0]), total)


def _of_mask(at: Coordinates, values: np.ndarray, mask: Any) -> StructuredTensorWeights:
    """Return the weights of a mask of a tensor with entries at these coordinates."""
    if isinstance(mask, HoldOut):
        entries = Coordinates(mask.entries(at.shape), at.shape)
        sign = 1.0 if mask.inverted else -1.0
        return _constant_but_at(float(not mask.inverted), entries, np.full(len(entries), sign))
    if isinstance(mask, str):
        if mask == "stored":
            return _constant_but_at(0.0, at, np.ones(len(values)))
        if mask == "nan":
            return _constant_but_at(1.0, at, -1.0 * np.isnan(values))
        raise ValueError(f"mask must be an array, a sparse tensor, 'nan' or 'stored', got {mask!r}")
    return _weights_of(mask, "mask", at, boolean=True)


def _constant_but_at(constant: float, at: Coordinates, values: np.ndarray) -> StructuredTensorWeights:
    vectors = [np.ones((d, int(constant != 0.0))) for d in at.shape]
    return StructuredTensorWeights(vectors, at, values, is_mask=True)


def _weights_of(
    x: Any, name: str, at: Coordinates, *, boolean: bool, seen: StructuredTensorWeights | None = None
) -> StructuredTensorWeights:
    """Return the weights given as a sparse tensor, or as an array for each sample or for the entries of one mode.

    Those of a sparse tensor may be anything where the mask `seen` hides the entry.
    """
    if is_sparse_tensor(x):
        index, values, shape = entries_of(x, name)
        check_shape(Entries(index, values, shape), name, at.shape, "that of X")
        values = 1.0 * check_boolean(values, name) if boolean else values.astype(np.float64)
        if seen is not None:
            values[~(seen.of_entries(*index) > 0)] = 0
        check_entries(np.append(values, 0.0), name, nonnegative=True)
        coordinates, values = Coordinates.of_entries(index, values, shape)
        # What a mask observes twice is observed.
        values = np.minimum(values, 1.0) if boolean else values
        return StructuredTensorWeights([np.ones((d, 0)) for d in shape], coordinates, values, is_mask=boolean)
    x = np.asarray(check_boolean(x, name), bool) if boolean else check_real_array(x, name, entries=False)
    x = aligned(x, name, at)
    if x.shape == at.shape:
        stored = np.nonzero(x)
        return _weights_of((np.stack(stored), x[stored], x.shape), name, at, boolean=boolean, seen=seen)
    if sum(d > 1 for d in x.shape) > 1:
        raise TypeError(
            f"{name} must be a sparse tensor for a sparse tensor X, or be given for each sample or for the entries of one mode; "
            f"got an array of shape {tuple(x.shape)}"
        )
    if not boolean:
        x = x if seen is None else of_seen_slices(x, seen)
        check_entries(x, name, nonnegative=True)
    vectors = [np.ones((d, 1)) for d in at.shape]
    mode = int(np.argmax(x.shape))
    vectors[mode] = vectors[mode] * x.reshape(-1, 1)
    none = Coordinates(np.empty((len(at.shape), 0), at.index.dtype), at.shape)
    return StructuredTensorWeights(vectors, none, np.empty(0), is_mask=boolean)
