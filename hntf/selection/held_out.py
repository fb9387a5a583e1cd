"""The error of entries that were hidden from a fit, over several random hold-outs (Wold 1978; Owen & Perry 2009)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import from_numpy
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import is_entries
from hntf.estimators.inputs import as_input
from hntf.fitting.parts import Part
from hntf.selection.problem import Problem


def held_out_errors(problem: Problem, rank: Any, folds: Sequence[int]) -> list[float]:
    """Return the squared errors of the entries that are held out, relative to their squared norm, in several folds.

    A fit starts near that of the fold before, which takes less than half of the time. From that fit itself it would remember the
    noise of the entries that are hidden now, which favours more components. A start from a fit of fewer components leads to errors
    that are larger by up to a third for tensors.
    """
    errors: list[float] = []
    model = None
    for fold in folds:
        mask = problem.hold_out(fold)
        if rank == 0:
            errors.append(_error_of_mean(problem, fold))
            continue
        model = problem.fitted(rank, start=model, **problem.masked(mask))
        errors.append(float(model.reconstruction_error(problem.X, level=0, **problem.masked(~mask))) ** 2)
    return errors


def _error_of_mean(problem: Problem, fold: int) -> float:
    """Return the error of the mean of the observed entries."""
    mask = problem.hold_out(fold)
    observed, _, size = _sums(problem, mask)
    held_out, norm_squared, number = _sums(problem, ~mask)
    mean = observed / size if size else 0.0
    return (norm_squared - 2 * mean * held_out + mean**2 * number) / norm_squared if norm_squared else 0.0


def _sums(problem: Problem, mask: Any) -> tuple[float, float, float]:
    """Return the weighted sums of entries, of their squares, and of ones, over the entries that a mask observes."""
    options = {"weights": None, **problem.masked(mask)}
    parts = as_input(problem.X, **options, nonnegative=False, together=False).parts
    if problem.scale != 1.0:
        parts = parts.times(problem.scale)
    total, norm_squared, number = parts.total(sums_of_part)
    return total, norm_squared, number


def n_observed(problem: Problem) -> float:
    """Return the number of observed entries: those that no mask hides and whose weight is positive, whatever its unit."""
    masks, weights = as_masks(problem.mask), problem.weights
    if weights is not None:
        masks = (*masks, _is_positive(weights))
    if not masks:
        return float(math.prod(problem.shape))
    parts = as_input(problem.X, masks, None, nonnegative=False, together=False).parts
    return parts.total(sums_of_part)[2]


def _is_positive(weights: Any) -> Any:
    if is_entries(weights):
        coordinates, values, shape = weights
        return coordinates, np.asarray(values) > 0, shape
    return (np.asarray(weights) if isinstance(weights, list) else weights) > 0


def sums_of_part(part: Part) -> tuple[float, float, float]:
    """Return the sums of a part of the samples."""
    data = part.data
    ones = [from_numpy(np.ones((d, 1)), data.prototype) for d in data.shape]
    total = float(data.mttkrp(ones, 0).sum())
    return total, data.norm_squared(), float((ones[0] * data.weights_mttkrp(ones, 0)).sum())
