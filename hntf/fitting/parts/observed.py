"""Which entries of samples in parts are observed and what they weigh, cut along with the samples."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
import scipy.sparse

from hntf.arrays import is_torch
from hntf.data import Data, as_data
from hntf.data.hold_out import HoldOut
from hntf.data.masks import as_masks


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
    def of(cls, mask: Any, weights: Any, n_samples: int) -> Self:
        """Return what a user gives for all samples, with lists and tables as arrays, which can be cut.

        Raises
        ------
        ValueError
            If an array has neither a row for each sample nor one for all of them.
        """
        observed = cls(tuple(map(_as_array, as_masks(mask))), _as_array(weights))
        for x in (*observed.masks, observed.weights):
            if is_array(x) and x.shape[0] not in (1, n_samples):
                raise ValueError(f"mask and weights must have {n_samples} rows, as X has; got shape {tuple(x.shape)}")
        return observed

    def of_rows(self, rows: np.ndarray | slice, n_samples: int) -> Observed:
        """Return the masks and weights of some of all samples."""
        masks, weights = self
        return Observed(tuple(cut(x, rows, n_samples) for x in masks), cut(weights, rows, n_samples))

    def data(self, block: Any, *, nonnegative: bool = False) -> Data:
        """Return samples as checked data."""
        return as_data(
            block, mask=self.masks or None, weights=self.weights, nonnegative=nonnegative, some_observed=False
        )

    def __bool__(self) -> bool:
        return bool(self.masks) or self.weights is not None


def cut(x: Any, rows: np.ndarray | slice, n_samples: int) -> Any:
    """Return the part of a mask or of weights that some of all samples have; what is the same for all samples is not cut."""
    if isinstance(x, HoldOut):
        return x.of_rows(np.r_[rows])
    return x[rows] if is_array(x) and x.shape[0] == n_samples else x


def is_array(x: Any) -> bool:
    """Return whether a mask or weights are an array, in memory or of Dask."""
    return is_torch(x) or isinstance(x, np.ndarray) or scipy.sparse.issparse(x) or hasattr(x, "to_delayed")


def _as_array(x: Any) -> Any:
    """Return lists and tables as arrays; anything else is returned unchanged."""
    return np.asarray(x) if isinstance(x, list) or hasattr(x, "iloc") else x
