"""Weights of dense data as they are given: an array, kept as such, or as one weight and where few others differ from it."""

from __future__ import annotations

import numpy as np

from hntf.algebra import MATRIX
from hntf.arrays import Array, as_float64, host_view
from hntf.data.coordinates import Coordinates, index_dtype
from hntf.data.entry_weights import DenseWeights, EntryWeights
from hntf.data.structured_tensor_weights import StructuredTensorWeights
from hntf.data.structured_weights import StructuredWeights, differences

LARGEST_REST = 0.1
"""Fraction of entries with other weights than most up to which products with them alone are faster."""

SMALLEST_DIFFERENCE = 1e-3
"""Weight, relative to the largest one, from which weights are kept as their differences from it."""


def entry_weights(array: Array) -> EntryWeights:
    """Return weights that are given as an array, or as booleans, which are weights of 0 and 1."""
    host = host_view(array)
    if host is not None:
        largest = host.max()
        differs = host != largest
        few = np.count_nonzero(differs) <= LARGEST_REST * host.size
        if few and _survives(host[differs], largest):
            return _structured(host, float(largest), differs, as_float64(array[:0]))
    return DenseWeights(array)


def _survives(weights: Array, largest: float) -> bool:
    """Tell whether weights keep their digits where they are a difference from the largest one: those of 0 do."""
    return float(weights[weights > 0].min(initial=largest)) >= SMALLEST_DIFFERENCE * largest


def _structured(weights: np.ndarray, largest: float, differs: np.ndarray, prototype: Array) -> EntryWeights:
    """Return weights as the largest one, plus the differences from it where they are others."""
    vectors = [np.full((len(weights), 1), largest), *(np.ones((d, 1)) for d in weights.shape[1:])]
    index, is_mask = np.nonzero(differs), weights.dtype == np.bool_
    values = weights[index].astype(np.float64)
    if weights.ndim == MATRIX:
        (U, V), (rows, columns) = vectors, index
        rest = differences(U, V, rows, columns, values)
        return StructuredWeights(U, V, rest, prototype=prototype, is_mask=is_mask)
    coordinates = Coordinates(np.stack(index).astype(index_dtype(weights.shape)), weights.shape)
    return StructuredTensorWeights(vectors, coordinates, values - largest, prototype=prototype, is_mask=is_mask)
