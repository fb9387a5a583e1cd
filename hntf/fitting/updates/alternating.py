"""Alternating nonnegative least squares on one CP level, any order; for a matrix, alternating NMF."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from hntf.algebra import random_columns
from hntf.arrays import Array, backend_of
from hntf.data import Data
from hntf.fitting.loop import EXACT, Sweeps
from hntf.fitting.scaling import with_unit_columns
from hntf.least_squares.gram import Gram, squared_error_in_gram_form
from hntf.least_squares.hals import hals
from hntf.least_squares.solver import solve


def exact_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return the exact minimiser of a factor, and its support, from which the next search starts."""
    solution = solve(G, C, support)
    return solution.S, solution.support


def hals_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return a factor after several sweeps of HALS; its exact minimiser if there is no factor to start from."""
    return (hals(G, C, U) if len(U) == len(C) else solve(G, C).S), None


UPDATES = {"anls": exact_update, "hals": hals_update}
"""The updates of one factor, by the name of the solver."""


class AlternatingCP(Sweeps):
    """A nonnegative CP decomposition `[[S, U_2, …, U_N]]` whose factors are updated mode by mode.

    Parameters
    ----------
    data : Data
        The data.
    factors : sequence of arrays
        One factor per mode; the factor of mode 0 may be empty, and is then computed by the first sweep.
    solver : {"anls", "hals"}
        The update of a factor.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    """

    def __init__(self, data: Data, factors: Sequence[Array], solver: str = "anls") -> None:
        self.data = data
        self.factors = list(factors)
        self.update = UPDATES[solver]
        self._supports: list[Array | None] = [None] * len(self.factors)
        self._norm_squared = data.norm_squared()

    @classmethod
    def from_features(cls, data: Data, factors: Sequence[Array], solver: str = "anls") -> Self:
        """Start from the factors of modes 1, …, N−1; the first sweep computes the factor of the samples."""
        return cls(data, [factors[0][:0], *factors], solver)

    @property
    def error(self) -> float:
        """The relative error."""
        return self.cost

    @property
    def loss(self) -> float | None:
        return None if self.cost == float("inf") else self.cost**2

    def with_solver(self, solver: str) -> Self:
        """Continue with another solver."""
        self.update = UPDATES[solver]
        return self

    def sweep(self) -> float:
        factors, supports = list(self.factors), list(self._supports)
        if self.cost**2 > EXACT:
            factors = with_live_components(factors)
        # The last factor is updated last, so that all other modes can use the same contraction with it.
        contracted = self.data.contract_last(factors[-1])
        for mode, U in enumerate(factors):
            G, C = self.data.gram(factors, mode), self.data.mttkrp(factors, mode, contracted)
            factors[mode], supports[mode] = self.update(G, C, U, supports[mode])
            if mode < len(factors) - 1:
                # The scale moves to the factor of the next mode, including the point from which its update starts.
                factors[mode], norms = with_unit_columns(factors[mode])
                if len(factors[mode + 1]):
                    factors[mode + 1] = factors[mode + 1] * norms
        squared = squared_error_in_gram_form(self._norm_squared, G, C, factors[-1])
        self.factors, self._supports = factors, supports
        return (max(squared, 0.0) / (self._norm_squared or 1.0)) ** 0.5


def with_live_components(factors: Sequence[Array]) -> list[Array]:
    """Return the factors with random columns in place of components that are zero in a mode, which no update would change."""
    tl = backend_of(factors[-1])
    dead = sum(((U * U).sum(0) == 0) * 1.0 for U in factors if len(U))
    if float(sum(dead)) == 0.0:
        return list(factors)
    return [tl.where(dead > 0, random_columns(U), U) if len(U) else U for U in factors]
