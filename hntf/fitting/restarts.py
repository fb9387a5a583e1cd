"""Restarts of an alternating method: one fit of a CP or Tucker decomposition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hntf.data import Data
from hntf.fitting.alternating import UPDATES, SingleLevel, alternating_nnls
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.sweeps import SweepCallback, best_of_starts


class SweepSettings(NamedTuple):
    """How to fit: the names and numbers that estimators take from their users."""

    solver: str
    max_iter: int
    tol: float
    n_init: int
    verbose: bool


def fit_alternating(
    data: Data, start: Callable[[], Any], alternate: Callable[..., Any], settings: SweepSettings, *, rank: int
) -> tuple[Any, np.ndarray]:
    """Fit from `n_init` starts, each drawn by `start()`; return the best and its squared relative errors by sweep.

    `alternate` is `alternating_nnls` or `alternating_tucker`, and `rank` the largest.
    """

    def fit(callback: SweepCallback) -> Any:
        update = UPDATES[settings.solver]
        return alternate(data, start(), sweeps=settings.max_iter, tol=settings.tol, update=update, callback=callback)

    with blas_threads_for(data, rank):
        return best_of_starts(
            fit,
            n_init=settings.n_init,
            max_iter=settings.max_iter,
            verbose=settings.verbose,
            cost=lambda found: found.error,
            loss=lambda error: error**2,
        )


def fit_screened_cp(data: Data, rank: int, settings: SweepSettings, random_state: np.random.RandomState) -> SingleLevel:
    """Fit a CP decomposition from the best of several random starts after a few sweeps each."""

    def start() -> SingleLevel:
        return screened_start(data, rank, random_state)

    return fit_alternating(data, start, alternating_nnls, settings, rank=rank)[0]
