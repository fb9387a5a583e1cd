"""What the estimators that train a network of another kind than `Hierarchy` share: the fit, and codes of new samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, cast_like, from_numpy, is_torch, to_numpy
from hntf.estimators.base import Estimator, Input, level_index, sparsity
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import Settings, fit_model
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels


class NetworkEstimator(SupervisedMixin, Estimator):
    """Base of the estimators whose model gives codes by a forward pass; a subclass calls `_fit_network` in `fit`."""

    factors_: list[Array]

    def _fit_network(
        self,
        start: Callable[[], Model],
        loss: Loss,
        settings: Settings,
        given: Input,
        labels: Labels | None,
        rank: int,
    ) -> Any:
        """Fit from starting points, set what all such estimators have and report how it went; return the model."""
        fit = fit_model(given.data, start, loss, settings, rank=rank, labels=labels)
        self._report(fit)
        self._model = self._in_units(fit.model, 1.0 / given.scale)
        tape = fit.model.solve(given.data)
        codes = [S / given.scale for S in fit.model.codes(tape)]
        self.codes_ = [cast_like(S, given.prototype) for S in codes]
        self.reconstruction_err_ = np.array(fit.model.relative_errors(tape))
        self._keep_classifier(labels, codes, given.prototype)
        return fit.model

    def _in_units(self, model: Any, c: float) -> Any:
        """Return the model for data that are `c` times as large."""
        return model

    @property
    def sparsity_(self) -> dict[str, np.ndarray]:
        """The share of zeros in the codes of every level and in every factor: `"codes"` and `"factors"`."""
        return sparsity(self.codes_, self.factors_)

    @property
    def _n_features_out(self) -> int:
        return self.codes_[-1].shape[1]

    def _model_like(self, reference: Any) -> Any:
        """Return the fitted model in the backend of `reference`."""
        model = self._model
        if is_torch(reference) == is_torch(model.factors[0]):
            return model
        return model.with_factors([from_numpy(to_numpy(A), reference) for A in model.factors])

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, `(n, k_l)`, from the features alone; `mask` and `weights` as in `fit`."""
        check_is_fitted(self, "factors_")
        level = level_index(level, len(self.codes_))
        given = self._validated(X, mask=mask, weights=weights)
        model = self._in_units(self._model_like(given.data.prototype), given.scale)
        return cast_like(model.codes(model.solve(given.data))[level] / given.scale, given.prototype)

    def _check_order(self, order: int) -> None:
        if order != 2:
            raise ValueError(f"X must have order 2, got order {order}")
