"""Alternating nonnegative least squares on one CP level, any order; for a matrix, alternating NMF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hntf.arrays import Array
from hntf.data import Data
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.sweeps import SweepCallback
from hntf.least_squares.gram import Gram, squared_error_in_gram_form
from hntf.least_squares.hals import hals
from hntf.least_squares.solver import solve


class SingleLevel(NamedTuple):
    """A nonnegative CP decomposition `[[S, U_2, …, U_N]]`, with supports to go on from and its relative error."""

    factors: list[Array]
    supports: list[Array | None]
    error: float
    n_iter: int = 0
    converged: bool = False


def start_from(factors: Sequence[Array]) -> SingleLevel:
    """Return the start whose factors of modes 1 … N−1 are given; the code is what the first sweep finds."""
    return start_at([factors[0][:0], *factors])


def start_at(factors: Sequence[Array]) -> SingleLevel:
    """Return the start at these factors, one a mode."""
    return SingleLevel(list(factors), [None] * len(factors), float("inf"))


def exact_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return the exact minimiser of a factor, and its support to start the next search from."""
    solution = solve(G, C, support)
    return solution.S, solution.support


def hals_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return a factor after some sweeps of HALS; the first time, where there is none yet, its exact minimiser."""
    return (hals(G, C, U) if len(U) == len(C) else solve(G, C).S), None


UPDATES = {"anls": exact_update, "hals": hals_update}
"""The solvers of one factor, by name."""


def alternating_nnls(
    data: Data,
    start: SingleLevel,
    *,
    sweeps: int,
    tol: float = 0.0,
    update: Callable[..., tuple[Array, Array | None]] = exact_update,
    callback: SweepCallback | None = None,
) -> SingleLevel:
    """Update the factor of each mode in turn, until a sweep improves the relative error by less than `tol`, relatively.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    """
    factors, supports, error = list(start.factors), list(start.supports), start.error
    norm_squared = data.norm_squared()
    for sweep in range(1, sweeps + 1):
        # The last factor is the last to change: all modes before it share one contraction.
        contracted = data.contract_last(factors[-1])
        for mode, U in enumerate(factors):
            G, C = data.gram(factors, mode), data.mttkrp(factors, mode, contracted)
            factors[mode], supports[mode] = update(G, C, U, supports[mode])
            if mode < len(factors) - 1:
                # The next mode's factor takes the scale; a start for it must too.
                factors[mode], norms = with_unit_columns(factors[mode])
                if len(factors[mode + 1]):
                    factors[mode + 1] = factors[mode + 1] * norms
        U = factors[-1]
        squared = squared_error_in_gram_form(norm_squared, G, C, U)
        previous, error = error, (max(squared, 0.0) / (norm_squared or 1.0)) ** 0.5
        if callback is not None:
            callback(sweep, error)
        if previous - error < tol * error:
            return SingleLevel(factors, supports, error, sweep, True)
    return SingleLevel(factors, supports, error, sweeps, False)
