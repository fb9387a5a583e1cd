"""Alternating nonnegative least squares on a Tucker decomposition of any order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.algebra import without_dead_columns
from hntf.arrays import Array
from hntf.data import Data
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.loop import EXACT, Sweeps
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.updates.alternating import UPDATES
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import squared_error_in_gram_form
from hntf.maps import ModeProduct


class AlternatingTucker(Sweeps):
    """A nonnegative Tucker decomposition `core ×_i U_i`; a sweep solves for the core exactly, then updates every factor.

    Parameters
    ----------
    data : Data
        The data.
    factors : sequence of arrays, `(d_i, r_i)`
        One factor per mode; the first sweep computes the core.
    solver : {"anls", "hals"}
        The update of a factor.

    References
    ----------
    Kim, Choi (2007), *Nonnegative Tucker decomposition*, CVPR.
    Phan, Cichocki (2011), *Extended HALS algorithm for nonnegative Tucker decomposition*, Neurocomputing.
    """

    def __init__(self, data: Data, factors: Sequence[Array], solver: str = "anls") -> None:
        self.data = data
        self.factors = list(factors)
        self.core = self.factors[0][:0]
        self.update = UPDATES[solver]
        self._supports: list[Array | None] = [None] * (len(self.factors) + 1)
        self._norm_squared = data.norm_squared()

    @property
    def loss(self) -> float | None:
        return None if self.cost == float("inf") else self.cost**2

    def sweep(self) -> float:
        data, factors, supports = self.data, list(self.factors), list(self._supports)
        if self.cost**2 > EXACT:
            factors = [without_dead_columns(U) for U in factors]
        modes = range(len(factors))
        record = NNLSLayer(ModeProduct(factors, modes)).solve(data, supports[-1])
        supports[-1] = record.support
        core = record.S.reshape([U.shape[1] for U in factors])
        for mode in modes:
            C = data.mode_product_pullback(factors, core, mode)
            G = data.tucker_gram(core, factors, mode)
            factors[mode], supports[mode] = self.update(G, C, factors[mode], supports[mode])
            if mode < len(factors) - 1:
                factors[mode], norms = with_unit_columns(factors[mode])
                shape = [-1 if i == mode else 1 for i in modes]
                core = core * norms.reshape(shape)
        U = factors[-1]
        squared = squared_error_in_gram_form(self._norm_squared, G, C, U)
        factors[-1], norms = with_unit_columns(U)
        self.core, self.factors, self._supports = core * norms, factors, supports
        return (max(squared, 0.0) / (self._norm_squared or 1.0)) ** 0.5


def factors_by_mode(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Start each factor from an NMF of the unfolding of the data along its mode."""
    return [
        with_unit_columns(best_single_level(data.transposed_unfolding(mode), rank, random_state).factors[1])[0]
        for mode, rank in enumerate(ranks)
    ]


def random_factors(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Draw all factors at random, with columns of unit norm."""
    return [random_factor(data, d, rank, random_state) for d, rank in zip(data.shape, ranks, strict=True)]


TUCKER_INITIALIZERS = {"modes": factors_by_mode, "random": random_factors}
