"""Fit a hierarchy of dense levels to data: restarts of an initializer and an optimizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.objective import Objective
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.progress import History
from hntf.fitting.scaling import balanced
from hntf.fitting.stopping import Minimum
from hntf.hierarchy import Hierarchy
from hntf.layers import NNLSLayer
from hntf.losses import Loss
from hntf.maps import Dense


class Settings(NamedTuple):
    """How to fit: the names and numbers that estimators take from their users."""

    init: str | Sequence[Array]
    solver: str
    max_iter: int
    tol: float
    n_init: int
    learning_rate: float | None
    verbose: bool


class Fit(NamedTuple):
    """The best of the restarts."""

    hierarchy: Hierarchy
    minimum: Minimum
    history: dict[str, np.ndarray]


def dense_hierarchy(factors: Sequence[Array]) -> Hierarchy:
    """Return the hierarchy of dense levels with these factors."""
    return Hierarchy([NNLSLayer(Dense(A)) for A in factors])


def fit_hierarchy(
    data: Data, ranks: Sequence[int], loss: Loss, settings: Settings, random_state: np.random.RandomState
) -> Fit:
    """Fit a hierarchy of dense levels; of `n_init` starts keep the one that ends lowest."""
    with blas_threads_for(data, max(ranks)):
        fits = [_fit_once(data, ranks, loss, settings, random_state, run) for run in range(settings.n_init)]
    return min(fits, key=lambda fit: fit.history["loss"].min())


def _fit_once(
    data: Data,
    ranks: Sequence[int],
    loss: Loss,
    settings: Settings,
    random_state: np.random.RandomState,
    run: int,
) -> Fit:
    init = settings.init
    start = INITIALIZERS[init](data, ranks, random_state) if isinstance(init, str) else init
    objective = Objective(loss, dense_hierarchy(start), data)
    title = "fit" if settings.n_init == 1 else f"fit {run + 1}/{settings.n_init}"
    history = History(settings.max_iter, verbose=settings.verbose, title=title)
    minimum = OPTIMIZERS[settings.solver](
        objective,
        objective.start,
        max_iter=settings.max_iter,
        tol=settings.tol,
        learning_rate=settings.learning_rate,
        callback=history,
    )
    *lower, last = objective.hierarchy_at(minimum.x).factors
    # A level's problem weighs the components of its code by their scale: only that of the last level is free.
    return Fit(dense_hierarchy([*lower, *balanced([last])]), minimum, history.close())
