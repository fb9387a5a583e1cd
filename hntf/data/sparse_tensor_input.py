"""Sparse tensors as users have them: arrays of the package `sparse`, or `(coordinates, values, shape)`."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.data.coordinates import Coordinates
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.sparse_masks import weighted_sparse_data
from hntf.data.sparse_tensor import SparseTensorData
from hntf.validation import check_entries, check_real_array

MATRIX = 2


class Entries(NamedTuple):
    """The entries of a sparse tensor as they were given."""

    coordinates: np.ndarray
    values: np.ndarray
    shape: tuple[int, ...]


def is_sparse_tensor(X: Any) -> bool:
    """Return whether `X` is an array of the package `sparse`, or a tuple `(coordinates, values, shape)`."""
    package = sys.modules.get("sparse")
    if package is not None and isinstance(X, package.SparseArray):
        return True
    return isinstance(X, tuple) and len(X) == len(Entries._fields) and isinstance(X[2], tuple | list)


def entries_of(X: Any, name: str) -> Entries:
    """Return the checked entries of a sparse tensor; their values may be anything that is real."""
    if not isinstance(X, tuple):
        X = X.asformat("coo")
        if X.fill_value != 0:
            raise ValueError(f"{name} must have fill_value 0, got {X.fill_value}")
        X = (X.coords, X.data, X.shape)
    index, values, shape = np.asarray(X[0]), np.asarray(X[1]), tuple(X[2])
    if not all(isinstance(d, int | np.integer) and d > 0 for d in shape) or len(shape) < MATRIX:
        raise ValueError(f"{name} must have a shape of two or more positive integers, got {shape}")
    if index.ndim == MATRIX and index.shape[0] != len(shape) == index.shape[1]:
        index = index.T
    if index.dtype.kind not in "iu" or values.ndim != 1 or index.shape != (len(shape), len(values)):
        raise ValueError(
            f"{name} must hold integer coordinates of shape {(len(shape), 'nnz')}, and one value for each; got coordinates of "
            f"shape {index.shape} and type {index.dtype}, and values of shape {values.shape}"
        )
    for mode, (coordinates, d) in enumerate(zip(index, shape, strict=True)):
        if len(values) and not (coordinates.min() >= 0 and coordinates.max() < d):
            raise ValueError(
                f"{name} must have coordinates from 0 to {d - 1} in mode {mode}, got {coordinates.min()} to {coordinates.max()}"
            )
    if len(values):
        check_real_array(values, name, entries=False)
    return Entries(index, values, tuple(map(int, shape)))


def sparse_tensor_data(X: Any, mask: Any, weights: Any, *, nonnegative: bool) -> Data:
    """Return a sparse tensor as data; see `as_data`."""
    index, values, shape = entries_of(X, "X")
    if len(shape) == MATRIX:
        matrix = scipy.sparse.csr_array((values, tuple(index)), shape=shape)
        if mask is None and weights is None:
            check_entries(np.append(matrix.data, 0), "X", nonnegative=nonnegative)
            return SparseData(matrix)
        return weighted_sparse_data(matrix, mask, weights, nonnegative=nonnegative)
    if mask is not None or weights is not None:
        raise TypeError("a sparse tensor X takes no mask or weights")
    check_entries(np.append(values, 0), "X", nonnegative=nonnegative)
    coordinates, summed = Coordinates.of_entries(index, values.astype(np.float64), shape)
    return SparseTensorData(coordinates, summed, values[:0])
