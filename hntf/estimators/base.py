"""What all estimators share: the public edge, the parameters of a fit, and the report of how it went."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import validate_data

from hntf.arrays import Array, as_float64, host_view, is_torch
from hntf.data import Data, as_data
from hntf.fitting.fit import Fit, Settings
from hntf.losses import Energy, LayerCentric, Loss, Reconstruction
from hntf.validation import check_choice, check_number, check_real_array, check_same_home

LOSSES = {"energy": Energy, "data-centric": Energy, "layer-centric": LayerCentric, "reconstruction": Reconstruction}
"""The losses of the data, by name."""

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
    """

    data: Data
    prototype: Any
    scale: float


def _on_host(x: Any) -> Any:
    """Return a NumPy view of a tensor in CPU memory, and anything else as it is."""
    if not is_torch(x):
        return x
    if str(x.dtype) == "torch.bfloat16":  # NumPy has no such type
        x = x.float()
    host = host_view(x)
    return x if host is None else host


def _if_array(x: Any) -> Any:
    return None if isinstance(x, str) else x


class Estimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of all estimators: checks of the data and of the parameters that they share."""

    max_iter: int
    tol: float
    n_init: int
    verbose: bool | int
    solver: str
    learning_rate: float | None

    _takes_signs = False
    """Whether data may be negative."""

    _matrices_only = False
    _for_tensors = ""
    """Of a method for matrices, the name of the one to take for tensors."""

    def _check_order(self, order: int) -> None:
        """Raise `ValueError` if the method does not take data of this order."""
        if self._matrices_only and order != 2:
            instead = f"; {self._for_tensors} takes tensors" if self._for_tensors else ""
            raise ValueError(f"X must have order 2, got order {order}{instead}")

    def _validated(self, X: Any, *, mask: Any = None, weights: Any = None, reset: bool = False) -> Input:
        """Return the checked `X` as data to work on."""
        if isinstance(X, Data):
            return self._validated_data(as_data(X, mask=mask, weights=weights), reset=reset)
        array = X
        if scipy.sparse.issparse(X):
            array = X.tocsr()
        elif not is_torch(X):
            array = check_real_array(X, "X", entries=False)
        check_same_home(
            {"X": np.empty(0) if scipy.sparse.issparse(X) else array, "mask": _if_array(mask), "weights": weights}
        )
        prototype = array[:0]
        array, mask, weights = (_on_host(x) for x in (array, mask, weights))
        as_checked = as_data(array, mask=mask, weights=weights, nonnegative=not self._takes_signs)
        self._check_shape(X, as_checked, reset=reset)
        largest = max(map(abs, as_checked.extent()))
        if largest == 0.0 or MODERATE[0] < largest < MODERATE[1]:
            return Input(as_checked, prototype, 1.0)
        scale = float(np.ldexp(1.0, min(-int(np.frexp(largest)[1]), LARGEST_EXPONENT)))
        wide = array.astype(np.float64) if scipy.sparse.issparse(array) else as_float64(array)
        return Input(as_data(wide * scale, mask=mask, weights=weights), prototype, scale)

    def _check_moderate(self, given: Input, why: str) -> None:
        """Raise `ValueError` where the data are so extreme that they were scaled."""
        if given.scale != 1.0:
            raise ValueError(
                f"X must have its largest entry between {MODERATE[0]:g} and {MODERATE[1]:g} {why}; scale it"
            )

    def _validated_data(self, data: Data, *, reset: bool) -> Input:
        """Return a data object as the input that it is, once it is known to be nonnegative and of the right shape."""
        smallest, _ = data.extent()
        if smallest < 0 and not self._takes_signs:
            raise ValueError(f"Negative values in data: X contains entries down to {smallest:g}")
        # What scikit-learn asks of X here is its shape.
        self._check_shape(np.broadcast_to(0.0, data.shape), data, reset=reset)
        return Input(data, data.prototype, 1.0)

    def _check_shape(self, X: Any, data: Data, *, reset: bool) -> None:
        """Take note of the features in `fit` (`reset`), and compare with those that were fitted elsewhere."""
        self._check_order(len(data.shape))
        validate_data(self, X, reset=reset, skip_check_array=True)
        if reset:
            self.feature_shape_ = tuple(data.shape[1:])
        elif tuple(data.shape[1:]) != self.feature_shape_:
            raise ValueError(
                f"X must have shape (n, {', '.join(map(str, self.feature_shape_))}) as in fit, got {tuple(data.shape)}"
            )

    def _checked_settings(self, solvers: Sequence[str]) -> Settings:
        """Return the parameters of the optimizer, checked."""
        check_choice(self.solver, "solver", tuple(solvers))
        self._check_iterations()
        if self.learning_rate is not None:
            check_number(self.learning_rate, "learning_rate", strict=True)
        return Settings(self.solver, self.max_iter, self.tol, self.n_init, self.learning_rate, bool(self.verbose))

    def _check_iterations(self) -> None:
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        check_number(self.tol, "tol")
        check_number(self.n_init, "n_init", low=1, integer=True)

    def _report(self, fit: Fit) -> None:
        """Keep how a fit went, and warn where it did not converge."""
        if not fit.minimum.converged:
            warnings.warn(
                f"the fit stopped after {fit.minimum.n_iter} iterations at a relative projected gradient of "
                f"{fit.history['projected_gradient'][-1]:.1e}, above tol={self.tol:g}: {fit.minimum.message}. "
                "Raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=3,
            )
        # A start that cannot be bettered counts as an iteration, as scikit-learn has it.
        self.n_iter_ = max(1, fit.minimum.n_iter)
        self.history_ = fit.history

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Array:
        """Fit to `X` and return the codes of its samples at the last level, `(n, k_L)`; takes what `fit` takes."""
        data_params = {name: value for name, value in fit_params.items() if name in ("mask", "weights")}
        return self.fit(X, y, **fit_params).transform(X, **data_params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = not self._takes_signs
        tags.input_tags.sparse = True
        return tags


DATA_LOSSES = ("energy", "data-centric", "reconstruction")
"""Those that are errors of the data: all that a model other than a `Hierarchy` has."""


def level_index(level: Any, levels: int, *, name: str = "level") -> int:
    """Return `level` as an index from 0 to the number of levels less one."""
    if not isinstance(level, numbers.Integral) or isinstance(level, bool) or not -levels <= int(level) < levels:
        raise ValueError(f"{name} must be an integer from {-levels} to {levels - 1}, got {level!r}")
    return int(level) % levels


def checked_code(S: Any, k: int, level: int) -> Array:
    """Return a code `(n, k)` of a level that a user gave."""
    S = check_real_array(S, "S", orders=(2,))
    if S.shape[1] != k:
        raise ValueError(f"S must have shape (n, {k}) at level {level}, got {tuple(S.shape)}")
    return S


def checked_loss(
    name: str, level_weights: Sequence[float] | None, levels: int, names: Sequence[str] = tuple(LOSSES)
) -> Loss:
    """Return the loss of the data that the parameters `loss` and `level_weights` name, for a number of levels."""
    check_choice(name, "loss", names)
    if name == "reconstruction":
        if level_weights is not None:
            raise ValueError("level_weights must be None with loss='reconstruction', which has no weights")
        return Reconstruction()
    if level_weights is not None and not isinstance(level_weights, Sequence | np.ndarray):
        raise TypeError(f"level_weights must be a sequence with one entry a level, got {level_weights!r}")
    if level_weights is not None and len(level_weights) != levels:
        raise ValueError(f"level_weights must have one entry a level, {levels}; got {len(level_weights)}")
    return LOSSES[name](level_weights)
