"""Alternating exact nonnegative least squares on one CP level, any order; for a matrix, exact alternating NMF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hntf.arrays import Array, backend_of
from hntf.data import Data
from hntf.fitting.scaling import with_unit_columns
from hntf.least_squares.gram import apply_gram
from hntf.least_squares.solver import solve


class SingleLevel(NamedTuple):
    """A nonnegative CP decomposition `[[S, U_2, …, U_N]]`, with supports to go on from and its relative error."""

    factors: list[Array]
    supports: list[Array | None]
    error: float


def start_from(factors: Sequence[Array]) -> SingleLevel:
    """Return the start whose factors of modes 1 … N−1 are given; the code is what the first sweep finds."""
    return SingleLevel([factors[0][:0], *factors], [None] * (len(factors) + 1), float("inf"))


def alternating_nnls(data: Data, start: SingleLevel, *, sweeps: int, tol: float = 0.0) -> SingleLevel:
    """Solve for the factor of each mode in turn, exactly, until a sweep improves the relative error by less than `tol`.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    """
    factors, supports, error = list(start.factors), list(start.supports), start.error
    norm_squared = data.norm_squared()
    for _ in range(sweeps):
        for mode in range(len(factors)):
            G, C = data.gram(factors, mode), data.mttkrp(factors, mode)
            factors[mode], supports[mode], _ = solve(G, C, supports[mode])
            tl = backend_of(C)
            if mode < len(factors) - 1:
                factors[mode], _ = with_unit_columns(factors[mode])
        U = factors[-1]
        squared = norm_squared + float(tl.sum((apply_gram(G, U) - 2 * C) * U))
        previous, error = error, (max(squared, 0.0) / (norm_squared or 1.0)) ** 0.5
        if previous - error < tol * error:
            break
    return SingleLevel(factors, supports, error)
