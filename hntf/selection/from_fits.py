"""What fits of all data tell of their number of components.

Information criteria, the elbow of the errors, core consistency, and whether fits from other starts find the same components.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from hntf.metrics.core_consistency import core_consistency
from hntf.metrics.inputs import factors_of
from hntf.metrics.matching import factor_match_score
from hntf.selection.problem import Problem, n_parameters

CONSISTENT = 70.0
"""Core consistency, in percent, from which a CP model is called appropriate."""

STABLE = 0.9
"""Mean factor match score of fits from different starts from which components are called stable."""

N_STARTS = 5


def fit_error(problem: Problem, rank: int, _: int) -> float:
    """Return the relative error of a fit of all data."""
    return float(problem.fitted(rank, **problem.unmasked).reconstruction_err_[0])


EXACT = 3e-3
"""Error, relative to the largest one, from which a fit counts as exact: less depends on when it stops."""

SMALLEST_ERROR = 1e-5
"""Relative error from which it does in any case."""


def _no_less_than_exact(errors: Mapping[int, float]) -> dict[int, float]:
    """Return errors, raised to that of exact fits, which is one number."""
    exact = max(SMALLEST_ERROR, EXACT * max(errors.values()))
    return {rank: max(error, exact) for rank, error in errors.items()}


def _logarithms(errors: Mapping[int, float]) -> dict[int, float]:
    """Return the logarithms of squared errors."""
    return {rank: 2 * math.log(error) for rank, error in _no_less_than_exact(errors).items()}


def bic(errors: Mapping[int, float], shape: tuple[int, ...], n: float) -> dict[int, float]:
    """Return the Bayesian information criterion but for a constant, `N log ‖X − X̂‖² / ‖X‖² + p log N`.

    `n` is the number of observed entries, and `p` that of free parameters.
    """
    return {
        rank: n * logarithm + n_parameters(rank, shape) * math.log(n) for rank, logarithm in _logarithms(errors).items()
    }


def bai_ng(errors: Mapping[int, float], shape: tuple[int, ...], n: float) -> dict[int, float]:
    """Return the criterion `IC_p2` of Bai and Ng (2002) but for a constant, for the data as a matrix of samples.

    `n` is the number of observed entries, which takes the place of that of all entries.
    """
    samples, features = shape[0], math.prod(shape[1:])
    penalty = (samples + features) / n * math.log(min(samples, features) + 1)
    return {rank: logarithm + rank * penalty for rank, logarithm in _logarithms(errors).items()}


def elbow(errors: Mapping[int, float]) -> int:
    """Return the rank at which the curve of errors is farthest below the line from its first to its last point."""
    ranks, errors = sorted(errors), _no_less_than_exact(errors)
    x = (np.array(ranks) - ranks[0]) / (ranks[-1] - ranks[0])
    y = np.array([errors[rank] for rank in ranks])
    below = y[0] + x * (y[-1] - y[0]) - y
    return ranks[int(np.argmax(below))]


def consistency(problem: Problem, rank: int, _: int) -> float:
    """Return the core consistency of a CP decomposition of all data."""
    return core_consistency(problem.fitted(rank, **problem.unmasked), problem.X, **problem.unmasked)


def restarts(problem: Problem, rank: int, _: int) -> float:
    """Return the mean factor match score of successive fits from different starts."""
    fits = [
        factors_of(problem.fitted(rank, seed=problem.seed + start, **problem.unmasked)) for start in range(N_STARTS)
    ]
    return float(np.mean([factor_match_score(one, other) for one, other in pairwise(fits)]))


def last_above(values: Mapping[int, float], bound: float) -> int | None:
    """Return the largest rank whose value reaches a bound."""
    return max((rank for rank, value in values.items() if value >= bound), default=None)


def smallest(values: Mapping[int, float]) -> int:
    """Return the rank with the smallest value."""
    return min(values, key=lambda rank: values[rank])


class FromFits(NamedTuple):
    """A criterion that looks at fits of all data.

    Attributes
    ----------
    column : str
        What is computed for every number of components, and its column in the table.
    work : callable
        Computes it.
    choose : callable
        Returns the number that is recommended from the values of all of them, or None.
    values : callable, optional
        Returns the values from what is computed, the shape of the data and the number of observed entries.
    of_numbers : bool
        Whether it is made for numbers of components alone, not for tuples with those of a Tucker model.
    fewest : int
        How many numbers it compares at least.
    """

    column: str
    work: Callable[[Problem, Any, int], float]
    choose: Callable[[Mapping[Any, float]], Any]
    values: Callable[[Mapping[int, float], tuple[int, ...], float], dict[int, float]] | None = None
    of_numbers: bool = False
    fewest: int = 1


FROM_FITS: dict[str, FromFits] = {
    "bic": FromFits("error", fit_error, smallest, bic, of_numbers=True),
    "bai-ng": FromFits("error", fit_error, smallest, bai_ng, of_numbers=True),
    "elbow": FromFits("error", fit_error, elbow, of_numbers=True, fewest=3),
    "core-consistency": FromFits("core-consistency", consistency, partial(last_above, bound=CONSISTENT)),
    "stability": FromFits("stability", restarts, partial(last_above, bound=STABLE)),
}
"""Criteria that look at fits of all data."""
