"""Train a model on batches of samples: projected steps of SGD or Adam."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hntf.data import Data
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.fit import Fit, Settings
from hntf.fitting.objective import Objective, flattened
from hntf.fitting.optimizers import STEPS
from hntf.fitting.progress import History
from hntf.fitting.stopping import Evaluation, Minimum, relative_projected_gradient
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels

START_SAMPLES = 5000
"""Samples, at least, that a start is drawn from."""

HALVINGS = 5
"""How often the rate is halved, each time an epoch lowers the mean loss too little, before a fit ends."""


class BatchTrainer:
    """The state of a training: the point `x`, the method that moves it one projected step a batch, and the losses so far.

    Parameters
    ----------
    model : Model
        Its factors are the starting point.
    solver : {"adam", "sgd"}
    learning_rate : float or None
    simplex : bool
        As in `Objective`.
    """

    def __init__(self, model: Model, solver: str, learning_rate: float | None, *, simplex: bool = False) -> None:
        self.model = model
        self.simplex = simplex
        self.x = flattened(model.factors)
        self.values: list[float] = []
        self._method = STEPS[solver](self.x, learning_rate)

    def step(self, loss: Loss, data: Data, labels: Labels | None = None) -> Evaluation:
        """Take one step on a batch; return the evaluation before it."""
        objective = Objective(loss, self.model, data, labels, simplex=self.simplex)
        at = objective(self.x)
        x = self.x + self._method(len(self.values), at.gradient)
        self.x = x * (x > 0) + 0.0
        self.model = objective.model_at(self.x)
        self.values.append(at.value)
        return at

    def halve_rate(self) -> None:
        """Halve the length of the steps."""
        self._method.length *= 0.5


def fit_minibatch(
    data: Data,
    start: Callable[[Data], Model],
    loss: Loss,
    settings: Settings,
    *,
    rank: int,
    random_state: np.random.RandomState,
    labels: Labels | None = None,
) -> Fit:
    """Train on shuffled batches, epoch by epoch, from the best of `n_init` starts after one epoch each.

    `start` draws a model for a part of the samples. An epoch that lowers the mean loss by less than `tol`, relatively, halves
    the rate; after some halvings the fit has converged.
    """
    n, size = data.shape[0], settings.batch_size or data.shape[0]
    history = History(settings.max_iter, verbose=settings.verbose, title="fit")
    with blas_threads_for(data, rank):

        def epoch(trainer: BatchTrainer) -> tuple[float, float]:
            values, gradients = [], []
            order = random_state.permutation(n)
            for first in range(0, n, size):
                rows = order[first : first + size]
                of_batch = loss.for_share(len(rows) / n)
                at = trainer.step(of_batch, data.take(rows), None if labels is None else labels.take(rows))
                values.append(at.value * len(rows) / n)
                gradients.append(relative_projected_gradient(at))
            return sum(values), float(np.mean(gradients))

        trainers = []
        for _ in range(settings.n_init):
            part = data.take(random_state.permutation(n)[: max(size, START_SAMPLES)])
            trainer = BatchTrainer(start(part), settings.solver, settings.learning_rate, simplex=settings.simplex)
            trainers.append((epoch(trainer), trainer))
        (value, gradient), trainer = min(trainers, key=lambda pair: pair[0][0])
        history(1, value, gradient)
        best, halvings, n_epochs = value, 0, 1
        while n_epochs < settings.max_iter and halvings < HALVINGS:
            value, gradient = epoch(trainer)
            n_epochs += 1
            history(n_epochs, value, gradient)
            if best - value < settings.tol * abs(best):
                trainer.halve_rate()
                halvings += 1
            best = min(best, value)
    converged = halvings == HALVINGS
    minimum = Minimum(trainer.x, n_epochs, converged, "loss no longer falls" if converged else "max_iter reached")
    return Fit(trainer.model, minimum, history.close())
