"""Training on batches of samples by projected steps of SGD or Adam."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.costs import Loss
from hntf.costs.labels import RunningLabels
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.fitting.checkpoint import take_over
from hntf.fitting.loop import Descent, Ended
from hntf.fitting.objective import Evaluation, Objective, flattened, model_at, relative_projected_gradient
from hntf.fitting.optimizers import STEPS
from hntf.fitting.parts import InMemory
from hntf.models import Trainable
from hntf.storage import REFUSED

HALVINGS = 5
"""Number of epochs with too small a decrease of the mean loss, each of which halves the learning rate, that end a fit."""


class BatchTrainer:
    """The state of a training: the point `x`, the method that takes one projected step per batch, and the losses so far.

    Parameters
    ----------
    model : Trainable
        The model, whose factors are the starting point.
    solver : {"adam", "sgd"}
        The method.
    learning_rate : float or None
        Relative to the size of the starting point; None for the default of the method.
    simplex : bool
        Whether the columns of the factors are constrained to sum to one, as in `Objective`.
    """

    def __init__(self, model: Trainable, solver: str, learning_rate: float | None, *, simplex: bool = False) -> None:
        self.model = model
        self.simplex = simplex
        self.x = flattened(model.factors)
        self._losses = np.empty(0)
        self._n_steps = 0
        self._method = STEPS[solver](self.x, learning_rate)

    def step(self, loss: Loss, data: Data, labels: Labels | None = None, *, fraction: float = 1.0) -> Evaluation:
        """Take one step on a batch that is the fraction `fraction` of the samples; return the evaluation before the step."""
        objective = Objective(loss, self.model, InMemory.of(data, labels), simplex=self.simplex, fraction=fraction)
        at = objective(self.x)
        x = self.x + self._method(self._n_steps, at.gradient)
        self.x = x * (x > 0) + 0.0
        self.model = objective.model_at(self.x)
        self._note(at.value)
        return at

    @property
    def losses(self) -> np.ndarray:
        """The loss before every step so far."""
        return self._losses[: self._n_steps]

    def _note(self, loss: float) -> None:
        if self._n_steps == len(self._losses):
            self._losses = np.concatenate([self._losses, np.empty(self._n_steps + 16)])  # long streams stay linear
        self._losses[self._n_steps] = loss
        self._n_steps += 1

    def halve_rate(self) -> None:
        """Halve the learning rate."""
        self._method.length *= 0.5

    def state(self) -> dict[str, Any]:
        """Return the state from which the training can go on, which later steps do not change."""
        return {"x": self.x, "_n_steps": self._n_steps, "method": dict(vars(self._method))}

    def restore(self, state: Any) -> None:
        """Go on from a saved state."""
        take_over(self, ("x", "_n_steps"), state, nonnegative=("x",))
        take_over(self._method, list(vars(self._method)), state.get("method"))
        self.model = model_at(self.x, self.model, simplex=self.simplex)
        self._losses = np.zeros(self._n_steps)


class Epochs(Descent):
    """Training on shuffled batches, with an epoch as one step of the descent.

    An epoch that lowers the mean loss by no more than `tol`, relatively, halves the learning rate; after `HALVINGS` such epochs
    the fit has converged. Of several starts, the one with the lowest loss after one epoch is continued.

    Parameters
    ----------
    trainer : BatchTrainer
        The trainer at its start.
    data, labels
        All samples and their labels.
    loss : Loss
        The loss.
    batch_size : int
        Number of samples in a batch.
    tol : float
        Relative decrease of the mean loss per epoch below which the learning rate is halved.
    random_state : RandomState
        The generator that shuffles the samples.
    running : RunningLabels or None
        The part of the loss that remembers labelled samples.
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
        running: RunningLabels | None = None,
    ) -> None:
        self.trainer = trainer
        self.data, self.labels, self.cost = data, labels, loss
        self.batch_size = batch_size
        self.tol = tol
        self.random_state, self.running = random_state, running
        self._value = self._best = float("inf")
        self._gradient = 0.0
        self._halvings = 0
        self._after_epoch = self._state_now()

    kept = ("_value", "_best", "_gradient", "_halvings")

    def state(self) -> dict[str, Any]:
        """Return the state after the last whole epoch: in the middle of one, its order of the samples is not known."""
        return self._after_epoch

    def _state_now(self) -> dict[str, Any]:
        return {
            **super().state(),
            "trainer": self.trainer.state(),
            "generator": self.random_state.get_state(legacy=False),
            "running": None if self.running is None else self.running.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        try:
            self.trainer.restore(state["trainer"])
            self.random_state.set_state(state["generator"])
            if self.running is not None:
                self.running.restore(state["running"], self.labels)  # type: ignore[arg-type]
        except REFUSED as error:
            raise ValueError(
                f"checkpoint must hold the state of this fit, but not of its batches: {error!r}"
            ) from error
        self._after_epoch = self._state_now()

    @property
    def loss(self) -> float | None:
        return None if self._value == float("inf") else self._value

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
        if self.loss is not None and self._best - value <= self.tol * abs(self._best):
            self.trainer.halve_rate()
            self._halvings += 1
        self._value, self._best = value, min(self._best, value)
        self._after_epoch = self._state_now()
        return True

    def _epoch(self) -> tuple[float, float]:
        """Take one step per batch; return the mean loss and the mean of the relative projected gradients."""
        n = self.data.shape[0]
        values, gradients = [], []
        order = self.random_state.permutation(n)
        for first in range(0, n, self.batch_size):
            rows = order[first : first + self.batch_size]
            fraction = len(rows) / n
            labels = None if self.labels is None else self.labels.take(rows)
            at = self.trainer.step(self.cost, self.data.take(rows), labels, fraction=fraction)
            values.append(at.value * fraction)
            gradients.append(relative_projected_gradient(at))
        return sum(values), float(np.mean(gradients))

    def ended(self, tol: float) -> Ended | None:
        if self._halvings >= HALVINGS or self._gradient == 0.0:
            return Ended(True, "the mean loss no longer falls")
        return None
