"""Fit one nonnegative CP decomposition: restarts of a start and alternating updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.data import Data
from hntf.fitting.alternating import UPDATES, SingleLevel, alternating_nnls
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.progress import History


class CPSettings(NamedTuple):
    """How to fit: the names and numbers that estimators take from their users."""

    solver: str
    max_iter: int
    tol: float
    n_init: int
    verbose: bool


def fit_cp(data: Data, start: Callable[[], SingleLevel], settings: CPSettings) -> tuple[SingleLevel, np.ndarray]:
    """Fit from `n_init` starts, each drawn by `start()`; return the best and its squared relative errors by sweep."""
    fits = []
    for run in range(settings.n_init):
        history = History(settings.max_iter, verbose=settings.verbose, title=f"NCPD {run + 1}/{settings.n_init}")
        level = start()
        with blas_threads_for(data, level.factors[-1].shape[1]):
            level = alternating_nnls(
                data,
                level,
                sweeps=settings.max_iter,
                tol=settings.tol,
                update=UPDATES[settings.solver],
                callback=lambda sweep, error, history=history: history.sweep(sweep, error**2),  # type: ignore[misc]
            )
        fits.append((level, history.close()["loss"]))
    return min(fits, key=lambda fit: fit[0].error)


def fit_screened_cp(data: Data, rank: int, settings: CPSettings, random_state: np.random.RandomState) -> SingleLevel:
    """Fit from the best of several random starts after a few sweeps each."""

    def start() -> SingleLevel:
        with blas_threads_for(data, rank):
            return screened_start(data, rank, random_state)

    return fit_cp(data, start, settings)[0]
