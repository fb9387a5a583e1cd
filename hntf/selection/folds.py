"""Errors of predictions, fold by fold, and which candidates are worth further folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from hntf.selection.bi_cross_validation import bi_cross_validated_error
from hntf.selection.candidates import FIRST, LATER, STEP
from hntf.selection.held_out import held_out_errors
from hntf.selection.problem import Problem
from hntf.selection.runner import Runner
from hntf.selection.thinning import thinned_deviance


def each_fold(
    error: Callable[[Problem, int, int], float], problem: Problem, rank: int, folds: Sequence[int]
) -> list[float]:
    """Return the errors in several folds, each by itself."""
    return [error(problem, rank, fold) for fold in folds]


PREDICTIONS: dict[str, Callable[[Problem, Any, Sequence[int]], list[float]]] = {
    "held-out": held_out_errors,
    "bi-cross-validation": partial(each_fold, bi_cross_validated_error),
    "thinning": partial(each_fold, thinned_deviance),
}
"""Criteria that score predictions, in several folds."""

WORSE, MUCH_WORSE, CLEARLY = 0.03, 0.1, 3.0
"""A candidate is dropped if its error exceeds the lowest in all of the first folds by the larger fraction, or by the smaller one
and by this multiple of how much its excess differs from fold to fold."""

FIRST_FOLDS = 2
"""Number of folds in which all candidates are tried."""

STILL_NEAR = 0.02
"""Larger numbers are tried as long as the error of the largest exceeds the lowest by at most this fraction.

Of a likelihood, which has no ratios, it is a fraction of what is gained over no components.
"""


def fold_errors(runner: Runner, name: str, candidates: list[Any] | None, n_folds: int) -> dict[Any, list[float]]:
    """Return the errors of a criterion in all folds that were tried, for every candidate, in their order, and for 0, the mean.

    Without candidates, numbers of components are tried as long as the errors decrease, and then those beside the best.
    """
    first, rest = range(min(FIRST_FOLDS, n_folds)), range(FIRST_FOLDS, n_folds)
    found: dict[Any, list[float]] = {}

    def run(ranks: Sequence[Any], folds: range) -> None:
        jobs = [(name, rank, tuple(folds)) for rank in ranks if folds]
        for (_, rank, _), errors in zip(jobs, runner.run(PREDICTIONS[name], jobs), strict=True):
            found.setdefault(rank, []).extend(errors)

    def mean(rank: Any) -> float:
        return float(np.mean(found[rank]))

    largest = runner.problem.largest_rank
    run([0, *(candidates or [r for r in range(1, FIRST + 1) if r <= largest])], first)
    if candidates is None:
        later = [rank for rank in LATER if rank <= largest]
        while later and mean(max(found)) < _near(name, mean(0), min(map(mean, found))):
            run(later[:STEP], first)
            later = later[STEP:]
        best = min(found, key=mean)
        tried = sorted(found)
        below, above = (
            max([r for r in tried if r < best], default=best),
            min([r for r in tried if r > best], default=best),
        )
        run([rank for rank in range(below + 1, above) if rank not in found], first)
    lowest = np.min([found[rank] for rank in found], axis=0)
    # A likelihood has no ratios.
    run([rank for rank in found if name == "thinning" or _may_win(np.array(found[rank]), lowest)], rest)
    return {rank: found[rank] for rank in ([0, *candidates] if candidates else sorted(found))}


def _near(name: str, without: float, lowest: float) -> float:
    """Return the error below which one is near the lowest; `without` is that of no components."""
    return lowest + STILL_NEAR * (without - lowest if name == "thinning" else lowest)


def _may_win(errors: np.ndarray, lowest: np.ndarray) -> bool:
    """Return whether a candidate may be recommended, from its errors and the lowest ones in the first folds."""
    excess = errors / np.where(lowest > 0, lowest, 1.0) - 1.0
    clearly = max(WORSE, CLEARLY * float(np.ptp(excess)))
    return bool(excess.min() <= min(MUCH_WORSE, clearly))
