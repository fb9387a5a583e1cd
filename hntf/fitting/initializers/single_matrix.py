"""Starts for a single level on a matrix: the code and the factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.fitting.initializers.nndsvd import nndsvd, nndsvda, nndsvdar
from hntf.fitting.initializers.random import random
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.updates.alternating import AlternatingCP
from hntf.models.pooled import FILL
from hntf.models.product import best_code

FACTOR_STARTS = {"random": random, "nndsvd": nndsvd, "nndsvda": nndsvda, "nndsvdar": nndsvdar}
MATRIX_STARTS = ("screened", *FACTOR_STARTS)


class MatrixStart(NamedTuple):
    """The code `(n, k)` and the factor `(m, k)` of a start, and the number of iterations spent on screening it."""

    S: Array
    A: Array
    n_screened: int = 0


def matrix_start(
    data: Data,
    rank: int,
    init: str,
    random_state: np.random.RandomState,
    screened: Callable[..., AlternatingCP] = screened_start,
) -> MatrixStart:
    """Return the start with the given name, with the exact code for its factor.

    `screened` is the function that computes the start `"screened"`.
    """
    if init == "screened":
        descent = screened(data, rank, random_state)
        S, A = descent.factors
        return MatrixStart(S, A, descent.n_screened)
    (A,) = FACTOR_STARTS[init](data, [rank], random_state)
    return MatrixStart(best_code(data, A), A)


def positive(U: Array) -> Array:
    """Return a nonnegative factor with zeros filled with a hundredth of its mean."""
    return U + (U == 0) * (FILL * float(U.mean()) or 1.0)
