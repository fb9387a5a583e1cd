"""Base class of the estimators that train a hierarchy by gradients, on all samples or on batches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from itertools import chain
from typing import Any, NamedTuple, Self

import numpy as np

from hntf.arrays import Array, in_backend_of
from hntf.costs import Loss, Penalised, RunningLabels, Supervised
from hntf.costs.penalties import Penalties, warn_of_one_sided
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.estimators.checks import check_moderate, settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.supervised import Classifier, checked_classes, checked_labels
from hntf.estimators.training import train
from hntf.fitting.batches import BatchTrainer, Epochs
from hntf.fitting.loop import Ended, Settings, Solution, run
from hntf.fitting.optimizers import OPTIMIZERS, STEPS
from hntf.fitting.parts import START_SAMPLES
from hntf.fitting.scaling import with_unit_columns
from hntf.models import Hierarchy
from hntf.validation import as_random_state, check_choice, check_flag, check_number

NOT_OF_STREAMS = (
    "init", "batch_size", "max_iter", "tol", "n_init", "random_state", "verbose", "output_level", "callback"
)  # fmt: skip
"""The parameters that `partial_fit` ignores after its first call."""


class Plan(NamedTuple):
    """The hierarchy that a fit trains.

    Attributes
    ----------
    loss : Loss
        The loss of the data.
    start : callable
        Draws a start for the given data; its first call returns a start for the data that the plan was made for.
    n_levels : int
        Number of levels.
    shapes : list of tuple of int
        The shapes of the factors.
    rank : int
        The largest rank.
    errors : list of float or None
        The errors of the best single levels, if they are known.
    codes_samples : bool
        Whether every sample has a code of its own and the factors do not depend on the samples.
    """

    loss: Loss
    start: Callable[[Data], Hierarchy]
    n_levels: int
    shapes: list[tuple[int, int]]
    rank: int
    errors: list[float] | None = None
    codes_samples: bool = True

    def check_batches(self) -> None:
        """Raise `ValueError` if a factor has one row per sample."""
        if not self.codes_samples:
            raise ValueError("modes must not hold 0 for training on batches: its factor has a row for every sample")


class Stream(NamedTuple):
    """The state that `partial_fit` keeps from one call to the next.

    Attributes
    ----------
    trainer : BatchTrainer
        The model and the state of the optimizer.
    loss : Loss
        The loss of a batch, including penalties and labels.
    n_samples : int
        Number of samples in the first batch, for which the loss was made.
    supervision : RunningLabels or None
        The part of the loss that has the classifier.
    classes : array or None
        The class labels.
    parameters : str
        The parameters of the estimator on which the stream depends.
    """

    trainer: BatchTrainer
    loss: Loss
    n_samples: int
    supervision: RunningLabels | None
    classes: np.ndarray | None
    parameters: str

    @property
    def memory(self) -> tuple[Array, Labels] | None:
        """The codes and labels of the last labelled samples."""
        return None if self.supervision is None else self.supervision.memory


class NeuralEstimator(Classifier):
    """Base of the estimators that train a `Hierarchy`, with nonnegative factors, labels, penalties and batches."""

    _takes_checkpoints = True

    n_components: Any
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
    _known: Any = None
    """The codes and labels of the last labelled samples of a fit, from which `partial_fit` continues the classifier."""

    @abstractmethod
    def _plan(
        self, given: Input, first: Data, random_state: np.random.RandomState, errors: list[float] | None = None
    ) -> Plan:
        """Return the hierarchy that the checked parameters describe for the data.

        `first` are the data of the first start; `errors` are those of the best single levels, if they are known from an earlier
        fit.
        """

    def _fit(self, given: Input, labels: Labels | None) -> None:
        random_state = given.generator(self.random_state)
        settings = self._neural_settings(given)
        batch_size = settings.batch_size

        def sample() -> Data:
            """Return the samples from which a start is drawn."""
            if batch_size is None:
                return given.parts.sample(START_SAMPLES, random_state)
            return given.data.take(random_state.permutation(given.shape[0])[: max(batch_size, START_SAMPLES)])

        first = sample()
        plan = self._plan(given, first, random_state)
        self._check_levels(plan.n_levels)
        warn_of_rank(plan.rank, given.shape)
        if not plan.codes_samples:
            given = given.in_memory()
        trained = given.with_labels(labels) if plan.codes_samples else given
        loss = self._with_labels(plan.loss, trained, plan.n_levels, running=batch_size is not None)
        running: Any = loss.label_loss if batch_size is not None and isinstance(loss, Supervised) else None
        loss = self._with_penalties(loss, given)
        samples = chain([first], iter(sample, None))

        def start() -> Hierarchy:
            return plan.start(next(samples))

        if batch_size is None:
            solution = train(start, loss, settings, trained.parts, plan.rank)
        else:
            plan.check_batches()

            def descent() -> Epochs:
                trainer = BatchTrainer(
                    start().revived(), settings.solver, settings.learning_rate, simplex=settings.simplex
                )
                return Epochs(
                    trainer,
                    given.data,
                    labels,
                    loss,
                    batch_size=batch_size,
                    tol=settings.tol,
                    random_state=random_state,
                    running=running,
                )

            solution = run(descent, settings, given.parts, plan.rank)
        given = given.with_labels(labels)
        self._keep_hierarchy(self._normalised(solution.found, loss), given, solution)
        self._keep_ratios(plan.errors)
        self._known = self._keep_classifier(given)
        self._stream = None

    def _keep_hierarchy(self, hierarchy: Hierarchy, given: Input, solution: Solution) -> None:
        self._keep(hierarchy, given, solution)

    def _neural_settings(self, given: Input) -> Settings:
        """Return the checked parameters of the optimizer, with the solver chosen."""
        settings = settings_of(self, ("auto", *OPTIMIZERS), given)
        settings = settings._replace(simplex=check_flag(self.simplex, "simplex"))
        if self.batch_size is None:
            return settings._replace(solver="lbfgs" if self.solver == "auto" else self.solver)
        check_number(self.batch_size, "batch_size", low=1, integer=True)
        return settings._replace(solver=self._solver_of_batches(), batch_size=int(self.batch_size))

    def _solver_of_batches(self) -> str:
        check_choice(self.solver, "solver, for batches,", ("auto", *STEPS))
        return "adam" if self.solver == "auto" else self.solver

    def _with_penalties(self, loss: Loss, given: Input) -> Loss:
        """Return the loss with the checked penalties added.

        Penalties of factors are multiplied by the number of samples, so that repeating the samples does not change the solution.
        """
        check_number(self.volume_weight, "volume_weight")
        check_number(self.volume_delta, "volume_delta", strict=True)
        sizes = (self.code_l1, self.code_l2, self.factor_l1, self.factor_l2)
        n = given.shape[0]
        penalised = Penalised(
            loss,
            code_l1=self.code_l1,
            code_l2=self.code_l2,
            factor_l1=n * self.factor_l1,
            factor_l2=n * self.factor_l2,
            volume=self.volume_weight * (given.parts.norm_squared or 1.0),
            delta=self.volume_delta,
        )
        if any(sizes):
            check_moderate(given, "with penalties")
        warn_of_one_sided(Penalties(*sizes), bounded_factors=self.simplex)
        return penalised if any(sizes) or self.volume_weight else loss

    def _normalised(self, hierarchy: Any, loss: Loss) -> Hierarchy:
        """Scale the columns of the last factors to unit norm, unless the simplex or a penalty fixes their scale.

        Only the scale of the last level is free: the scale of a lower level weights its components in the problem of the level
        above.
        """
        if self.simplex or isinstance(loss, Penalised):
            return hierarchy
        last = hierarchy.layers[-1]
        unit = last.with_factors([with_unit_columns(A)[0] for A in last.map.factors])
        return hierarchy.with_layers([*hierarchy.layers[:-1], unit])

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
        """Take one projected step of SGD or Adam on a batch of samples.

        The first call continues from an earlier `fit`, or starts from its batch if there was none. After a change of parameters
        the training continues from the current model with the new ones.

        Parameters
        ----------
        X, mask, weights, label_mask
            As in `fit`, for one batch; the penalties are those of a fit to this batch alone.
        y : array, `(n,)` or `(n, p)`, optional
            As in `fit`, -1 where unknown. Labels are only used if the first call has labels or `classes`.
        classes : array, `(p,)`, optional
            All class labels; required in the first call if its `y` does not contain all classes.

        Returns
        -------
        self
            `codes_` and `reconstruction_err_` are those of this batch after the step; the factors are not normalised.

        Raises
        ------
        TypeError, ValueError
            If an argument is not as described; the message names it.
        """
        if self._stream is not None and self._stream.parameters != self._stream_parameters():
            self._known, self._stream = self._stream.memory, None
        first = self._stream is None
        fresh = first and not hasattr(self, "model_")
        given = self._validated(X, mask=mask, weights=weights, reset=fresh)
        check_moderate(given, "for training on batches one by one")
        if first:
            self._stream, labels = self._first_batch(given, y, classes, label_mask)
        else:
            labels = None
            if self._stream.classes is not None and y is not None:
                labels = checked_labels(y, label_mask, given, classes=self._stream.classes, some=False)
        stream = self._stream
        fraction = given.shape[0] / stream.n_samples
        stream.trainer.step(stream.loss, given.data, labels, fraction=fraction)
        losses = stream.trainer.losses
        hierarchy: Any = stream.trainer.model
        ended = Ended(True, "a step on a batch")
        self._keep_hierarchy(hierarchy, given, Solution(hierarchy, len(losses), ended, {"loss": losses}))
        B = None if stream.supervision is None else stream.supervision.classifier
        if B is not None:
            self._set_classifier(B, stream.classes, given.prototype)
        self._keep_ratios(None)  # they were those of the fit
        return self

    def _stream_parameters(self) -> str:
        """Return the parameters on which a stream depends, in a form that can be compared."""
        return repr({name: value for name, value in self.get_params().items() if name not in NOT_OF_STREAMS})

    def _first_batch(self, given: Input, y: Any, classes: Any, label_mask: Any) -> tuple[Stream, Labels | None]:
        """Return the initial state of `partial_fit`, from the fit or from the first batch, and the labels of that batch."""
        fitted = getattr(self, "model_", None)
        ratios = getattr(self, "level_ratios_", None)
        errors = None if ratios is None else (self.reconstruction_err_ / ratios).tolist()
        plan = self._plan(given, given.data, as_random_state(self.random_state), errors)
        self._neural_settings(given)
        self._check_levels(plan.n_levels)
        plan.check_batches()
        if fitted is not None and [tuple(A.shape) for A in getattr(fitted, "factors", [])] != plan.shapes:
            raise ValueError(
                f"n_components must be that of the fit from which partial_fit continues, got {self.n_components!r}; "
                "call fit to train another model"
            )
        if classes is None and y is not None:
            classes = getattr(self, "classes_", None)
        if classes is not None:
            classes = checked_classes(classes)
            y = np.full(given.data.shape[0], -1) if y is None else y
        labels = checked_labels(y, label_mask, given, classes=classes, some=classes is None)
        memory = self._known
        if memory is not None and (labels is None or not np.array_equal(labels.classes, memory[1].classes)):
            memory = None  # other classes: their classifier starts from this batch
        if memory is not None:
            memory = (in_backend_of([memory[0]], given.parts.prototype)[0], memory[1].like(given.parts.prototype))
        loss = self._with_labels(plan.loss, given.with_labels(labels), plan.n_levels, running=True, memory=memory)
        model: Any = plan.start(given.data).revived() if fitted is None else fitted.to(given.parts.prototype)
        model = model.with_layers([layer.with_penalties(self.code_l1, self.code_l2) for layer in model.layers])
        trainer = BatchTrainer(model, self._solver_of_batches(), self.learning_rate, simplex=self.simplex)
        supervision: Any = loss.label_loss if isinstance(loss, Supervised) else None
        names = None if labels is None else labels.classes
        loss = self._with_penalties(loss, given)
        return Stream(trainer, loss, given.data.shape[0], supervision, names, self._stream_parameters()), labels
