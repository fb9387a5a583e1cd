"""Fit a model to data: restarts of a starting point and an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.data import Data
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.objective import Objective
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.progress import History
from hntf.fitting.stopping import Minimum
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels


class Settings(NamedTuple):
    """How to fit: the names and numbers that estimators take from their users."""

    solver: str
    max_iter: int
    tol: float
    n_init: int
    learning_rate: float | None
    verbose: bool
    simplex: bool = False
    batch_size: int | None = None


class Fit(NamedTuple):
    """The best of the restarts."""

    model: Model
    minimum: Minimum
    history: dict[str, np.ndarray]


RACE = 50
"""Iterations after which the lowest of several starts is the one to go on with."""


def fit_model(
    data: Data, start: Callable[[], Model], loss: Loss, settings: Settings, *, rank: int, labels: Labels | None = None
) -> Fit:
    """Fit from the best of `n_init` starting points, each drawn by `start()`; `rank` is the largest.

    Starts race: after some iterations the one with the lowest loss goes on alone.
    """
    with blas_threads_for(data, rank):
        race = settings._replace(max_iter=min(RACE, settings.max_iter))
        fits = []
        for run in range(settings.n_init):
            model = start()
            if not model.factors:
                return _nothing_to_train(data, model, loss, labels)
            objective = Objective(loss, model, data, labels, simplex=settings.simplex)
            single = settings.n_init == 1
            title = "fit" if single else f"start {run + 1}/{settings.n_init}"
            fits.append(_minimise(objective, settings if single else race, title))
        best = min(fits, key=lambda fit: fit.history["loss"].min())
        remaining = settings.max_iter - best.minimum.n_iter
        if best.minimum.converged or remaining == 0:
            return best
        objective = Objective(loss, best.model, data, labels, simplex=settings.simplex)
        rest = _minimise(objective, settings._replace(max_iter=remaining), "fit")
    return _joined(best, rest)


def _nothing_to_train(data: Data, model: Model, loss: Loss, labels: Labels | None) -> Fit:
    """Return a model without factors of its own, such as a base that is held with no level above, as its own fit."""
    value, _ = loss.evaluate(model, model.solve(data), labels)
    history = {"loss": np.array([value / (data.norm_squared() or 1.0)]), "projected_gradient": np.zeros(1)}
    return Fit(model, Minimum(np.empty(0), 0, True, "nothing to train"), history)


def _minimise(objective: Objective, settings: Settings, title: str) -> Fit:
    history = History(settings.max_iter, verbose=settings.verbose, title=title)
    minimum = OPTIMIZERS[settings.solver](
        objective,
        objective.start,
        max_iter=settings.max_iter,
        tol=settings.tol,
        learning_rate=settings.learning_rate,
        callback=history,
    )
    return Fit(objective.model_at(minimum.x), minimum, history.close())


def _joined(first: Fit, rest: Fit) -> Fit:
    """Return a fit that went on where another one stopped; its first point is the other one's last."""
    history = {name: np.concatenate([first.history[name], rest.history[name][1:]]) for name in rest.history}
    minimum = rest.minimum._replace(n_iter=first.minimum.n_iter + rest.minimum.n_iter)
    return Fit(rest.model, minimum, history)
