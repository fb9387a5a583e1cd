"""What the estimators that train a stack of layers end to end share: the fit, its labels and its penalties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hntf.data import Data
from hntf.estimators.base import Input
from hntf.estimators.stack import StackEstimator
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import Settings, fit_model
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies import Hierarchy
from hntf.losses import Loss, Penalised
from hntf.losses.targets import Labels
from hntf.validation import check_flag, check_number


class NeuralEstimator(SupervisedMixin, StackEstimator):
    """Base of the estimators that train a `Hierarchy`, with nonnegative factors, labels and penalties."""

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

    def _normalised(self, hierarchy: Hierarchy) -> Hierarchy:
        """Bring the columns of the last level's factors to unit norm.

        A level's problem weighs the components of the code below by their scale: only that of the last level is free.
        """
        last = hierarchy.layers[-1]
        return Hierarchy(
            [*hierarchy.layers[:-1], last.with_factors([with_unit_columns(A)[0] for A in last.map.factors])]
        )
