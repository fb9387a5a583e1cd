"""Semi-nonnegative factorizations: nonnegative codes, and factors of any sign.

References
----------
Ding, Li, Jordan (2010), *Convex and semi-nonnegative matrix factorizations*, IEEE Trans. Pattern Anal. Mach. Intell.
Trigeorgis, Bousmalis, Zafeiriou, Schuller (2016), *A deep matrix factorization method for learning attribute representations*,
IEEE Trans. Pattern Anal. Mach. Intell.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from hntf.algebra import chain, decoded_code
from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.costs.squared import Frobenius
from hntf.data import Data, DenseData
from hntf.fitting.initializers.nndsvd import truncated_svd
from hntf.fitting.loop import Sweeps, advance
from hntf.least_squares.gram import apply_gram
from hntf.models.product import best_code

OFFSET = 0.2
"""The constant that is added to the cluster indicators from which a fit starts (Ding, Li, Jordan)."""

NOISE = 0.05
"""Size of the noise in starting dictionaries, relative to their columns; it separates equal columns."""

VANISHED = 1e-300
"""A ratio to a denominator below it may overflow."""

LEVEL_SWEEPS, LEVEL_TOL = 200, 1e-5
"""Maximum number of sweeps and tolerance for the separate fit of each level, from which the joint fit starts."""


class SemiUpdates(Sweeps):
    """Updates of all factors and of the code of the last level in turn on `½‖X − S_L (A_1 … A_L)ᵀ‖²`.

    `A_l` is the exact minimiser for the code of level l as the last level reconstructs it; then `S_L` takes a multiplicative
    step. The codes of lower levels are not part of the cost. Weighted data are completed by the model before every sweep, so that
    the cost never increases.

    Parameters
    ----------
    data : Data
        The data.
    factors : sequence of arrays, `(k_{l−1}, k_l)`
        The factors to start from.
    S : array, `(n, k_L)`
        The code to start from.
    """

    def __init__(self, data: Data, factors: Sequence[Array], S: Array) -> None:
        self.data = data
        self.factors = list(factors)
        self.S = S
        self._term = Frobenius(data)
        self.scale = self._term.scale

    def sweep(self) -> float:
        factors = list(self.factors)
        data = self.data.completed(lambda: [self.S, chain(factors)[-1]])
        for level in range(len(factors)):
            rebuilt = decoded_code(self.S, factors[level + 1 :])
            target = data.mttkrp([rebuilt, None], 1) @ pseudo_inverse(rebuilt.T @ rebuilt)
            factors[level] = pseudo_inverse(chain(factors[:level])[-1]) @ target if level else target
        product = chain(factors)[-1]
        term = self._term if data is self.data else Frobenius(data)
        S = semi_update(*term.normal_equations(self.S, product, 0), self.S)
        self.factors, self.S = factors, S
        return self._term.value(S, product)


def semi_update(G: Array, C: Array, S: Array) -> Array:
    """Return `S∘√(([C]⁺ + S[G]⁻) / ([C]⁻ + S[G]⁺))`, with 0 if a denominator is 0."""
    numerator = _positive(C) + apply_gram(_positive(-G), S)
    denominator = _positive(-C) + apply_gram(_positive(G), S)
    safe = denominator + (denominator == 0)
    tiny = safe < VANISHED
    # Roots first where the ratio would overflow.
    roots = backend_of(S).where(tiny, numerator**0.5 / safe**0.5, (numerator / (safe + tiny)) ** 0.5)
    return S * roots


def _positive(Z: Array) -> Array:
    return Z * (Z > 0) + 0.0


def semi_levels(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> tuple[list[Array], Array]:
    """Return the factors of a semi-NMF of the data, then of its code, and so on, and the last code."""
    factors = []
    level = data
    for rank in ranks:
        updates = SemiUpdates(level, *_semi_start(level, rank, random_state))
        advance(updates, max_iter=LEVEL_SWEEPS, tol=LEVEL_TOL)
        factors.append(updates.factors[0])
        level = DenseData(updates.S)
    return factors, updates.S


def _semi_start(data: Data, rank: int, random_state: np.random.RandomState) -> tuple[list[Array], Array]:
    """Return a factor and a code from clusters of the samples, in which means take the place of hidden entries."""
    complete = data.completed(lambda: _means_of_features(data))
    S = clustered_code(complete, rank, random_state)
    return [complete.mttkrp([S, None], 1) @ pseudo_inverse(S.T @ S)], S


def _means_of_features(data: Data) -> list[Array]:
    """Return the model of rank one in which every sample has the weighted mean of every feature."""
    ones = from_numpy(np.ones((data.shape[0], 1)), data.prototype)
    unit = from_numpy(np.ones((data.shape[1], 1)), data.prototype)
    weights = data.weights_mttkrp([ones, unit], 1)
    return [ones, data.mttkrp([ones, None], 1) / (weights + (weights == 0))]


def semi_code(data: Data, factors: Sequence[Array]) -> Array:
    """Return the starting code for given factors: the best one plus an offset, so that updates can increase its zeros."""
    S = best_code(data, chain(factors)[-1])
    return S + OFFSET * float(S.mean())


def start_dictionaries(
    data: Data, ranks: Sequence[int], random_state: np.random.RandomState
) -> list[tuple[Array, Array]]:
    """Return the positive and negative parts of dictionaries from a semi-NMF of the data, then of its code, and so on."""
    factors, _ = semi_levels(data, ranks, random_state)
    pairs = []
    for D in factors:
        entries = to_numpy(D)
        scale = np.sqrt((entries**2).mean(axis=0))
        entries = entries / (scale + (scale == 0)) + NOISE * random_state.standard_normal(entries.shape)
        pairs.append(tuple(from_numpy(np.maximum(sign * entries, 0.0), data.prototype) for sign in (1, -1)))
    return pairs


def clustered_code(data: Data, rank: int, random_state: np.random.RandomState) -> Array:
    """Return the cluster indicators of the samples, clustered in their leading principal directions, plus an offset."""
    U, sigma, _ = truncated_svd(data, rank, random_state)
    clusters = min(rank, len(U))
    with warnings.catch_warnings():
        # Equal samples give fewer clusters than requested, which is fine for a start.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = KMeans(clusters, n_init=4, random_state=random_state).fit_predict(U * sigma)
    code = np.full((len(U), rank), OFFSET)
    code[np.arange(len(U)), labels] += 1.0
    return from_numpy(code, data.prototype)


def pseudo_inverse(A: Array) -> Array:
    """Return the Moore–Penrose inverse."""
    return from_numpy(np.linalg.pinv(to_numpy(A)), A)
