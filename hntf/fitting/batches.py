"""Training on batches of samples by projected steps of SGD or Adam: a batch is a part of the samples like any other."""

from __future__ import annotations

import numpy as np

from hntf.costs import Loss
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.fitting.loop import Descent, Ended
from hntf.fitting.objective import Evaluation, Objective, flattened, relative_projected_gradient
from hntf.fitting.optimizers import STEPS
from hntf.fitting.parts import Part
from hntf.models import Trainable

START_SAMPLES = 5000
"""Samples, at least, that a start is drawn from."""

HALVINGS = 5
"""How often the rate is halved, each time an epoch lowers the mean loss too little, before a fit ends."""


class BatchTrainer:
    """The state of a training: the point `x`, the method that moves it one projected step a batch, and the losses so far.

    Parameters
    ----------
    model : Trainable
        Its factors are the starting point.
    solver : {"adam", "sgd"}
    learning_rate : float or None
    simplex : bool
        As in `Objective`.
    """

    def __init__(self, model: Trainable, solver: str, learning_rate: float | None, *, simplex: bool = False) -> None:
        self.model = model
        self.simplex = simplex
        self.x = flattened(model.factors)
        self.values: list[float] = []
        self._method = STEPS[solver](self.x, learning_rate)

    def step(self, loss: Loss, data: Data, labels: Labels | None = None, *, share: float = 1.0) -> Evaluation:
        """Take one step on a batch that is a share of the samples; return the evaluation before it."""
        objective = Objective(loss, self.model, [Part(data, labels)], simplex=self.simplex, share=share)
        at = objective(self.x)
        x = self.x + self._method(len(self.values), at.gradient)
        self.x = x * (x > 0) + 0.0
        self.model = objective.model_at(self.x)
        self.values.append(at.value)
        return at

    def halve_rate(self) -> None:
        """Halve the length of the steps."""
        self._method.length *= 0.5


class Epochs(Descent):
    """Training on shuffled batches, an epoch a step.

    An epoch that lowers the mean loss by no more than `tol`, relatively, halves the rate; after some halvings the fit has
    converged.
    Of several starts, the one with the lowest loss after an epoch goes on.

    Parameters
    ----------
    trainer : BatchTrainer
        At the start.
    data, labels
        All samples.
    loss : Loss
    batch_size : int
    tol : float
    random_state : RandomState
        Shuffles.
    """

    race = 1

    def __init__(
        self,
        trainer: BatchTrainer,
        data: Data,
        labels: Labels | None,
        loss: Loss,
        *,
        batch_size: int,
        tol: float,
        random_state: np.random.RandomState,
    ) -> None:
        self.trainer = trainer
        self.data, self.labels, self.cost = data, labels, loss
        self.batch_size = batch_size
        self.tol = tol
        self.random_state = random_state
        self._value: float | None = None
        self._best = float("inf")
        self._gradient = 0.0
        self._halvings = 0

    @property
    def loss(self) -> float | None:
        return self._value

    @property
    def projected_gradient(self) -> float:
        return self._gradient

    @property
    def lowest(self) -> float:
        return self._best

    @property
    def found(self) -> Trainable:
        return self.trainer.model

    def step(self) -> bool:
        value, self._gradient = self._epoch()
        if self._value is not None and self._best - value <= self.tol * abs(self._best):
            self.trainer.halve_rate()
            self._halvings += 1
        self._value, self._best = value, min(self._best, value)
        return True

    def _epoch(self) -> tuple[float, float]:
        """Take a step on every batch; return the mean loss and the mean of the relative projected gradients."""
        n = self.data.shape[0]
        values, gradients = [], []
        order = self.random_state.permutation(n)
        for first in range(0, n, self.batch_size):
            rows = order[first : first + self.batch_size]
            share = len(rows) / n
            labels = None if self.labels is None else self.labels.take(rows)
            at = self.trainer.step(self.cost, self.data.take(rows), labels, share=share)
            values.append(at.value * share)
            gradients.append(relative_projected_gradient(at))
        return sum(values), float(np.mean(gradients))

    def ended(self, tol: float) -> Ended | None:
        if self._halvings >= HALVINGS or self._gradient == 0.0:
            return Ended(True, "the mean loss no longer falls")
        return None
