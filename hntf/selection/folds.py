"""Errors of predictions, fold by fold: which numbers of components are tried, in how many folds, and which one is recommended.

Errors that are fractions of what is predicted are compared by their ratios, as logarithms, so that one fit that goes astray in one
fold does not decide. The number 0 stands for the mean of all entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hntf.selection.bi_cross_validation import SPLITS, bi_cross_validated_error
from hntf.selection.candidates import FIRST, LATER, STEP
from hntf.selection.held_out import held_out_errors
from hntf.selection.problem import Problem
from hntf.selection.runner import Runner
from hntf.selection.thinning import thinned_deviance

WORSE, MUCH_WORSE, CLEARLY = 0.03, 0.1, 3.0
"""A candidate is dropped if its error exceeds the lowest in all of the first folds by the larger fraction, or by the smaller one
and by this multiple of how much its excess differs from fold to fold."""

FIRST_FOLDS = 2
"""Number of folds in which all candidates are tried."""

STILL_NEAR = 0.02
"""Larger numbers are tried as long as the error of a large one exceeds the lowest of a fold by at most this fraction.

Of a likelihood, which has no ratios, it is a fraction of what is gained over no components.
"""

LARGE = 2
"""How many of the largest numbers that were tried are looked at: with few counts the error of a single one may be anything."""

ASTRAY, ASTRAY_UP_TO = 2.0, 16
"""Error, divided by that of the mean, from which a fit went astray where entries were hidden, which tells nothing of larger
numbers; and the number of components up to which larger ones are tried for that."""

EXACT, NEARLY_EXACT = 1e-5, 2e-5
"""Squared error, relative to that of the mean, from which entries count as predicted exactly: less depends on when a fit stops.
No larger number is tried where one is at most as far from exact as the second."""

ROUNDING = 1e-14
"""Squared error, relative to the entries, below which nothing is resolved."""


class Prediction(NamedTuple):
    """A criterion that scores predictions.

    Attributes
    ----------
    errors : callable
        Returns the errors of a candidate in some folds.
    is_ratio : bool
        Whether they are fractions of what is predicted.
    n_folds : int or None
        The number of folds; None for that of the user.
    """

    errors: Callable[[Problem, Any, Sequence[int]], list[float]]
    is_ratio: bool = True
    n_folds: int | None = None


def each_fold(
    error: Callable[[Problem, int, int], float], problem: Problem, rank: int, folds: Sequence[int]
) -> list[float]:
    """Return the errors in several folds, each by itself."""
    return [error(problem, rank, fold) for fold in folds]


PREDICTIONS: dict[str, Prediction] = {
    "held-out": Prediction(held_out_errors),
    "bi-cross-validation": Prediction(partial(each_fold, bi_cross_validated_error), n_folds=SPLITS**2),
    "thinning": Prediction(partial(each_fold, thinned_deviance), is_ratio=False),
}
"""Criteria that score predictions, in several folds."""


class FoldErrors:
    """The errors of a criterion for every candidate that was tried, and for 0.

    Parameters
    ----------
    runner : Runner
        Runs the fits.
    name : str
        The criterion.
    """

    def __init__(self, runner: Runner, name: str) -> None:
        self.name, self._runner, self._prediction = name, runner, PREDICTIONS[name]
        self._found: dict[Any, list[float]] = {}

    @property
    def ranks(self) -> list[Any]:
        """What was tried, without 0."""
        return [rank for rank in self._found if rank]

    def run(self, ranks: Sequence[Any], folds: Sequence[int]) -> None:
        """Add the errors in some folds."""
        jobs = [(self.name, rank, tuple(folds)) for rank in ranks if folds]
        for (_, rank, _), errors in zip(jobs, self._runner.run(self._prediction.errors, jobs), strict=True):
            self._found.setdefault(rank, []).extend(errors)

    def sort(self) -> None:
        """Bring what was tried into the order of the numbers of components."""
        self._found = {rank: self._found[rank] for rank in sorted(self._found)}

    def scores(self, rank: Any) -> np.ndarray:
        """Return the errors in all folds as numbers whose differences compare candidates."""
        errors = np.array(self._found[rank])
        if not self._prediction.is_ratio:
            return errors
        of_mean = np.array(self._found[0])[: len(errors)]
        return np.log(np.maximum(errors, np.maximum(EXACT * of_mean, ROUNDING)))

    def n_folds(self, rank: Any) -> int:
        """Return the number of folds in which a candidate was tried."""
        return len(self._found[rank])

    def mean(self, rank: Any) -> float:
        """Return the mean error: the geometric one of ratios.

        Of a candidate that was dropped it is that of the lowest, times the ratio to it in the folds that both have.
        """
        _, scores, lowest = self._in_all_folds()
        of_rank = self.scores(rank)
        mean = float((of_rank - scores[: len(of_rank), lowest]).mean() + scores[:, lowest].mean())
        return float(np.exp(mean)) if self._prediction.is_ratio else mean

    def _in_all_folds(self) -> tuple[list[Any], np.ndarray, int]:
        """Return which candidates were tried in all folds, their scores by fold, and which of them has the lowest mean."""
        n_folds = max(map(len, self._found.values()))
        ranks = [rank for rank in self._found if self.n_folds(rank) == n_folds]
        scores = np.stack([self.scores(rank) for rank in ranks], axis=1)
        return ranks, scores, int(scores.mean(axis=0).argmin())

    def standard_error(self, rank: Any) -> float:
        """Return the standard error of the difference to the lowest mean, in the folds that both have."""
        _, scores, lowest = self._in_all_folds()
        of_rank = self.scores(rank)
        return self._in_units(_standard_error(of_rank - scores[: len(of_rank), lowest]), rank)

    def _in_units(self, deviation: float, rank: Any) -> float:
        """Return a deviation of scores in the units of the errors."""
        return deviation * self.mean(rank) if self._prediction.is_ratio else deviation

    def lowest(self) -> np.ndarray:
        """Return the lowest scores of all in the first folds."""
        return np.min([self.scores(rank)[:FIRST_FOLDS] for rank in self._found], axis=0)

    def is_near(self, rank: Any) -> bool:
        """Tell whether a candidate is near the lowest in one of the first folds."""
        lowest = self.lowest()
        near = (
            np.log1p(STILL_NEAR) if self._prediction.is_ratio else STILL_NEAR * (self.scores(0)[:FIRST_FOLDS] - lowest)
        )
        return bool((self.scores(rank)[:FIRST_FOLDS] <= lowest + near).any())

    def is_astray(self, rank: Any) -> bool:
        """Tell whether fits with a moderate number of components are much worse than the mean in all of the first folds."""
        scores = self.scores(rank) - self.scores(0)[: self.n_folds(rank)]
        return self._prediction.is_ratio and rank < ASTRAY_UP_TO and bool((scores > np.log(ASTRAY)).all())

    def may_grow(self, rank: Any) -> bool:
        """Tell whether larger numbers of components may predict better, from one of the largest."""
        return self.is_near(rank) or self.is_astray(rank)

    def is_exact(self, rank: Any) -> bool:
        """Tell whether a candidate predicts entries exactly in all of the first folds, as larger ones do then."""
        errors, of_mean = (np.array(self._found[each])[:FIRST_FOLDS] for each in (rank, 0))
        return self._prediction.is_ratio and bool((errors <= NEARLY_EXACT * of_mean).all())

    def may_win(self, rank: Any) -> bool:
        """Tell whether a candidate may be recommended, from the first folds."""
        if rank == 0 or not self._prediction.is_ratio:
            return True
        excess = np.expm1(self.scores(rank)[:FIRST_FOLDS] - self.lowest())
        return bool(excess.min() <= min(MUCH_WORSE, max(WORSE, CLEARLY * float(np.ptp(excess)))))

    def dropped_too_early(self) -> list[Any]:
        """Return the candidates that were dropped and may be recommended in place of the one that is.

        They are no worse than it, as where it went astray in later folds; or they are smaller, and worse by less than the standard
        error of its mean, which the first folds do not tell.
        """
        in_all, *_ = self._in_all_folds()
        best = self.recommended()[0]
        bound = self.mean(best)
        of_smaller = bound + self._in_units(_standard_error(self.scores(best)), best)
        smaller = self.ranks[: self.ranks.index(best)] if best else []
        return [
            rank
            for rank in self._found
            if rank not in in_all and self.mean(rank) <= (of_smaller if rank in smaller else bound)
        ]

    def recommended(self) -> tuple[Any, Any]:
        """Return the first candidate whose mean is within one standard error of the lowest, and the lowest, of those in all folds.

        The standard error is that of the differences to the lowest in the same folds.
        """
        ranks, scores, best = self._in_all_folds()
        differences = scores - scores[:, [best]]
        spread = differences.std(axis=0, ddof=1) / len(scores) ** 0.5
        near = np.flatnonzero(differences.mean(axis=0) <= spread + 1e-12)
        return ranks[int(near[0])], ranks[best]


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) / len(values) ** 0.5


def fold_errors(runner: Runner, name: str, candidates: list[Any] | None, n_folds: int) -> FoldErrors:
    """Return the errors of a criterion in all folds that were tried, for every candidate in their order.

    Without candidates, numbers of components are tried as long as large ones are near the lowest, and then those beside the best;
    none with more parameters than entries are left to fit.
    """
    n_folds = PREDICTIONS[name].n_folds or n_folds
    first, rest = range(min(FIRST_FOLDS, n_folds)), range(FIRST_FOLDS, n_folds)
    errors = FoldErrors(runner, name)
    if candidates is None:
        _search(errors, first, runner.problem.largest_predicted)
    else:
        errors.run([0, *candidates], first)
    errors.run([rank for rank in (0, *errors.ranks) if errors.may_win(rank)], rest)
    while rest and (back := errors.dropped_too_early()):
        errors.run(back, rest)
    return errors


def _search(errors: FoldErrors, folds: Sequence[int], largest: int) -> None:
    """Try numbers of components up to the largest that is worth it."""
    errors.run([0, *(rank for rank in range(1, FIRST + 1) if rank <= largest)], folds)
    later = [rank for rank in LATER if rank <= largest]
    while later and not any(map(errors.is_exact, errors.ranks)) and any(map(errors.may_grow, errors.ranks[-LARGE:])):
        errors.run(later[:STEP], folds)
        later = later[STEP:]
    best = min((0, *errors.ranks), key=errors.mean)
    below = max((rank for rank in errors.ranks if rank < best), default=best)
    above = min((rank for rank in errors.ranks if rank > best), default=best)
    errors.run([rank for rank in range(below + 1, above) if rank not in errors.ranks], folds)
    errors.sort()
