"""Starts for a single level on a matrix: the code and the factor."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.fitting.alternating import SingleLevel
from hntf.fitting.initializers.nndsvd import nndsvd, nndsvda, nndsvdar
from hntf.fitting.initializers.random import random
from hntf.fitting.initializers.single_level import screened_start
from hntf.least_squares.solver import solve

FACTOR_STARTS = {"random": random, "nndsvd": nndsvd, "nndsvda": nndsvda, "nndsvdar": nndsvdar}
MATRIX_STARTS = ("screened", *FACTOR_STARTS)

FILL = 0.01
"""Part of the mean of a factor that replaces its zeros for multiplicative updates, which would keep them."""


def matrix_start(
    data: Data,
    rank: int,
    init: str,
    random_state: np.random.RandomState,
    screened: Callable[..., SingleLevel] = screened_start,
) -> tuple[Array, Array]:
    """Return the code `(n, k)` and the factor `(m, k)` of the start of a name; the code is exact for the factor.

    `screened` is how far the one that is screened is carried on.
    """
    if init == "screened":
        S, A = screened(data, rank, random_state).factors
        return S, A
    (A,) = FACTOR_STARTS[init](data, [rank], random_state)
    return code_of(data, A), A


def code_of(data: Data, A: Array) -> Array:
    """Return `argmin_{S ≥ 0} ‖X − S Aᵀ‖`."""
    return solve(data.gram([None, A]), data.mttkrp([None, A], 0)).S


def positive(U: Array) -> Array:
    """Return a nonnegative factor with its zeros filled."""
    return U + (U == 0) * (FILL * float(U.mean()) or 1.0)
