"""What users give, checked and brought to where and how it is worked on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.arrays import as_float64, host_view, in_backend_of, is_torch
from hntf.data import Data, as_data
from hntf.validation import check_real_array, check_same_home

MODERATE = (1e-50, 1e50)
"""Largest entries of `X` whose fourth powers stay far from overflow and underflow; others are scaled for the fit."""

LARGEST_EXPONENT = 1000
"""Of the power of two that scales: more would overflow for subnormal data."""


class Input(NamedTuple):
    """What a user gave, checked.

    Attributes
    ----------
    data : Data
        A tensor in CPU memory is worked on through a NumPy view: its small products are several times faster there.
    prototype : array
        An empty array in the backend and dtype of the results.
    scale : float
        The power of two by which extreme data were multiplied.
    arrays : tuple or None
        The array, mask and weights that the data were made of; None where the user gave a data object.
    """

    data: Data
    prototype: Any
    scale: float = 1.0
    arrays: Any = None

    def in_moderate_units(self) -> Input:
        """Return extreme data multiplied by a power of two, and others as they are."""
        largest = max(map(abs, self.data.minimum_and_maximum()))
        if self.arrays is None or largest == 0.0 or MODERATE[0] < largest < MODERATE[1]:
            return self
        array, mask, weights = self.arrays
        scale = float(np.ldexp(1.0, min(-int(np.frexp(largest)[1]), LARGEST_EXPONENT)))
        wide = array.astype(np.float64) if scipy.sparse.issparse(array) else as_float64(array)
        return Input(as_data(wide * scale, mask=mask, weights=weights), self.prototype, scale)


def as_input(X: Any, mask: Any, weights: Any, *, nonnegative: bool) -> Input:
    """Return what a user gave as checked data.

    Raises
    ------
    TypeError, ValueError
        As `as_data` does; for negative entries where data must be `nonnegative`.
    """
    if isinstance(X, Data):
        data = as_data(X, mask=mask, weights=weights)
        smallest, _ = data.minimum_and_maximum()
        if smallest < 0 and nonnegative:
            raise ValueError(f"Negative values in data: X contains entries down to {smallest:g}")
        return Input(data, data.prototype)
    sparse = scipy.sparse.issparse(X)
    array = X
    if sparse:
        array = X.tocsr()
    elif not is_torch(X):
        array = check_real_array(X, "X", entries=False)
    check_same_home({"X": np.empty(0) if sparse else array, "weights": weights})
    prototype = array[:0]
    array, mask, weights = (_on_host(x) for x in (array, mask, weights))
    if mask is not None and not isinstance(mask, str) and not sparse:
        (mask,) = in_backend_of([mask if is_torch(mask) else np.asarray(mask)], array)
    data = as_data(array, mask=mask, weights=weights, nonnegative=nonnegative)
    return Input(data, prototype, 1.0, (array, mask, weights))


def _on_host(x: Any) -> Any:
    """Return a NumPy view of a tensor in CPU memory, and anything else as it is."""
    if not is_torch(x):
        return x
    if str(x.dtype) == "torch.bfloat16":  # NumPy has no such type
        x = x.float()
    host = host_view(x)
    return x if host is None else host
