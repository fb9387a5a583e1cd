"""What methods share that lower a cost sweep by sweep: when they end, and the best of several starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hntf.fitting.progress import History

SweepCallback = Callable[[int, float], None]
"""Called after every sweep with its number and the cost."""


class Ended(NamedTuple):
    """The cost at the end, the number of sweeps, and whether the last one lowered the cost by less than the tolerance."""

    cost: float
    n_iter: int
    converged: bool


def sweep_until(
    sweep: Callable[[], float], *, max_iter: int, tol: float, callback: SweepCallback | None = None
) -> Ended:
    """Call `sweep`, which returns the cost after it, until one lowers the cost by no more than `tol`, relatively."""
    cost = float("inf")
    for n_iter in range(1, max_iter + 1):
        previous, cost = cost, sweep()
        if callback is not None:
            callback(n_iter, cost)
        if previous - cost <= tol * abs(cost):
            return Ended(cost, n_iter, True)
    return Ended(cost, max_iter, False)


def best_of_starts(
    fit: Callable[[SweepCallback], Any],
    *,
    n_init: int,
    max_iter: int,
    verbose: bool,
    cost: Callable[[Any], float],
    loss: Callable[[float], float],
) -> tuple[Any, np.ndarray]:
    """Call `fit`, which starts anew each time, `n_init` times; return the one of least cost and its losses by sweep.

    `cost` tells that of a fit, and `loss` makes what the callback gets the loss of a history.
    """
    fits = []
    for run in range(n_init):
        history = History(max_iter, verbose=verbose, title=f"fit {run + 1}/{n_init}")
        found = fit(lambda n_iter, value, history=history: history.sweep(n_iter, loss(value)))  # type: ignore[misc]
        fits.append((found, history.close()["loss"]))
    return min(fits, key=lambda pair: cost(pair[0]))
