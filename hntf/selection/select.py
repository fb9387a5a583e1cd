"""`select_ranks`: which candidates are tried, in which order, and what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.selection.candidates import Candidates
from hntf.selection.criteria import as_criteria, check_elbow
from hntf.selection.decision import Decision
from hntf.selection.folds import PREDICTIONS, FoldErrors, fold_errors
from hntf.selection.held_out import n_observed
from hntf.selection.hierarchy import best_levels, level_table, level_tests, reason_of_levels
from hntf.selection.opening import as_problem, check_held_out
from hntf.selection.problem import Problem
from hntf.selection.result import RankSelection
from hntf.selection.runner import Runner
from hntf.validation import check_number, warn_user

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
        Numbers of components, `[4, 9]`, or tuples with those of all levels, `[(9, 4), (9, 3)]`. `"auto"` tries 1 to 6, and
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
    tried = Candidates.of(candidates, model)
    names = as_criteria(criterion, tried)
    if checkpoint is not None:
        _check_seeds(model, random_state)
    problem = as_problem(X, mask, weights, tried, names, fraction, random_state)
    n_entries = n_observed(problem)
    if "held-out" in names:
        check_held_out(problem, n_entries, is_given=fraction is not None)
    finest = tried.finest
    _warn_of_redundant(finest, problem)
    predicted = [name for name in names if name in PREDICTIONS]
    if criterion != "auto" and "elbow" in names:
        check_elbow(tried, problem.shape, problem.largest_predicted if predicted else problem.largest_rank)
    runner = Runner(problem, n_jobs, checkpoint, verbose)
    errors: dict[str, FoldErrors] = {}
    for name in predicted:
        errors[name] = fold_errors(runner, name, finest, n_folds)
        # The other criteria are asked about the same numbers.
        finest = errors[name].ranks
    finest = finest or [rank for rank in WITHOUT_PREDICTIONS if rank <= problem.largest_rank]
    decision = Decision(runner, names, finest, errors, n_entries)
    best, levels = decision.recommended[names[0]], None
    reasons = [decision.reason()]
    if best is not None and tried.have_levels:
        tests = level_tests(runner, best)
        best, levels = best_levels(best, tests, tried.values), level_table(tests)
        reasons.append(reason_of_levels(best, tests))
    reason = " ".join([*reasons, problem.warning]).rstrip()
    return RankSelection(best, decision.table, reason, decision.recommended, levels)


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
