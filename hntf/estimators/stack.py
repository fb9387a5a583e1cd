"""What the estimators that fit a stack of layers on the data share: the fit, codes of new samples and their inverse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.data import Data
from hntf.estimators.base import Estimator, Input, checked_code, level_index
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import Settings, fit_model
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies import Hierarchy
from hntf.losses import Loss, Penalised
from hntf.losses.targets import Labels
from hntf.validation import check_flag, check_number


class StackEstimator(SupervisedMixin, Estimator):
    """Base of the estimators whose model is a `Hierarchy`, with nonnegative factors, labels and penalties."""

    simplex: bool
    code_l1: float
    code_l2: float
    factor_l1: float
    factor_l2: float
    volume_weight: float
    volume_delta: float

    def _with_penalties(self, loss: Loss, data: Data) -> Loss:
        """Return the loss with the penalties that the parameters name, and check these."""
        check_flag(self.simplex, "simplex")
        check_number(self.volume_weight, "volume_weight")
        check_number(self.volume_delta, "volume_delta", strict=True)
        penalised = Penalised(
            loss,
            code_l1=self.code_l1,
            code_l2=self.code_l2,
            factor_l1=self.factor_l1,
            factor_l2=self.factor_l2,
            volume=self.volume_weight * (data.norm_squared() or 1.0),
            delta=self.volume_delta,
        )
        sizes = (self.code_l1, self.code_l2, self.factor_l1, self.factor_l2, self.volume_weight)
        return penalised if any(sizes) else loss

    def _fit_stack(
        self,
        start: Callable[[], Hierarchy],
        loss: Loss,
        settings: Settings,
        given: Input,
        labels: Labels | None,
        rank: int,
    ) -> None:
        """Fit from starting points, set the fitted attributes and report how it went."""
        fit = fit_model(given.data, start, loss, settings, rank=rank, labels=labels)
        self._report(fit)
        scale_is_free = not (settings.simplex or isinstance(loss, Penalised))
        hierarchy: Any = fit.model
        codes = self._keep_hierarchy(self._normalised(hierarchy) if scale_is_free else hierarchy, given)
        self._keep_classifier(labels, codes, given.prototype)

    def _keep_hierarchy(self, hierarchy: Hierarchy, given: Input) -> list[Array]:
        """Set the fitted attributes from a hierarchy; return the codes, in the units of the data."""
        tape = hierarchy.solve(given.data)
        self._hierarchy = hierarchy
        self.factors_ = [cast_like(A, given.prototype) for A in hierarchy.factors]
        codes = [level.S / given.scale for level in tape]
        self.codes_ = [cast_like(S, given.prototype) for S in codes]
        self.reconstruction_err_ = np.array(hierarchy.relative_errors(tape))
        return codes

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The share of zeros in the codes of every level and in every factor: `"codes"` and `"factors"`."""
        return {
            name: np.array([float(np.mean(to_numpy(x) == 0)) for x in part])
            for name, part in (("codes", self.codes_), ("factors", self.factors_))
        }

    def _normalised(self, hierarchy: Hierarchy) -> Hierarchy:
        """Bring the columns of the last level's factors to unit norm.

        A level's problem weighs the components of the code below by their scale: only that of the last level is free.
        """
        last = hierarchy.layers[-1]
        return Hierarchy(
            [*hierarchy.layers[:-1], last.with_factors([with_unit_columns(A)[0] for A in last.map.factors])]
        )

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
