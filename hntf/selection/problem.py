"""The data of a selection, and the estimators of its candidates; it travels to the processes that fit."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from hntf.arrays import from_numpy
from hntf.data import HoldOut
from hntf.data.masks import as_masks
from hntf.fitting.interruption import interrupting

SHAKEN = 0.3
"""Standard deviation of the logarithms of the random numbers by which factors of another fit are multiplied for a start."""

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

    def hold_out(self, fold: int) -> HoldOut:
        """Return a mask that hides entries."""
        return HoldOut(self.fraction, self.seed + fold)

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
