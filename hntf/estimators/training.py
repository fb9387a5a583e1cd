"""Training of models by gradients: the loss by its name, the weights of the levels, and the run of the optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hntf.costs import Energy, LayerCentric, Loss, Reconstruction
from hntf.costs.levels import balanced_weights
from hntf.fitting.loop import Descent, Ended, Settings, Solution, run
from hntf.fitting.objective import Objective
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.parts import Parts
from hntf.models import Trainable
from hntf.validation import check_choice

LOSSES = {"energy": Energy, "data-centric": Energy, "layer-centric": LayerCentric, "reconstruction": Reconstruction}
"""The losses of the data, by name."""

DATA_LOSSES = ("energy", "data-centric", "reconstruction")
"""The losses that measure the error of the data itself; only a `Hierarchy` supports others."""

BALANCED = "balanced"
"""The name of the weights that are computed from the error which each level reaches on its own."""


class LevelWeights:
    """The checked parameters `loss` and `level_weights` of an estimator, and the loss that they define.

    Parameters
    ----------
    loss : str
        The name of the loss of the data.
    weights : "balanced", sequence of float or None
        The weights of the levels; None for equal weights.
    n_levels : int
        Number of levels.
    names : sequence of str
        The losses that the estimator supports.

    Raises
    ------
    TypeError, ValueError
        If a name or the weights are not allowed.
    """

    def __init__(self, loss: str, weights: Any, n_levels: int, names: Sequence[str] = tuple(LOSSES)) -> None:
        check_choice(loss, "loss", names)
        named = isinstance(weights, str)
        if named:
            check_choice(weights, "level_weights", (BALANCED,))
        elif weights is not None:
            if loss == "reconstruction":
                raise ValueError("level_weights must be None with loss='reconstruction', which has no weights")
            if not isinstance(weights, Sequence | np.ndarray):
                raise TypeError(
                    f"level_weights must be 'balanced' or a sequence with one entry per level, got {weights!r}"
                )
            if len(weights) != n_levels:
                raise ValueError(f"level_weights must have one entry per level, {n_levels}; got {len(weights)}")
        self.loss = loss
        self.weights = weights
        self.balanced = named and n_levels > 1 and LOSSES[loss] is Energy

    def data_loss(self, errors: Sequence[float] | None) -> Loss:
        """Return the loss; balanced weights are computed from the errors of the best single levels."""
        if self.loss == "reconstruction":
            return Reconstruction()
        if self.balanced:
            return Energy(balanced_weights(errors))  # type: ignore[arg-type]
        return LOSSES[self.loss](None if isinstance(self.weights, str) else self.weights)


class Settled(Descent):
    """A model with no factors to train, for example a fixed base without levels above it."""

    def __init__(self, objective: Objective) -> None:
        value, _ = objective.value_and_grad(objective.model)
        self._value = objective.scale * value
        self._model = objective.model

    kept = ()

    @property
    def loss(self) -> float:
        return self._value

    @property
    def projected_gradient(self) -> float:
        return 0.0

    @property
    def lowest(self) -> float:
        return self._value

    @property
    def found(self) -> Trainable:
        return self._model

    def step(self) -> bool:
        return False

    def ended(self, tol: float) -> Ended:
        return Ended(True, "nothing to train")


def train(start: Callable[[], Trainable], loss: Loss, settings: Settings, parts: Parts, rank: int) -> Solution:
    """Minimise a loss over all samples at once, from the best of several starts, each drawn by `start()`."""

    def descent() -> Descent:
        objective = Objective(loss, start().revived(), parts, simplex=settings.simplex)
        if not objective.model.factors:
            return Settled(objective)
        return OPTIMIZERS[settings.solver](objective, objective.start, settings.learning_rate)

    return run(descent, settings, parts, rank)
