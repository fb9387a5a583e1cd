"""`select_ranks`: which candidates are tried, in which order, and what is recommended."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hntf.data.sparse_tensor_input import is_sparse_tensor
from hntf.estimators.inputs import as_input
from hntf.metrics.inputs import factors_of
from hntf.selection import from_fits
from hntf.selection.bi_cross_validation import SPLITS, bi_cross_validated_error
from hntf.selection.candidates import FIRST, LATER, STEP, as_candidates, finest_model, has_levels
from hntf.selection.held_out import held_out_error, recommended
from hntf.selection.levels import LevelTest, gathering_distances, tested_levels
from hntf.selection.problem import Problem
from hntf.selection.result import RankSelection
from hntf.selection.runner import Runner
from hntf.selection.thinning import thinned_deviance
from hntf.tables import Table
from hntf.validation import as_random_state, check_choice, check_number

PREDICTIONS: dict[str, Callable[[Problem, int, int], float]] = {
    "held-out": held_out_error,
    "bi-cross-validation": bi_cross_validated_error,
    "thinning": thinned_deviance,
}
"""Criteria that score predictions, fold by fold."""

CRITERIA = (*PREDICTIONS, "bic", "bai-ng", "elbow", "core-consistency", "stability")

WORSE, MUCH_WORSE, CLEARLY = 0.03, 0.1, 3.0
"""A candidate is dropped if its error exceeds the lowest in all of the first folds by the larger fraction, or by the smaller one
and by this multiple of how much its excess differs from fold to fold."""

FIRST_FOLDS = 2
FITS_FOR_LEVELS = 8
LARGEST_FRACTION, SMALLEST_FRACTION = 0.1, 0.01
FEWEST_HELD_OUT = 10


def select_ranks(
    X: Any,
    candidates: Any = "auto",
    model: Any = None,
    *,
    criterion: str | Sequence[str] = "auto",
    n_folds: int = 5,
    fraction: float | None = None,
    mask: Any = None,
    weights: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    checkpoint: Any = None,
    verbose: bool | int = False,
) -> RankSelection:
    """Recommend a number of components, or the levels of a hierarchy and their numbers of components.

    Parts of the entries are hidden from fits, which then predict them: too few components cannot, and too many follow the noise.
    The smallest number whose error is within one standard error of the lowest is recommended, if it predicts better than the mean
    of all entries. For a hierarchy, this is the finest level; the levels above it are numbers of groups to which its components
    gather more clearly than chance would have it.

    Parameters
    ----------
    X : array, tensor, sparse matrix or tensor, path, blocks, `(n, d_1, …)`
        The data, as in `fit` of the model.
    candidates : "auto" or sequence
        Numbers of components, or tuples with those of all levels. `"auto"` tries 1, 2, … as long as the errors decrease.
    model : estimator or class, optional
        The model, by default `NeuralNMF` for matrices and `NeuralNTF` for tensors. The finest level of a hierarchy is fitted as
        `NMF` or `NCPD`, whatever trains the hierarchy; other models, and an instance with its parameters, as they are.
    criterion : "auto" or str or sequence of str
        What decides: `"held-out"` (the default), `"bi-cross-validation"` (matrices), `"thinning"` (counts), `"bic"`, `"bai-ng"`,
        `"elbow"`, `"core-consistency"` (tensors), `"stability"` (of fits from other starts). The first of several decides. `"auto"`
        adds to `"held-out"` those that need one fit of all data: `"bic"`, `"bai-ng"`, `"elbow"`.
    n_folds : int
        Number of hold-outs. Candidates that are clearly worse than the best in both of the first two are dropped: by a tenth, or by
        3 % and three times as much as their excess differs between the two.
    fraction : float, optional
        The fraction of the entries that is held out, by default 0.1; for sparse data less, as many entries as are stored twice.
    mask, weights
        As in `fit`.
    n_jobs : int, optional
        Number of processes, among which the cores are shared; by default this one, with all cores.
    random_state : int, RandomState, Generator or None
        Seed of the hold-outs.
    checkpoint : str or Path, optional
        A file in which the errors are kept as they are found; with the same arguments, a later call goes on from there.
    verbose : bool or int
        Whether to show a progress bar.

    Returns
    -------
    RankSelection
        `best`, `table`, `reason`, and `plot()`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    References
    ----------
    Wold (1978), *Cross-validatory estimation of the number of components*, Technometrics 20.
    Owen, Perry (2009), *Bi-cross-validation of the SVD and the nonnegative matrix factorization*, Ann. Appl. Stat. 3.
    Bai, Ng (2002), *Determining the number of factors in approximate factor models*, Econometrica 70.

    Examples
    --------
    >>> import hntf
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> hntf.select_ranks(X, [3, 6, 9, 12], model=hntf.NMF, random_state=0).best
    9
    """
    check_number(n_folds, "n_folds", low=2, integer=True)
    names = _as_criteria(criterion)
    checked = as_candidates(candidates)
    given = as_input(X, mask, weights, nonnegative=True, together=False)
    shape = tuple(given.shape)
    _check_fits(names, shape, mask, weights)
    if "held-out" in names and is_sparse_tensor(X):
        raise ValueError(
            "criterion must be another than 'held-out' for a sparse tensor, such as ('bic', 'core-consistency', 'stability')"
        )
    fraction = _fraction(fraction, given, shape)
    if "held-out" in names and fraction * math.prod(shape) < FEWEST_HELD_OUT:
        raise ValueError(
            f"X must have at least {FEWEST_HELD_OUT / fraction:.0f} entries to hide some, got {math.prod(shape)}"
        )
    gathers = _gathers(model, checked)
    seed = int(as_random_state(random_state).randint(2**31 - 1))
    problem = Problem(X, mask, weights, shape, finest_model(model, len(shape), checked), fraction, seed)
    runner = Runner(problem, n_jobs, checkpoint, verbose)
    finest = None if checked is None else sorted({c[0] for c in checked}) if gathers else checked
    errors = _prediction_errors(runner, names, finest, n_folds)
    found = _Found(runner, names, errors, given.parts.norm_squared)
    rank = found.recommended[names[0]]
    if rank is None or not gathers:
        return RankSelection(rank, found.table, found.reason(), found.recommended)
    levels = _levels(runner, rank)
    best = _best_levels(rank, levels, checked)
    return RankSelection(
        best,
        found.table,
        f"{found.reason()} {_reason_of_levels(best, levels)}",
        found.recommended,
        _level_table(levels),
    )


def _as_criteria(criterion: Any) -> list[str]:
    if criterion == "auto":
        return ["held-out", "bic", "bai-ng", "elbow"]
    names = [criterion] if isinstance(criterion, str) else list(criterion)
    for name in names:
        check_choice(name, "criterion", ("auto", *CRITERIA))
    if not names or "auto" in names:
        raise ValueError(f"criterion must be 'auto' or names of criteria, got {criterion!r}")
    return names


def _check_fits(names: Sequence[str], shape: tuple[int, ...], mask: Any, weights: Any) -> None:
    """Raise `ValueError` if a criterion is not made for the data."""
    if "bi-cross-validation" in names and len(shape) > 2:
        raise ValueError(f"criterion must be another than 'bi-cross-validation' for a tensor of order {len(shape)}")
    if "core-consistency" in names and len(shape) < 3:
        raise ValueError("criterion must be another than 'core-consistency' for a matrix")
    if not (mask is None and weights is None) and {"bi-cross-validation", "thinning"} & set(names):
        raise ValueError("criterion must be another than 'bi-cross-validation' and 'thinning' with a mask or weights")


def _gathers(model: Any, candidates: list[Any] | None) -> bool:
    """Return whether levels above the finest one are asked for."""
    if candidates is None:
        return model is None or has_levels(model)
    tuples = all(isinstance(candidate, tuple) for candidate in candidates)
    flat = all(isinstance(rank, int) for candidate in candidates if isinstance(candidate, tuple) for rank in candidate)
    return tuples and flat and (model is None or has_levels(model))


def _fraction(fraction: float | None, given: Any, shape: tuple[int, ...]) -> float:
    if fraction is not None:
        check_number(fraction, "fraction", strict=True)
        if fraction > 0.5:
            raise ValueError(f"fraction must be at most 0.5, got {fraction}")
        return float(fraction)
    entries = math.prod(shape)
    if given.is_dense:
        return LARGEST_FRACTION
    stored = given.parts.sample(5000, np.random.RandomState(0)).n_entries * shape[0] / min(5000, shape[0])
    return float(np.clip(2 * stored / entries, SMALLEST_FRACTION, LARGEST_FRACTION))


def _prediction_errors(
    runner: Runner, names: Sequence[str], candidates: list[Any] | None, n_folds: int
) -> dict[str, dict[Any, list[float]]]:
    """Return the errors of all folds that were tried, by criterion and candidate."""
    errors: dict[str, dict[Any, list[float]]] = {}
    for name in names:
        if name in PREDICTIONS:
            folds = SPLITS**2 if name == "bi-cross-validation" else n_folds
            errors[name] = _of_folds(runner, name, candidates, folds)
            # The other criteria are asked about the same candidates.
            candidates = [candidate for candidate in errors[name] if candidate]
    if not errors:
        errors["held-out"] = {}
        for rank in candidates or range(1, FIRST + 1):
            errors["held-out"][rank] = []
    return errors


def _of_folds(runner: Runner, name: str, candidates: list[Any] | None, n_folds: int) -> dict[Any, list[float]]:
    first, rest = range(min(FIRST_FOLDS, n_folds)), range(FIRST_FOLDS, n_folds)
    found: dict[Any, list[float]] = {}

    def run(ranks: Sequence[Any], folds: range) -> None:
        jobs = [(name, rank, fold) for rank in ranks for fold in folds]
        values = runner.run(PREDICTIONS[name], jobs)
        for (_, rank, _), value in zip(jobs, values, strict=True):
            found.setdefault(rank, []).append(value)

    def mean(rank: Any) -> float:
        return float(np.mean(found[rank]))

    largest = runner.problem.largest_rank
    run([0, *(candidates or [r for r in range(1, FIRST + 1) if r <= largest])], first)
    if candidates is None:
        later = [rank for rank in LATER if rank <= largest]
        while later and mean(max(found)) < (1 + 0.02) * min(map(mean, found)):
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
    return {rank: found[rank] for rank in sorted(found, key=lambda r: r if isinstance(r, tuple) else (r,))}


def _may_win(errors: np.ndarray, lowest: np.ndarray) -> bool:
    """Return whether a candidate may be recommended, from its errors and the lowest ones in the first folds."""
    excess = errors / np.where(lowest > 0, lowest, 1.0) - 1.0
    clearly = max(WORSE, CLEARLY * float(np.ptp(excess)))
    return bool(excess.min() <= min(MUCH_WORSE, clearly))


class _Found:
    """The values of all criteria, and what they recommend."""

    def __init__(
        self, runner: Runner, names: Sequence[str], errors: dict[str, dict[Any, list[float]]], norm_squared: float
    ) -> None:
        self.names, self.errors = list(names), errors
        self.ranks = [rank for rank in next(iter(errors.values())) if rank]
        self.values: dict[str, dict[Any, float]] = {}
        self.recommended: dict[str, Any] = {}
        problem = runner.problem
        fits: dict[Any, float] = {}
        if set(names) & {"bic", "bai-ng", "elbow"} and not any(isinstance(rank, tuple) for rank in self.ranks):
            jobs = [("fit", rank, 0) for rank in self.ranks]
            fits = dict(zip(self.ranks, runner.run(_fit_error, jobs), strict=True))
            self.values["error"] = fits
        for name in names:
            if name in errors:
                self.recommended[name] = self._by_prediction(name)
            elif name in ("core-consistency", "stability"):
                work = _consistency if name == "core-consistency" else _restarts
                found = runner.run(work, [(name, rank, 0) for rank in self.ranks])
                self.values[name] = dict(zip(self.ranks, found, strict=True))
                bound = from_fits.CONSISTENT if name == "core-consistency" else from_fits.STABLE
                self.recommended[name] = from_fits.last_above(self.values[name], bound)
            elif fits and name == "elbow":
                self.recommended[name] = from_fits.elbow(fits)
            elif fits:
                of_name = from_fits.bic if name == "bic" else from_fits.bai_ng
                self.values[name] = of_name(fits, problem.shape, norm_squared)
                self.recommended[name] = from_fits.smallest(self.values[name])

    def _by_prediction(self, name: str) -> Any:
        found = self.errors[name]
        n_folds = max(map(len, found.values()))
        ranks = list(found)
        errors = np.array([found[rank] + [math.nan] * (n_folds - len(found[rank])) for rank in ranks]).T
        self.lowest = ranks[recommended(errors)[1]]
        return ranks[recommended(errors)[0]] or None

    @property
    def table(self) -> Table:
        columns: dict[str, list[Any]] = {"rank": list(next(iter(self.errors.values())))}
        for name, found in self.errors.items():
            if any(found.values()):
                columns[name] = [float(np.mean(v)) for v in found.values()]
                columns[f"{name} standard error"] = [
                    float(np.std(v, ddof=1) / len(v) ** 0.5) if len(v) > 1 else None for v in found.values()
                ]
                columns[f"{name} folds"] = [len(v) for v in found.values()]
        for name, values in self.values.items():
            columns[name] = [values.get(rank) for rank in columns["rank"]]
        return Table(columns)

    def reason(self) -> str:
        """Return why, and which criteria disagree."""
        name, best = self.names[0], self.recommended[self.names[0]]
        if name in self.errors and best is None:
            text = "No structure: no number of components predicts entries better than the mean of the others does."
        elif name in self.errors:
            text = (
                f"{_components(best)}: the smallest number whose prediction error ({name}) is within one standard error of the "
                f"lowest, which is that of {self.lowest}."
            )
            if self.lowest == self.ranks[-1] and len(self.ranks) > 1:
                text += " That is the largest that was tried: more may predict better."
        else:
            text = f"{'No number of components' if best is None else _components(best)}, by {name}."
        agree = [other for other in self.names[1:] if self.recommended.get(other) == best]
        differ = [
            f"{other} says {self.recommended[other]}"
            for other in self.names[1:]
            if other in self.recommended and self.recommended[other] != best
        ]
        if agree:
            text += f" {', '.join(agree)} agree{'s' if len(agree) == 1 else ''}."
        if differ:
            text += f" Criteria disagree: {', '.join(differ)}."
        return text


def _components(rank: Any) -> str:
    return f"{rank} component{'' if rank == 1 else 's'}"


def _fit_error(problem: Problem, rank: Any, _: int) -> float:
    return from_fits.fit_error(problem, rank)


def _consistency(problem: Problem, rank: Any, _: int) -> float:
    return from_fits.consistency(problem, rank)


def _restarts(problem: Problem, rank: Any, _: int) -> float:
    return from_fits.restarts(problem, rank)


def _factors(problem: Problem, rank: int, fold: int) -> list[list[list[float]]]:
    """Return the factors of a fit with held-out entries."""
    options = problem.masked(problem.hold_out(fold))
    return [U.tolist() for U in factors_of(problem.fitted(rank, seed=problem.seed + fold, **options))]


def _levels(runner: Runner, rank: int) -> dict[int, LevelTest]:
    """Return the tests of all numbers of components above the finest level."""
    if rank < 4:
        return {}
    fits = runner.run(_factors, [("factors", rank, fold) for fold in range(FITS_FOR_LEVELS)])
    return tested_levels(gathering_distances([[np.array(U) for U in fit] for fit in fits]), runner.problem.seed)


def _best_levels(rank: int, levels: dict[int, LevelTest], candidates: list[Any] | None) -> tuple[int, ...]:
    """Return the candidate with the recommended finest level whose other levels the tests support best."""
    if candidates is None:
        return (rank, *(r for r in sorted(levels, reverse=True) if levels[r].is_level))

    def support(candidate: tuple[int, ...]) -> float:
        tests = [levels.get(r) for r in candidate[1:]]
        return sum(-1.0 if test is None or not test.is_level else 1.0 for test in tests) + sum(
            0.1 * test.ratio for test in tests if test is not None
        )

    return max((c for c in candidates if c[0] == rank), key=support)


def _reason_of_levels(best: tuple[int, ...], levels: dict[int, LevelTest]) -> str:
    supported = [r for r in sorted(levels, reverse=True) if levels[r].is_level]
    if not supported:
        return "Its components gather no more clearly than chance would have it: one level."
    text = " and ".join(map(str, supported))
    more = "" if list(best[1:]) == supported else f" The candidate nearest to this is {best}."
    return f"They gather into {text} more clearly than chance would have it.{more}"


def _level_table(levels: dict[int, LevelTest]) -> Table:
    return Table(
        {
            "components": list(levels),
            "log ratio of heights": [test.ratio for test in levels.values()],
            "chance": [test.chance for test in levels.values()],
            "level": [test.is_level for test in levels.values()],
        }
    )
