"""Which entries of samples in parts are observed and what they weigh, cut along with the samples."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse

from hntf.arrays import to_numpy
from hntf.data import Data, DenseData, as_data
from hntf.data.hold_out import HoldOut
from hntf.data.masks import aligned, as_masks
from hntf.data.sparse_arrays import densified, in_scipy
from hntf.fitting.parts.blocks import joined


class Observed(NamedTuple):
    """Masks and weights of samples.

    Attributes
    ----------
    masks : tuple
        Any number of masks, each as `as_data` takes it.
    weights : array or None
        The weights.
    """

    masks: tuple[Any, ...] = ()
    weights: Any = None

    @classmethod
    def of(cls, mask: Any, weights: Any, X: Any) -> Self:
        """Return what a user gives for all samples as arrays, which can be cut; `X` has the shape of the data.

        Raises
        ------
        ValueError
            If an array has neither the shape of `X` nor an axis of length 1 where it is the same along a mode.
        """
        masks = tuple(_as_array(each, "mask", X) for each in as_masks(mask))
        return cls(masks, None if weights is None else _as_array(weights, "weights", X))

    def of_rows(self, rows: np.ndarray | slice, n_samples: int) -> Observed:
        """Return the masks and weights of some of all samples."""
        masks, weights = self
        return Observed(tuple(cut(x, rows, n_samples) for x in masks), cut(weights, rows, n_samples))

    def data(self, block: Any, *, nonnegative: bool = False, checked: bool = False) -> Data:
        """Return samples as data, whose entries are checked unless they were before."""
        if checked and not self and isinstance(block, np.ndarray):
            return DenseData(block)
        return as_data(block, mask=self.masks, weights=self.weights, nonnegative=nonnegative, some_observed=False)

    def __bool__(self) -> bool:
        return bool(self.masks) or self.weights is not None


def cut(x: Any, rows: np.ndarray | slice, n_samples: int) -> Any:
    """Return the part of a mask or of weights that some of all samples have; what is the same for all samples is not cut."""
    if isinstance(x, HoldOut):
        return x.of_rows(np.r_[rows])
    return x[rows] if _is_array(x) and x.shape[0] == n_samples else x


def _is_array(x: Any) -> bool:
    """Return whether a mask or weights are an array, in memory or of Dask."""
    return isinstance(x, np.ndarray) or scipy.sparse.issparse(x) or hasattr(x, "to_delayed")


def _as_array(x: Any, name: str, X: Any) -> Any:
    """Return a mask or weights as an array that has the order of `X`; what is not one, and stays so, is returned unchanged."""
    if isinstance(x, str | HoldOut):
        return x
    if isinstance(x, list) and x and all(len(getattr(block, "shape", ())) == len(X.shape) for block in x):
        x = joined([_on_host(block, name) for block in x])
    x = _on_host(x, name)
    if scipy.sparse.issparse(x) and x.shape == tuple(X.shape):
        return scipy.sparse.csr_array(x)
    return aligned(x, name, X)


def _on_host(x: Any, name: str) -> Any:
    """Return an array of any kind as one of NumPy, or as a matrix of SciPy or an array of Dask."""
    x = in_scipy(x, name)
    return x if _is_array(x) else to_numpy(densified(x, name))
