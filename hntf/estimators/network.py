"""What the estimators that train a network of another kind than `Hierarchy` share: the fit, and codes of new samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hntf.arrays import Array, cast_like, in_backend_of
from hntf.estimators.base import Input
from hntf.estimators.coded import CodedEstimator
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import Settings, fit_model
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels


class NetworkEstimator(SupervisedMixin, CodedEstimator):
    """Base of the estimators whose model gives codes by a forward pass; a subclass calls `_fit_network` in `fit`."""

    _matrices_only = True

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

    def _model_like(self, reference: Any) -> Any:
        """Return the fitted model in the backend of `reference`."""
        return self._model.with_factors(in_backend_of(self._model.factors, reference))

    def _encode(self, given: Input, level: int) -> Array:
        model = self._in_units(self._model_like(given.data.prototype), given.scale)
        return model.codes(model.solve(given.data))[level]
