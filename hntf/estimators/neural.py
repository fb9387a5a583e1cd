"""What the estimators that train a stack of layers end to end share: the fit, on all samples or on batches, and its parts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.data import Data
from hntf.estimators.base import Input
from hntf.estimators.stack import StackEstimator
from hntf.estimators.supervised import SupervisedMixin, checked_labels
from hntf.fitting.fit import Settings, fit_model
from hntf.fitting.minibatch import BatchTrainer, fit_minibatch
from hntf.fitting.optimizers import OPTIMIZERS, STEPS
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies import Hierarchy
from hntf.losses import Loss, Penalised, RunningLabels, Supervised
from hntf.losses.targets import Labels
from hntf.validation import check_choice, check_flag, check_number


class Plan(NamedTuple):
    """What a fit needs to know of a network.

    Attributes
    ----------
    loss : Loss
        That of the data.
    start : callable
        Draws a start for data.
    n_levels : int
    rank : int
        The largest.
    takes_batches : bool
        Whether the factors are the same for other samples.
    """

    loss: Loss
    start: Callable[[Data], Hierarchy]
    n_levels: int
    rank: int
    takes_batches: bool = True

    def check_batches(self) -> None:
        """Raise `ValueError` if the factors have rows for the samples."""
        if not self.takes_batches:
            raise ValueError("modes must not hold 0 for training on batches: its factor has a row for every sample")


class Stream(NamedTuple):
    """What a training on batches, one call each, keeps between them.

    Attributes
    ----------
    trainer : BatchTrainer
    loss : Loss
        Of a batch, penalties and labels included.
    supervision : RunningLabels or None
        The part of it that has the classifier.
    classes : array or None
    """

    trainer: BatchTrainer
    loss: Loss
    supervision: RunningLabels | None
    classes: np.ndarray | None


class NeuralEstimator(SupervisedMixin, StackEstimator):
    """Base of the estimators that train a `Hierarchy`, with nonnegative factors, labels and penalties."""

    simplex: bool
    code_l1: float
    code_l2: float
    factor_l1: float
    factor_l2: float
    volume_weight: float
    volume_delta: float
    batch_size: int | None
    random_state: Any
    _stream: Any = None

    @abstractmethod
    def _plan(self, given: Input, y: Any, random_state: np.random.RandomState) -> Plan:
        """Return the network that the parameters describe for the data, checked."""

    def _fit(self, X: Any, y: Any, mask: Any, weights: Any, label_mask: Any) -> None:
        """Fit from starting points, set the fitted attributes and report how it went."""
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        settings = self._checked_neural_settings()
        random_state = check_random_state(self.random_state)
        plan = self._plan(given, y, random_state)
        loss, labels = self._with_labels(
            plan.loss, y, given.data, plan.n_levels, label_mask, running=settings.batch_size is not None
        )
        loss = self._with_penalties(loss, given)
        if settings.batch_size is None:
            fit = fit_model(given.data, lambda: plan.start(given.data), loss, settings, rank=plan.rank, labels=labels)
        else:
            plan.check_batches()
            fit = fit_minibatch(
                given.data, plan.start, loss, settings, rank=plan.rank, random_state=random_state, labels=labels
            )
        self._report(fit)
        codes = self._keep_hierarchy(self._normalised(fit.model, loss), given)
        self._keep_classifier(labels, codes, given.prototype)
        self._stream = None

    def _checked_neural_settings(self) -> Settings:
        """Return the parameters of the optimizer, checked; the solver by its name."""
        settings = self._checked_settings(("auto", *OPTIMIZERS))._replace(simplex=self.simplex)
        if self.batch_size is None:
            return settings._replace(solver="lbfgs" if self.solver == "auto" else self.solver)
        check_number(self.batch_size, "batch_size", low=1, integer=True)
        return settings._replace(solver=self._solver_of_batches(), batch_size=int(self.batch_size))

    def _solver_of_batches(self) -> str:
        check_choice(self.solver, "solver, for batches,", ("auto", *STEPS))
        return "adam" if self.solver == "auto" else self.solver

    def _with_penalties(self, loss: Loss, given: Input) -> Loss:
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
            volume=self.volume_weight * (given.data.norm_squared() or 1.0),
            delta=self.volume_delta,
        )
        sizes = (self.code_l1, self.code_l2, self.factor_l1, self.factor_l2)
        if any(sizes):
            self._check_moderate(given, "with penalties")
        return penalised if any(sizes) or self.volume_weight else loss

    def _normalised(self, hierarchy: Any, loss: Loss) -> Hierarchy:
        """Bring the columns of the last level's factors to unit norm, where nothing fixes their scale.

        A level's problem weighs the components of the code below by their scale: only that of the last level is free.
        """
        if self.simplex or isinstance(loss, Penalised):
            return hierarchy
        last = hierarchy.layers[-1]
        unit = last.with_factors([with_unit_columns(A)[0] for A in last.map.factors])
        return Hierarchy([*hierarchy.layers[:-1], unit])

    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        *,
        classes: Any = None,
        mask: Any = None,
        weights: Any = None,
        label_mask: Any = None,
    ) -> Self:
        """Take one projected step of SGD or Adam on a batch of samples; the first call starts from its batch.

        Parameters
        ----------
        X, mask, weights, label_mask
            As in `fit`, of one batch, which counts as the whole for the penalties.
        y : array, `(n,)` or `(n, p)`, optional
            As in `fit`, -1 where unknown. Labels are trained where the first call has some.
        classes : array, `(p,)`, optional
            All classes there are: needed in the first call where its `y` does not show all.

        Returns
        -------
        self
            `codes_` and `reconstruction_err_` are those of this batch after the step; the factors keep the scale of the training.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; the message names it.
        """
        first = self._stream is None
        self._checked_settings(("auto", *OPTIMIZERS))
        given = self._validated(X, mask=mask, weights=weights, reset=first)
        self._check_moderate(given, "for training on batches one by one")
        if first:
            stream, labels = self._first_batch(given, y, classes, label_mask)
        else:
            stream, labels = self._stream, None
            if stream.classes is not None and y is not None:
                labels = checked_labels(y, label_mask, given.data, classes=stream.classes, some=False)
        stream.trainer.step(stream.loss, given.data, labels)
        self._stream = stream
        values = stream.trainer.values
        self.n_iter_, self.history_ = len(values), {"loss": np.array(values)}
        hierarchy: Any = stream.trainer.model
        self._keep_hierarchy(hierarchy, given)
        B = None if stream.supervision is None else stream.supervision.classifier
        self._set_classifier(B, stream.classes, given.prototype)
        return self

    def _first_batch(self, given: Input, y: Any, classes: Any, label_mask: Any) -> tuple[Stream, Labels | None]:
        """Return what a training on batches keeps, from the first of them, and its labels."""
        plan = self._plan(given, y, check_random_state(self.random_state))
        plan.check_batches()
        loss, labels = self._with_labels(
            plan.loss, y, given.data, plan.n_levels, label_mask, classes=classes, running=True
        )
        trainer = BatchTrainer(
            plan.start(given.data), self._solver_of_batches(), self.learning_rate, simplex=self.simplex
        )
        supervision: Any = loss.label_loss if isinstance(loss, Supervised) else None
        stream = Stream(
            trainer, self._with_penalties(loss, given), supervision, None if labels is None else labels.classes
        )
        return stream, labels
