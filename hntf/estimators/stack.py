"""What the estimators that fit a stack of layers on the data share: the fit, codes of new samples and their inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.estimators.base import Estimator, Input, checked_code, level_index
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import Fit, Settings, fit_model
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies import Hierarchy
from hntf.layers import NNLSLayer
from hntf.losses import Loss


class StackEstimator(SupervisedMixin, Estimator):
    """Base of the estimators whose model is a `Hierarchy`."""

    def _fit_stack(
        self,
        start: Callable[[], Hierarchy],
        loss: Loss,
        settings: Settings,
        given: Input,
        y: Any,
        levels: int,
        rank: int,
    ) -> Fit:
        """Fit from starting points, set the fitted attributes and return how it went."""
        loss, labels = self._with_labels(loss, y, given.data, levels)
        fit = fit_model(given.data, start, loss, settings, rank=rank, labels=labels)
        hierarchy = self._normalised(fit.model)
        tape = hierarchy.solve(given.data)
        self._hierarchy = hierarchy
        self.factors_ = [cast_like(A, given.prototype) for A in hierarchy.factors]
        self.codes_ = [cast_like(level.S / given.scale, given.prototype) for level in tape]
        self.reconstruction_err_ = np.array(hierarchy.relative_errors(tape))
        self._keep_classifier(labels, [level.S / given.scale for level in tape], given.prototype)
        return fit

    def _normalised(self, hierarchy: Any) -> Hierarchy:
        """Bring the columns of the last level's factors to unit norm.

        A level's problem weighs the components of the code below by their scale: only that of the last level is free.
        """
        last = hierarchy.layers[-1].map
        unit = last.with_factors([with_unit_columns(A)[0] for A in last.factors])
        return Hierarchy([*hierarchy.layers[:-1], NNLSLayer(unit)])

    @property
    def _n_features_out(self) -> int:
        return self.codes_[-1].shape[1]

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            Nonnegative, of the features that were fitted.
        level : int
            From 0, the finest; -1 is the last.
        mask, weights
            As in `fit`.

        Returns
        -------
        array, `(n, k_l)`
            In the backend and floating dtype of `X`.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        given = self._validated(X, mask=mask, weights=weights)
        hierarchy = self._hierarchy_like(given.data.prototype)
        tape = Hierarchy(hierarchy.layers[: level + 1]).solve(given.data)
        return cast_like(tape[level].S / given.scale, given.prototype)

    def _hierarchy_like(self, reference: Any) -> Hierarchy:
        """Return the fitted hierarchy in the backend of `reference`: a model fitted on one serves the other."""
        if is_torch(reference) == is_torch(self._hierarchy.factors[0]):
            return self._hierarchy
        return self._hierarchy.with_factors([from_numpy(to_numpy(A), reference) for A in self._hierarchy.factors])

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, in the shape of the data."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        S = checked_code(S, self.codes_[level].shape[1], level)
        hierarchy = self._hierarchy_like(S)
        return cast_like(hierarchy.decode_to_data(as_float64(S), level + 1, self.feature_shape_), S)
