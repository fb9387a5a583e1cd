"""`select_ranks`: which candidates are tried, in which order, and what is recommended."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.arrays import to_numpy
from hntf.data import Data
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.data.units import multiplied
from hntf.estimators.inputs import Input, as_input
from hntf.selection.bi_cross_validation import SPLITS
from hntf.selection.candidates import (
    as_candidates,
    check_model,
    finest_model,
    has_levels,
    is_tucker_model,
    of_one_level,
    takes_signs,
)
from hntf.selection.decision import Decision
from hntf.selection.folds import PREDICTIONS, FoldErrors, fold_errors
from hntf.selection.from_fits import FROM_FITS
from hntf.selection.held_out import n_observed
from hntf.selection.hierarchy import best_levels, level_table, level_tests, reason_of_levels
from hntf.selection.problem import Problem
from hntf.selection.resampling import check_starts
from hntf.selection.result import RankSelection
from hntf.selection.runner import Runner
from hntf.validation import as_random_state, check_choice, check_number, warn_user

CRITERIA = (*PREDICTIONS, *FROM_FITS)

LARGEST_FRACTION, SMALLEST_FRACTION = 0.1, 0.01
FEWEST_HELD_OUT, MOST_HELD_OUT = 10, 2**21

AUTO = ("held-out", "bic", "bai-ng", "elbow")

WITHOUT_PREDICTIONS = (*range(1, 13), 14, 16, 20)
"""Numbers of components that are tried without candidates and without a criterion of predictions, which would end the search."""


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
    The smallest number whose error is within one standard error of the lowest is recommended, if the mean of all entries does not
    predict as well, within one standard error, too. For a hierarchy, this is the finest level; the levels above it are numbers of
    groups to which its components gather more clearly than chance would have it.

    Parameters
    ----------
    X : array, tensor, sparse matrix or tensor, path, blocks, `(n, d_1, …)`
        The data, as in `fit` of the model.
    candidates : "auto" or sequence
        Numbers of components, or tuples with those of all levels. `"auto"` tries 1 to 6, and
        larger numbers as long as some of them predict nearly as well as the best; 1 to 20 if no criterion predicts.
    model : estimator or class, optional
        The model, by default `NeuralNMF` for matrices and `NeuralNTF` for tensors. Of a hierarchy only the finest level is fitted,
        as `NMF` or `NCPD`, whatever trains the hierarchy and with which parameters; other models, and hierarchies for data of any
        sign, are fitted as they are. Labels are not used: a model that may take some is fitted without.
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
        A file in which the errors are kept as they are found; with the same arguments, a later call goes on from there. Requires a
        `random_state`.
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
    is_auto, names = criterion == "auto", _as_criteria(criterion)
    checked = as_candidates(candidates)
    check_model(model)
    if model is not None and not has_levels(model) and not is_tucker_model(model):
        checked = of_one_level(checked, model)
    # The information criteria count the parameters of a matrix or CP model.
    names = ["held-out"] if is_auto and _is_tucker(model, checked) else names
    gathers = _gathers(model, checked)
    if gathers and not all(a > b for candidate in checked or [] for a, b in pairwise(candidate)):
        raise ValueError(f"candidates must have fewer components at every level than at the one below, got {checked}")
    if checkpoint is not None:
        _check_seeds(model, random_state)
    problem = _as_problem(X, mask, weights, model, names, checked, fraction, random_state)
    n_entries = n_observed(problem)
    if "held-out" in names and problem.fraction * n_entries < FEWEST_HELD_OUT:
        raise ValueError(
            f"X must have at least {FEWEST_HELD_OUT / problem.fraction:.0f} observed entries to hide some, got {n_entries:.0f}"
        )
    runner = Runner(problem, n_jobs, checkpoint, verbose)
    finest = None if checked is None else sorted({c[0] for c in checked}) if gathers else checked
    _warn_of_redundant(finest, problem)
    if not is_auto and "elbow" in names:
        _check_elbow(finest, problem)
    errors: dict[str, FoldErrors] = {}
    for name in names:
        if name in PREDICTIONS:
            errors[name] = fold_errors(runner, name, finest, n_folds)
            # The other criteria are asked about the same numbers.
            finest = errors[name].ranks
    finest = finest or [rank for rank in WITHOUT_PREDICTIONS if rank <= problem.largest_rank]
    decision = Decision(runner, names, finest, errors, n_entries)
    rank = decision.recommended[names[0]]
    if rank is None or not gathers:
        return RankSelection(rank, decision.table, decision.reason(), decision.recommended)
    levels = level_tests(runner, rank)
    best = best_levels(rank, levels, checked)
    reason = f"{decision.reason()} {reason_of_levels(best, levels)}"
    return RankSelection(best, decision.table, reason, decision.recommended, level_table(levels))


def _as_problem(
    X: Any,
    mask: Any,
    weights: Any,
    model: Any,
    names: Sequence[str],
    candidates: list[Any] | None,
    fraction: float | None,
    random_state: Any,
) -> Problem:
    """Return the checked data with the model of the finest level, in moderate units."""
    if isinstance(X, Data):
        raise TypeError("X must be data as `fit` takes them, but for a data object, which has its mask; pass the array")
    given = as_input(X, mask, weights, nonnegative=not takes_signs(model), together=False)
    shape = tuple(given.shape)
    _check_fits(names, candidates, model, shape)
    X = _as_array(X, given, names, mask, weights)
    fraction = _fraction(fraction, given, shape)
    seed = int(as_random_state(random_state).randint(2**31 - 1))
    scale = given.in_moderate_units().scale if given.arrays is None else 1.0
    finest = finest_model(model, len(shape), candidates)
    return Problem(X, mask, weights, shape, finest, fraction, seed, given.arrays is not None, scale)


def _check_seeds(model: Any, random_state: Any) -> None:
    """Raise `ValueError` if a later call would not do the same as the one that wrote a checkpoint."""
    if random_state is None:
        raise ValueError("random_state must be given with a checkpoint, so that a later call hides the same entries")
    if not isinstance(getattr(model, "random_state", None), int | np.integer | None):
        raise ValueError(
            "model must have a number as random_state with a checkpoint, so that a later call fits the same"
        )


def _warn_of_redundant(candidates: list[Any] | None, problem: Problem) -> None:
    largest = max((rank for rank in candidates or [] if isinstance(rank, int)), default=0)
    if largest > problem.largest_rank:
        warn_user(
            f"candidates names {largest} components, and data of shape {problem.shape} have rank {problem.largest_rank} at most: "
            "more than that are redundant and take long"
        )


def _check_elbow(candidates: list[Any] | None, problem: Problem) -> None:
    """Raise `ValueError` if there are too few numbers of components of the finest level for an elbow."""
    fewest = FROM_FITS["elbow"].fewest
    if candidates is not None and len(candidates) < fewest:
        raise ValueError(
            f"candidates must name at least {fewest} numbers of components of the finest level for the elbow, got {candidates}"
        )
    if candidates is None and problem.largest_rank < fewest:
        raise ValueError(f"X must have rank {fewest} at least for the elbow, got shape {problem.shape}")


def _as_criteria(criterion: Any) -> list[str]:
    if isinstance(criterion, str) and criterion == "auto":
        return list(AUTO)
    if not isinstance(criterion, str | Sequence):
        raise TypeError(f"criterion must be 'auto' or names of criteria, got {criterion!r}")
    names = [criterion] if isinstance(criterion, str) else list(criterion)
    for name in names:
        check_choice(name, "criterion", ("auto", *CRITERIA))
    if not names or "auto" in names:
        raise ValueError(f"criterion must be 'auto' or names of criteria, got {criterion!r}")
    return list(dict.fromkeys(names))


def _check_fits(names: Sequence[str], candidates: list[Any] | None, model: Any, shape: tuple[int, ...]) -> None:
    """Raise `ValueError` if a model or a criterion is not made for the data or the candidates."""
    if getattr(model, "_matrices_only", False) and len(shape) != 2:
        raise ValueError(f"model must take data of order {len(shape)}, got {model!r}")
    if "bi-cross-validation" in names and len(shape) > 2:
        raise ValueError(f"criterion must be another than 'bi-cross-validation' for a tensor of order {len(shape)}")
    if "bi-cross-validation" in names and min(shape) < SPLITS:
        raise ValueError(f"X must have {SPLITS} samples and features for 'bi-cross-validation', got shape {shape}")
    if "core-consistency" in names and len(shape) < 3:
        raise ValueError("criterion must be another than 'core-consistency' for a matrix")
    if "stability" in names and model is not None and not isinstance(model, type):
        check_starts(model, "criterion 'stability'")
    if "thinning" in names and takes_signs(model):
        raise ValueError(f"criterion must be another than 'thinning' for a model of any sign, got {model!r}")
    of_cp = [name for name in names if name not in ("held-out", "stability", "bi-cross-validation")]
    if of_cp and _is_tucker(model, candidates):
        raise ValueError(f"criterion must be 'held-out' or 'stability' for Tucker models, got {of_cp[0]!r}")


def _is_tucker(model: Any, candidates: list[Any] | None) -> bool:
    """Return whether a component is one of a Tucker core, so that ranks are tuples."""
    ranks = [
        rank for candidate in candidates or [] for rank in (candidate if isinstance(candidate, tuple) else (candidate,))
    ]
    return any(isinstance(rank, tuple) for rank in ranks) or is_tucker_model(model)


def _as_array(X: Any, given: Input, names: Sequence[str], mask: Any, weights: Any) -> Any:
    """Return the data as the criteria take them, in moderate units; raise `ValueError` if they cannot."""
    splits = [name for name in names if name in ("bi-cross-validation", "thinning")]
    if splits and not (mask is None and weights is None):
        raise ValueError(f"criterion must be another than {splits[0]!r} with a mask or weights")
    if splits and (given.arrays is None or is_sparse_tensor(X)):
        raise ValueError(f"criterion must be another than {splits[0]!r} for data outside of memory and sparse tensors")
    scale = given.in_moderate_units().scale
    if given.arrays is not None and not given.is_dense:
        X = X.tocsr() if scipy.sparse.issparse(X) else X
        return X if scale == 1.0 else multiplied(X, scale)
    if given.arrays is None or (not splits and scale == 1.0):
        return X
    return to_numpy(given.arrays[0]) * scale


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
    wanted = float(np.clip(2 * stored / entries, SMALLEST_FRACTION, LARGEST_FRACTION))
    # Those of a sparse tensor are stored.
    return wanted if len(shape) == MATRIX else min(wanted, MOST_HELD_OUT / entries)
