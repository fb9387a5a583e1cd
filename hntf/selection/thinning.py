"""Thinning of counts: a random tenth of the counts is held out from every entry, and scored by the rest.

Binomial thinning splits Poisson counts into independent ones with proportional means (Neufeld, Dharamshi, Gao, Witten 2024, *Data
thinning for convolution-closed distributions*, JMLR 25), so that no entry is missing from the fit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import cp_dense
from hntf.metrics.inputs import factors_of
from hntf.selection.problem import Problem

HELD_OUT = 0.1

LARGEST_COUNT = 2.0**53
"""Number from which not all whole numbers are numbers in double precision."""

SMALLEST_RATE = 1e-10
"""Smallest expected count, relative to the mean: a count where a model expects none would cost infinitely much."""


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
    if rank == 0:
        rates: Any = n_train / np.prod(problem.shape)
        sum_of_rates = n_train
    else:
        factors = factors_of(problem.fitted(rank, train))
        sum_of_rates = float(np.prod([U.sum(axis=0) for U in factors], axis=0).sum())
        rates = _at(factors, test)
    floor = SMALLEST_RATE * n_train / np.prod(problem.shape)
    counts = test.data if scipy.sparse.issparse(test) else np.asarray(test)
    odds = HELD_OUT / (1 - HELD_OUT)
    # The model is scaled so that its sum is that of the training counts, as a least-squares model need not have.
    scale = odds * n_train / (sum_of_rates or 1.0)
    expected = np.maximum(scale * rates, odds * floor)
    likelihood = float((counts * np.log(expected)).sum()) - scale * sum_of_rates
    return -likelihood / (total or 1.0)


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
