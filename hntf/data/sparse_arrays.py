"""Sparse arrays as users have them: those of the package `sparse`, or `(coordinates, values, shape)`."""

from __future__ import annotations

import sys
from numbers import Integral, Number
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.validation import check_real_array

ENTRIES = 3
"""Length of the tuple `(coordinates, values, shape)` of a sparse tensor."""


def is_entries(x: Any) -> bool:
    """Tell whether a tuple is a sparse tensor, `(coordinates, values, shape)`, and not nested lists of numbers or several masks."""
    if not (isinstance(x, tuple) and len(x) == ENTRIES and isinstance(x[2], tuple | list) and len(x[2])):
        return False
    is_shape = all(isinstance(d, Integral) and not isinstance(d, bool) for d in x[2])
    return is_shape and not (isinstance(x[0], tuple | list) and len(x[0]) and isinstance(x[0][0], Number))


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
    return is_entries(X)


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


def in_scipy(x: Any, name: str) -> Any:
    """Return a sparse array of order 2 as a matrix of SciPy, and anything else unchanged."""
    if not is_sparse_tensor(x) or len(x[2] if isinstance(x, tuple) else x.shape) != MATRIX:
        return x
    index, values, shape = entries_of(x, name)
    return scipy.sparse.csr_array((values, tuple(index)), shape=shape)


def densified(x: Any, name: str) -> Any:
    """Return a sparse array of any order as one of NumPy, and anything else unchanged."""
    if scipy.sparse.issparse(x):
        return x.toarray()
    if not is_sparse_tensor(x):
        return x
    index, values, shape = entries_of(x, name)
    dense = np.zeros(shape, values.dtype)
    np.add.at(dense, tuple(index), values)
    return dense
