"""Matrices with a common code, `X_t ≈ S A_tᵀ`, fitted by updates of one factor after the other.

With one matrix this is nonnegative matrix factorization; with the labels as a second one it is semi-supervised. Every matrix is a
term of the cost with a divergence of its own: half the squared error, or Kullback–Leibler. Multiplicative updates support both
divergences; exact least squares and HALS require squared errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from hntf.arrays import Array
from hntf.costs.kullback_leibler import KullbackLeibler
from hntf.costs.multiplicative import multiplicative_update
from hntf.costs.penalties import NO_PENALTIES, Penalties
from hntf.costs.squared import Frobenius
from hntf.fitting.loop import EXACT, Sweeps
from hntf.fitting.updates.alternating import UPDATES, with_live_components
from hntf.least_squares.gram import with_ridge
from hntf.least_squares.gram_blocks import sum_of_grams

Term = Frobenius | KullbackLeibler


class LeastSquaresUpdate:
    """Updates by nonnegative least squares with `solver`, which start their searches from the supports of the last sweep."""

    def __init__(self, solver: str) -> None:
        self.update = UPDATES[solver]
        self.supports: dict[Any, Array | None] = {}

    def __call__(
        self, terms: Sequence[Any], S: Array, factors: Sequence[Array], mode: int, l1: float, l2: float
    ) -> Array:
        """Return the code (mode 0) or the first factor (1) after an update on the sum of several terms."""
        U = S if mode == 0 else factors[0]
        parts = [term.normal_equations(S, A, mode) for term, A in zip(terms, factors, strict=True)]
        # A factor belongs to a single term, whose weight, which may be zero, does not matter for its update.
        weights = [term.weight for term in terms] if mode == 0 else [1.0]
        G = with_ridge(sum_of_grams([(weight, G) for weight, (G, _) in zip(weights, parts, strict=True)]), l2)
        C = reduce(add, [weight * C for weight, (_, C) in zip(weights, parts, strict=True)])
        key = "code" if mode == 0 else terms[0]
        U, self.supports[key] = self.update(G, C - l1 if l1 else C, U, self.supports.get(key))
        return U


SOLVERS = ("anls", "hals", "mu")


class JointUpdates(Sweeps):
    """Updates of the code and of the factor of every matrix in turn.

    Parameters
    ----------
    terms : sequence of Term
        The matrices with their divergences.
    S : array, `(n, k)`
        The code to start from.
    factors : sequence of arrays, `(m_t, k)`
        The factors to start from; multiplicative updates require positive ones, because zeros stay zero.
    solver : {"anls", "hals", "mu"}
        The update of the code and of a factor.
    penalties : Penalties
        The penalties of the code and of the first factor.
    n_screened : int
        Number of iterations that were spent on screening the start.

    References
    ----------
    Lee, Seung (2001), *Algorithms for non-negative matrix factorization*, NIPS.
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    """

    def __init__(
        self,
        terms: Sequence[Term],
        S: Array,
        factors: Sequence[Array],
        *,
        solver: str,
        penalties: Penalties = NO_PENALTIES,
        n_screened: int = 0,
    ) -> None:
        self.terms = list(terms)
        self.S = S
        self.factors = list(factors)
        self.penalties = penalties
        self.scale = self.terms[0].scale
        self.n_screened = n_screened
        self._exact = solver != "mu"
        self._update = LeastSquaresUpdate(solver) if self._exact else multiplicative_update

    def sweep(self) -> float:
        S, factors = self.S, list(self.factors)
        if self._exact and not any(self.penalties) and self.cost > EXACT * self.scale:
            S, factors[0] = with_live_components([S, factors[0]])
        S = self._update(self.terms, S, factors, 0, *self.penalties.of_mode(0))
        for i, (term, A) in enumerate(zip(self.terms, factors, strict=True)):
            penalties = self.penalties if i == 0 else NO_PENALTIES
            factors[i] = self._update([term], S, [A], 1, *penalties.of_mode(1))
        self.S, self.factors = S, factors
        cost = sum(term.value(S, A) for term, A in zip(self.terms, factors, strict=True))
        return cost + self.penalties.value(S, factors[0])
