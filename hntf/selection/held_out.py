"""The error of entries that were hidden from a fit, over several random hold-outs (Wold 1978; Owen & Perry 2009).

It is squared, relative to the squared norm of the entries; of models of least Kullback–Leibler divergence it is the divergence,
relative to their sum: the negative logarithm of the likelihood of counts, but for terms of the data alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import from_numpy, to_numpy
from hntf.costs.kullback_leibler import KullbackLeibler
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import is_entries
from hntf.estimators.inputs import as_input
from hntf.fitting.parts import Part, Parts
from hntf.selection.problem import Problem
from hntf.selection.thinning import share_of_mean


def held_out_errors(problem: Problem, rank: Any, folds: Sequence[int]) -> list[float]:
    """Return the errors of the entries that are held out in several folds.

    A fit starts near that of the fold before, which takes less than half of the time. From that fit itself it would remember the
    noise of the entries that are hidden now, which favours more components. A start from a fit of fewer components leads to errors
    that are larger by up to a third for tensors.
    """
    errors: list[float] = []
    model: Any = None
    for fold in folds:
        mask = problem.hold_out(fold)
        if rank:
            model = problem.fitted(rank, start=model, **problem.masked(mask))
        if getattr(problem.model, "loss", None) == "kullback-leibler":
            errors.append(_divergence(problem, mask, model if rank else None))
        elif rank:
            errors.append(float(model.reconstruction_error(problem.X, level=0, **problem.masked(~mask))) ** 2)
        else:
            errors.append(_error_of_mean(problem, mask))
    return errors


def _error_of_mean(problem: Problem, mask: Any) -> float:
    """Return the error of the mean of the observed entries."""
    observed, _, size = _parts(problem, mask).total(sums_of_part)
    held_out, norm_squared, number = _parts(problem, ~mask).total(sums_of_part)
    mean = observed / size if size else 0.0
    return (norm_squared - 2 * mean * held_out + mean**2 * number) / norm_squared if norm_squared else 0.0


def _divergence(problem: Problem, mask: Any, model: Any) -> float:
    """Return the divergence of what is held out from a model of the rest, or from its mean without one.

    A hundredth of what is expected is the mean, as in `thinning`.
    """
    observed, _, size = _parts(problem, mask).total(sums_of_part)
    held_out = _parts(problem, ~mask)
    total = held_out.total(sums_of_part)[0]
    mean = observed / size if size else 0.0
    if not mean or not total:
        return 0.0  # nothing tells models apart
    n, m = problem.shape
    S, A = np.full((n, 1), mean), np.ones((m, 1))
    if model is not None:
        share = share_of_mean(mean / problem.scale)
        codes, profiles = to_numpy(model.codes_[0]) * problem.scale, to_numpy(model.components_[0]).T
        S, A = np.hstack([(1 - share) * codes, share * S]), np.hstack([profiles, A])
    return float(held_out.total_with(S, divergence_of_part, A)) / total


def _parts(problem: Problem, mask: Any) -> Parts:
    """Return the data with a mask beside the user's, in the units of the fits."""
    options = {"weights": None, **problem.masked(mask)}
    parts = as_input(problem.X, **options, nonnegative=False, together=False).parts
    return parts.times(problem.scale) if problem.scale != 1.0 else parts


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


def divergence_of_part(part: Part, S: Any, A: np.ndarray) -> float:
    """Return the divergence of a part of the samples from the model `S Aᵀ`."""
    S, A = (from_numpy(np.asarray(U), part.data.prototype) for U in (S, A))
    return KullbackLeibler(part.data).value(S, A)


def sums_of_part(part: Part) -> tuple[float, float, float]:
    """Return the sums of a part of the samples."""
    data = part.data
    ones = [from_numpy(np.ones((d, 1)), data.prototype) for d in data.shape]
    total = float(data.mttkrp(ones, 0).sum())
    return total, data.norm_squared(), float((ones[0] * data.weights_mttkrp(ones, 0)).sum())
