"""The problem of a selection from what a user gives: checked data in moderate units, and how many entries are hidden."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.arrays import to_numpy
from hntf.data import Data
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.data.units import multiplied
from hntf.estimators.inputs import Input, as_input
from hntf.selection.candidates import Candidates, takes_signs
from hntf.selection.criteria import check_fit_together
from hntf.selection.dominance import warning_of_dominance
from hntf.selection.problem import Problem
from hntf.validation import as_random_state, check_number

LARGEST_FRACTION, SMALLEST_FRACTION = 0.1, 0.01
FEWEST_HELD_OUT, MOST_HELD_OUT = 10, 2**21


def as_problem(
    X: Any,
    mask: Any,
    weights: Any,
    candidates: Candidates,
    names: Sequence[str],
    fraction: float | None,
    random_state: Any,
) -> Problem:
    """Return the checked data with the model of the finest level, in moderate units."""
    if isinstance(X, Data):
        raise TypeError("X must be data as `fit` takes them, but for a data object, which has its mask; pass the array")
    given = as_input(X, mask, weights, nonnegative=not takes_signs(candidates.model), together=False)
    shape = tuple(given.shape)
    check_fit_together(names, candidates, shape)
    moderate = given.in_moderate_units()
    return Problem(
        X=_as_array(X, given, moderate.scale, names, mask, weights),
        mask=mask,
        weights=weights,
        shape=shape,
        model=candidates.finest_model(len(shape)),
        fraction=_fraction(fraction, given, shape),
        seed=int(as_random_state(random_state).randint(2**31 - 1)),
        is_in_memory=given.arrays is not None,
        scale=moderate.scale if given.arrays is None else 1.0,
        warning=warning_of_dominance(moderate.parts) if weights is None else "",
    )


def check_held_out(problem: Problem, n_observed: float, *, is_given: bool) -> None:
    """Raise `ValueError` if too few entries are hidden to tell anything, whether for the user's fraction or for want of entries."""
    if problem.fraction * n_observed >= FEWEST_HELD_OUT:
        return
    fewest = FEWEST_HELD_OUT / problem.fraction
    if is_given and n_observed * LARGEST_FRACTION >= FEWEST_HELD_OUT:
        raise ValueError(
            f"fraction must hide at least {FEWEST_HELD_OUT} of the {n_observed:.0f} observed entries, got {problem.fraction:g}"
        )
    raise ValueError(
        f"X must have at least {fewest:.0f} observed entries to hide some, got {n_observed:.0f}; give a larger fraction, or a "
        "criterion that hides none"
    )


def _as_array(X: Any, given: Input, scale: float, names: Sequence[str], mask: Any, weights: Any) -> Any:
    """Return the data as the criteria take them, in moderate units; raise `ValueError` if they cannot."""
    splits = [name for name in names if name in ("bi-cross-validation", "thinning")]
    if splits and not (mask is None and weights is None):
        raise ValueError(f"criterion must be another than {splits[0]!r} with a mask or weights")
    if splits and (given.arrays is None or is_sparse_tensor(X)):
        raise ValueError(f"criterion must be another than {splits[0]!r} for data outside of memory and sparse tensors")
    if given.arrays is not None and not given.is_dense:
        X = X.tocsr() if scipy.sparse.issparse(X) else X
        return X if scale == 1.0 else multiplied(X, scale)
    if given.arrays is None or (not splits and scale == 1.0):
        return X
    return to_numpy(given.arrays[0]) * scale


def checked_fraction(fraction: Any) -> float:
    """Return the fraction of the entries that is hidden; raise `TypeError` or `ValueError` if it is none, or more than a half."""
    check_number(fraction, "fraction", strict=True)
    if fraction > 0.5:
        raise ValueError(f"fraction must be at most 0.5, got {fraction}")
    return float(fraction)


def _fraction(fraction: float | None, given: Input, shape: tuple[int, ...]) -> float:
    """Return the fraction of entries that is hidden: that of the user, or one that suits the data."""
    if fraction is not None:
        return checked_fraction(fraction)
    entries = math.prod(shape)
    if given.is_dense:
        return LARGEST_FRACTION
    stored = given.parts.sample(5000, np.random.RandomState(0)).n_entries * shape[0] / min(5000, shape[0])
    wanted = float(np.clip(2 * stored / entries, SMALLEST_FRACTION, LARGEST_FRACTION))
    # Those of a sparse tensor are stored.
    return wanted if len(shape) == MATRIX else min(wanted, MOST_HELD_OUT / entries)
