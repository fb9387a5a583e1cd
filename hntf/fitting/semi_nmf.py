"""Semi-nonnegative factorizations: nonnegative codes, factors of any sign.

References
----------
Ding, Li, Jordan (2010), *Convex and semi-nonnegative matrix factorizations*, IEEE Trans. Pattern Anal. Mach. Intell.
Trigeorgis, Bousmalis, Zafeiriou, Schuller (2016), *A deep matrix factorization method for learning attribute representations*,
IEEE Trans. Pattern Anal. Mach. Intell.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import matmul
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans

from hntf.arrays import Array, from_numpy, to_numpy
from hntf.data import Data, DenseData
from hntf.fitting.divergences import Frobenius
from hntf.fitting.initializers.nndsvd import truncated_svd
from hntf.least_squares.gram import apply_gram

OFFSET = 0.2
"""What is added to the indicators of clusters, with which a fit starts (Ding, Li, Jordan)."""

LEVEL_SWEEPS, LEVEL_TOL = 200, 1e-5
"""Of a level by itself, where all start."""


class SemiFit(NamedTuple):
    """The factors, the code of the top, and how it went."""

    factors: list[Array]
    S: Array
    cost: float
    n_iter: int
    converged: bool


def deep_semi_nmf(
    data: Data,
    factors: Sequence[Array],
    codes: Sequence[Array],
    *,
    max_iter: int,
    tol: float,
    callback: Callable[[int, float], None] | None = None,
) -> SemiFit:
    """Update every factor and code in turn on `½‖X − S_L (A_1 … A_L)ᵀ‖²`, until a sweep lowers it by less than `tol`, relatively.

    `A_l` is the exact minimiser for the code of level l rebuilt from above, `S_l` takes a multiplicative step for the factors up to
    its level; only the code of the top is part of the cost.
    """
    factors, S = list(factors), codes[-1]
    term = Frobenius(data)
    cost = float("inf")
    for sweep in range(1, max_iter + 1):
        for level in range(len(factors)):
            rebuilt = reduce(lambda code, A: code @ A.T, reversed(factors[level + 1 :]), S)
            target = data.mttkrp([rebuilt, None], 1) @ pseudo_inverse(rebuilt.T @ rebuilt)
            below = reduce(matmul, factors[:level]) if level else None
            factors[level] = target if below is None else pseudo_inverse(below) @ target
        product = reduce(matmul, factors)
        S = semi_update(*term.normal_equations(S, product, 0), S)
        previous, cost = cost, term.value(S, product)
        if callback is not None:
            callback(sweep, cost)
        if previous - cost <= tol * abs(cost):
            return SemiFit(factors, S, cost, sweep, True)
    return SemiFit(factors, S, cost, max_iter, False)


def semi_update(G: Array, C: Array, S: Array) -> Array:
    """Return `S∘√(([C]⁺ + S[G]⁻) / ([C]⁻ + S[G]⁺))`, with zero for a denominator of zero."""
    numerator = _positive(C) + apply_gram(_positive(-G), S)
    denominator = _positive(-C) + apply_gram(_positive(G), S)
    return S * (numerator / (denominator + (denominator == 0))) ** 0.5


def _positive(Z: Array) -> Array:
    return Z * (Z > 0) + 0.0


def semi_levels(
    data: Data, ranks: Sequence[int], random_state: np.random.RandomState
) -> tuple[list[Array], list[Array]]:
    """Return factors and codes of a semi-NMF of the data, of its codes, and so on."""
    factors, codes = [], []
    level = data
    for rank in ranks:
        start = clustered_code(level, rank, random_state)
        A = 0 * level.mttkrp([start, None], 1)
        fit = deep_semi_nmf(level, [A], [start], max_iter=LEVEL_SWEEPS, tol=LEVEL_TOL)
        factors.append(fit.factors[0])
        codes.append(fit.S)
        level = DenseData(fit.S)
    return factors, codes


def clustered_code(data: Data, rank: int, random_state: np.random.RandomState) -> Array:
    """Return the indicators of clusters of the samples, in their leading principal directions, plus an offset."""
    U, sigma, _ = truncated_svd(data, rank, random_state)
    clusters = min(rank, len(U))
    labels = KMeans(clusters, n_init=4, random_state=random_state).fit_predict(U * sigma)
    code = np.full((len(U), rank), OFFSET)
    code[np.arange(len(U)), labels] += 1.0
    return from_numpy(code, data.prototype)


def pseudo_inverse(A: Array) -> Array:
    """Return the Moore–Penrose inverse."""
    return from_numpy(np.linalg.pinv(to_numpy(A)), A)
