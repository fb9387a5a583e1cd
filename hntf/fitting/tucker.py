"""Alternating nonnegative least squares on a Tucker decomposition of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.data.protocol import matricised
from hntf.fitting.alternating import exact_update
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.sweeps import SweepCallback
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import squared_error_in_gram_form
from hntf.maps import ModeProduct


class Tucker(NamedTuple):
    """A nonnegative Tucker decomposition `core ×_i U_i`, with supports to go on from and its relative error."""

    core: Array
    factors: list[Array]
    supports: list[Array | None]
    error: float
    n_iter: int = 0
    converged: bool = False


def tucker_start(factors: Sequence[Array]) -> Tucker:
    """Return the start with these factors; the core is what the first sweep finds."""
    return Tucker(factors[0][:0], list(factors), [None] * (len(factors) + 1), float("inf"))


def factors_by_mode(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Start each factor from a factorization of the matrix whose features are the entries of its mode."""
    return [
        with_unit_columns(best_single_level(data.unfolded(mode), rank, random_state).factors[1])[0]
        for mode, rank in enumerate(ranks)
    ]


def random_factors(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Draw every factor at random, with columns of unit norm."""
    return [random_factor(data, d, rank, random_state) for d, rank in zip(data.shape, ranks, strict=True)]


TUCKER_INITIALIZERS = {"modes": factors_by_mode, "random": random_factors}


def alternating_tucker(
    data: Data,
    start: Tucker,
    *,
    sweeps: int,
    tol: float = 0.0,
    update: Callable[..., tuple[Array, Array | None]] = exact_update,
    callback: SweepCallback | None = None,
) -> Tucker:
    """Solve for the core, exactly, and update the factor of each mode in turn, until a sweep gains less than `tol`, relatively.

    References
    ----------
    Kim, Choi (2007), *Nonnegative Tucker decomposition*, CVPR.
    Phan, Cichocki (2011), *Extended HALS algorithm for nonnegative Tucker decomposition*, Neurocomputing.
    """
    core, factors, supports, error = start.core, list(start.factors), list(start.supports), start.error
    norm_squared = data.norm_squared()
    modes = range(len(factors))
    for sweep in range(1, sweeps + 1):
        record = NNLSLayer(ModeProduct(factors, modes)).solve(data, supports[-1])
        supports[-1] = record.support
        core = record.S.reshape([U.shape[1] for U in factors])
        for mode in modes:
            others = [None if i == mode else U for i, U in enumerate(factors)]
            product = data.multi_mode_dot(others, skip=mode)
            C = matricised(product, mode) @ matricised(core, mode).T
            G = data.tucker_gram(core, factors, mode)
            factors[mode], supports[mode] = update(G, C, factors[mode], supports[mode])
            if mode < len(factors) - 1:
                factors[mode], norms = with_unit_columns(factors[mode])
                shape = [-1 if i == mode else 1 for i in modes]
                core = core * norms.reshape(shape)
        U = factors[-1]
        squared = squared_error_in_gram_form(norm_squared, G, C, U)
        factors[-1], norms = with_unit_columns(U)
        core = core * norms
        previous, error = error, (max(squared, 0.0) / (norm_squared or 1.0)) ** 0.5
        if callback is not None:
            callback(sweep, error)
        if previous - error < tol * error:
            return Tucker(core, factors, supports, error, sweep, True)
    return Tucker(core, factors, supports, error, sweeps, False)
