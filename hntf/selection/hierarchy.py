"""The levels above the finest one: fits for their tests, and the candidate that these support."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.metrics.inputs import factors_of
from hntf.selection.levels import FEWEST_COMPONENTS, LevelTest, tested_levels
from hntf.selection.problem import Problem
from hntf.selection.runner import Runner
from hntf.tables import Table

FITS_FOR_LEVELS = 8
"""Number of fits whose distances are averaged."""


def _factors(problem: Problem, rank: int, fold: int) -> list[list[list[float]]]:
    """Return the factors of a fit with held-out entries."""
    options = problem.masked(problem.hold_out(fold))
    return [U.tolist() for U in factors_of(problem.fitted(rank, seed=problem.seed + fold, **options))]


def level_tests(runner: Runner, rank: int) -> dict[int, LevelTest]:
    """Return the tests of all numbers of components above the finest level."""
    if rank < FEWEST_COMPONENTS:
        return {}
    fits = runner.run(_factors, [("factors", rank, fold) for fold in range(FITS_FOR_LEVELS)])
    return tested_levels([[np.array(U) for U in fit] for fit in fits], runner.problem.seed)


def best_levels(rank: int, levels: dict[int, LevelTest], candidates: list[Any] | None) -> tuple[int, ...]:
    """Return the candidate with the recommended finest level whose other levels the tests support best."""
    if candidates is None:
        return (rank, *(r for r in sorted(levels, reverse=True) if levels[r].is_level))

    def support(candidate: tuple[int, ...]) -> float:
        tests = [levels.get(r) for r in candidate[1:]]
        return sum(-1.0 if test is None or not test.is_level else 1.0 for test in tests) + sum(
            0.1 * test.ratio for test in tests if test is not None
        )

    return max((c for c in candidates if c[0] == rank), key=support)


def reason_of_levels(best: tuple[int, ...], levels: dict[int, LevelTest]) -> str:
    """Return which levels the tests support."""
    supported = [r for r in sorted(levels, reverse=True) if levels[r].is_level]
    if supported:
        text = f"They gather into {' and '.join(map(str, supported))} more clearly than chance would have it."
    elif levels:
        text = "Its components gather no more clearly than chance would have it: one level."
    else:
        text = "They are too few to tell whether they gather."
    return text if list(best[1:]) == supported else f"{text} The candidate nearest to this is {best}."


def level_table(levels: dict[int, LevelTest]) -> Table:
    """Return the tests as a table."""
    return Table(
        {
            "components": list(levels),
            "log ratio of heights": [test.ratio for test in levels.values()],
            "chance of the distances": [test.chance_of_distances for test in levels.values()],
            "chance of the profiles": [test.chance_of_profiles for test in levels.values()],
            "level": [test.is_level for test in levels.values()],
        }
    )
