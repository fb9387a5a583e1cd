"""Thinning of counts: a random tenth of the counts is held out from every entry, and scored by the rest.

Binomial thinning splits Poisson counts into independent ones with proportional means (Neufeld, Dharamshi, Gao, Witten 2024, *Data
thinning for convolution-closed distributions*, JMLR 25), so that no entry is missing from the fit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import cp_dense
from hntf.metrics.inputs import factors_of
from hntf.selection.problem import Problem

HELD_OUT = 0.1

LARGEST_COUNT = 2.0**53
"""Number from which not all whole numbers are numbers in double precision."""

LARGEST_SHARE = 0.01
"""The share of the expected counts, and the number of counts an entry, that are at most spread evenly over all entries.

A count where a model expects none would cost infinitely much, and short documents have many: mixing with a model without components
is what language models do (Jelinek, Mercer 1980). With many counts an entry there is no need of it.
"""


def thinned_deviance(problem: Problem, rank: int, fold: int) -> float:
    """Return half the Poisson deviance of held-out counts, for each of them, from a model of the others, but for a constant.

    That is the negative logarithm of their likelihood, but for the terms that do not depend on the model.
    """
    rng = np.random.default_rng(problem.seed + fold)
    X = problem.X
    check_counts(X)
    if scipy.sparse.issparse(X):
        X = X.tocsr()
        train = X.copy()
        train.data = rng.binomial(X.data.astype(np.int64), 1 - HELD_OUT).astype(float)
    else:
        train = rng.binomial(np.asarray(X).astype(np.int64), 1 - HELD_OUT).astype(float)
    test = X - train
    total, n_train = float(test.sum()), float(train.sum())
    if not n_train:
        return 0.0  # nothing tells models apart
    mean = n_train / math.prod(problem.shape)
    rates = mean if rank == 0 else _smoothed(factors_of(problem.fitted(rank, train)), test, n_train, mean)
    counts = test.data if scipy.sparse.issparse(test) else np.asarray(test)
    odds = HELD_OUT / (1 - HELD_OUT)
    likelihood = float((counts * np.log(odds * rates)).sum()) - odds * n_train
    return -likelihood / (total or 1.0)


def _smoothed(factors: list[np.ndarray], test: Any, n_train: float, mean: float) -> np.ndarray:
    """Return what a model expects of the training counts at the entries of `test`, and a share of it evenly everywhere."""
    sum_of_rates = float(np.prod([U.sum(axis=0) for U in factors], axis=0).sum())
    share = share_of_mean(mean) if sum_of_rates > 0 else 1.0
    # The model is scaled so that its sum is that of the training counts, as a least-squares model need not have.
    return (1 - share) * n_train / (sum_of_rates or 1.0) * _at(factors, test) + share * mean


def share_of_mean(mean: float) -> float:
    """Return the share of the expected counts that is spread evenly, from their mean."""
    return min(LARGEST_SHARE, LARGEST_SHARE / mean)


def check_counts(X: Any) -> None:
    """Raise `ValueError` if entries are no counts."""
    entries = X.data if scipy.sparse.issparse(X) else np.asarray(X)
    if not ((entries % 1 == 0) & (entries < LARGEST_COUNT)).all():
        raise ValueError("X must hold counts, whole numbers below 2^53, for the criterion 'thinning'")


def _at(factors: list[np.ndarray], test: Any) -> np.ndarray:
    """Return the model at the stored entries of a sparse matrix, or everywhere."""
    if not scipy.sparse.issparse(test):
        return cp_dense(factors[0], factors)
    entries = test.tocoo()
    return np.einsum("er,er->e", factors[0][entries.row], factors[1][entries.col])
