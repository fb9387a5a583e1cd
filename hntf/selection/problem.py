"""The data of a selection, and the estimators of its candidates; it travels to the processes that fit."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import clone

from hntf.algebra import MATRIX
from hntf.arrays import from_numpy, is_torch
from hntf.data import HoldOut
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.fitting.interruption import interrupting

SHAKEN = 0.3
"""Standard deviation of the logarithms of the random numbers by which factors of another fit are multiplied for a start."""

SMALL = 100_000
"""Number of entries of data up to which hold-outs are looked at as arrays: of larger ones they hide next to no slice whole."""

QUICK = {"tol": 1e-4, "max_iter": 200, "random_state": 0}
"""Parameters of the fits of a model that is not given as an instance."""


class Problem(NamedTuple):
    """What is fitted.

    Attributes
    ----------
    X, mask, weights
        The data, as in `fit`.
    shape : tuple of int
        The shape of the data.
    model : estimator
        The model of the finest level, with any number of components.
    fraction : float
        The fraction of entries that are held out.
    seed : int
        The seed of the first hold-out; the others follow.
    is_in_memory : bool
        Whether the data are in memory, so that fits can start from others.
    scale : float
        The power of two by which samples in parts are multiplied where their squares would overflow or vanish.
    warning : str
        What a user should know of the data, in a sentence: that one entry or slice outweighs the others.
    """

    X: Any
    mask: Any
    weights: Any
    shape: tuple[int, ...]
    model: Any
    fraction: float
    seed: int
    is_in_memory: bool
    scale: float = 1.0
    warning: str = ""

    def hold_out(self, fold: int) -> Any:
        """Return a mask that hides entries; of small data none that are all of a sample or of an entry of another mode."""
        hold_out = HoldOut(self.fraction, self.seed + fold)
        is_sparse = scipy.sparse.issparse(self.X) or is_sparse_tensor(self.X)
        if not self.is_in_memory or is_sparse or math.prod(self.shape) > SMALL:
            return hold_out
        mask = hold_out.of_shape(self.shape)
        kept = without_whole_slices(mask)
        if (kept == mask).all():
            return hold_out
        return from_numpy(kept, self.X) if is_torch(self.X) else kept

    def masked(self, mask: Any) -> dict[str, Any]:
        """Return the arguments of a fit in which a mask hides entries, too."""
        return with_mask(self.unmasked, mask)

    @property
    def unmasked(self) -> dict[str, Any]:
        """Return the arguments of a fit of all data."""
        return given(mask=self.mask, weights=self.weights)

    def fitted(self, rank: Any, X: Any = None, *, seed: int | None = None, start: Any = None, **options: Any) -> Any:
        """Return the model with this number of components, fitted from its own starts or near to another fit.

        What was fitted to entries that are hidden now must not be remembered.
        """
        model = clone(self.model).set_params(n_components=rank)
        if start is not None and self.is_in_memory and "init" in model.get_params():
            rng = np.random.default_rng(self.seed)
            model.set_params(init=_shaken(start.factors_, rng), n_init=1)
        return fitted(model, self.X if X is None else X, seed, **options)

    @property
    def largest_rank(self) -> int:
        """The number of components from which any more are redundant."""
        return max(1, math.prod(self.shape) // max(self.shape))

    @property
    def largest_predicted(self) -> int:
        """The largest number of components, at least 1, with no more free parameters than there are entries to fit."""
        n_entries = (1 - self.fraction) * math.prod(self.shape)
        ranks = range(1, self.largest_rank + 1)
        return max(1, bisect_right(ranks, n_entries, key=lambda rank: n_parameters(rank, self.shape)))


def n_parameters(rank: int, shape: tuple[int, ...]) -> int:
    """Return the number of free parameters of a matrix or CP model."""
    if len(shape) == MATRIX:
        # Above the rank of the data no more of them are lost to changes of the basis.
        return rank * (sum(shape) - min(rank, *shape))
    return rank * (sum(shape) - len(shape) + 1)


def without_whole_slices(observed: np.ndarray) -> np.ndarray:
    """Return a mask that observes all of those slices, such as rows and columns, which it would hide whole.

    Slices of one entry are hidden whole or not at all.
    """
    observed = observed.copy()
    for mode in range(observed.ndim):
        others = tuple(axis for axis in range(observed.ndim) if axis != mode)
        if observed.shape[mode] < observed.size:
            observed |= ~observed.any(axis=others, keepdims=True)
    return observed


def _shaken(factors: Any, rng: np.random.Generator) -> Any:
    """Return factors, in lists as they are, whose entries are multiplied by random numbers: they forget the noise that they fit."""
    if isinstance(factors, list | tuple):
        return [_shaken(each, rng) for each in factors]
    return factors * from_numpy(np.exp(SHAKEN * rng.standard_normal(tuple(factors.shape))), factors)


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments of a fit that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def with_mask(arguments: dict[str, Any], mask: Any) -> dict[str, Any]:
    """Return the arguments of a fit in which a mask hides entries, too."""
    return {**arguments, "mask": (*as_masks(arguments.get("mask")), mask)}


def fitted(model: Any, X: Any, seed: int | None = None, **options: Any) -> Any:
    """Return a copy of a model, fitted quietly, with a seed for its random starts."""
    model = clone(model)
    if seed is not None and "random_state" in model.get_params():
        model.set_params(random_state=seed)
    with interrupting(), warnings.catch_warnings():
        # How a fit of a part of the data ends, and what is hidden from it, is not about the data of the user.
        warnings.simplefilter("ignore")
        return model.fit(X, **options)
