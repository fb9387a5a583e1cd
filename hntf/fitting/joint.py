"""Matrices that share their code, `X_t ≈ S A_tᵀ`, fitted by updates of one factor after the other.

One matrix is nonnegative matrix factorization; with labels as a second one it is semi-supervised. Every matrix is a term of
the cost with a divergence of its own: half the squared error, or Kullback–Leibler. Multiplicative updates take any;
exact least squares and HALS want squared errors, and take penalties too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from hntf.arrays import Array, backend_of, identity_like
from hntf.data import Data
from hntf.fitting.alternating import UPDATES
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.divergences import Frobenius, KullbackLeibler
from hntf.fitting.restarts import SweepSettings
from hntf.fitting.sweeps import SweepCallback, best_of_starts, sweep_until

Term = Frobenius | KullbackLeibler


LARGEST_LOG, BISECTIONS = 100.0, 60
"""How far, in logarithms, and how finely the scale between code and factor is sought."""


class Penalties(NamedTuple):
    """`l1 ΣU + ½ l2 ‖U‖²` of the code and of the factor of the first matrix."""

    code_l1: float = 0.0
    code_l2: float = 0.0
    factor_l1: float = 0.0
    factor_l2: float = 0.0

    def of_mode(self, mode: int) -> tuple[float, float]:
        """Return `l1` and `l2` of the code (0) or of the factor (1)."""
        return (self.code_l1, self.code_l2) if mode == 0 else (self.factor_l1, self.factor_l2)

    def balanced(self, S: Array, A: Array) -> tuple[Array, Array]:
        """Return `S` and `A` with the scale of each component between them such that the penalties are least.

        As they are where only one of them has a penalty: the other one could grow without end.
        """
        if not (self.code_l1 or self.code_l2) or not (self.factor_l1 or self.factor_l2):
            return S, A
        code_sum, factor_sum = self.code_l1 * S.sum(0), self.factor_l1 * A.sum(0)
        code_square, factor_square = self.code_l2 * (S * S).sum(0), self.factor_l2 * (A * A).sum(0)
        low, high = 0 * code_sum - LARGEST_LOG, 0 * code_sum + LARGEST_LOG
        tl = backend_of(S)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            c = tl.exp(middle)
            rises = code_sum * c + code_square * c * c > factor_sum / c + factor_square / (c * c)
            low, high = tl.where(rises, low, middle), tl.where(rises, middle, high)
        return S * c, A / c

    def value(self, S: Array, A: Array) -> float:
        """Return the sum."""
        total = 0.0
        for mode, U in enumerate((S, A)):
            l1, l2 = self.of_mode(mode)
            total += l1 * float(U.sum()) + 0.5 * l2 * float((U * U).sum())
        return total


class Joint(NamedTuple):
    """A fit: the code, the factor of every matrix, the cost, and how it went."""

    S: Array
    factors: list[Array]
    cost: float
    n_iter: int = 0
    converged: bool = False


NONE = Penalties()


def multiplier(negative: Array, positive: Array) -> Array:
    """Return `negative/positive`, the factor of a multiplicative update, and one where the denominator is zero."""
    tl = backend_of(negative)
    guarded = tl.where(positive > 0, positive, 0 * positive + 1)
    return tl.where(positive > 0, negative / guarded, 0 * negative + 1)


def multiplicative(terms: Sequence[Term], S: Array, factors: Sequence[Array], mode: int, l1: float, l2: float) -> Array:
    """Return a factor after a multiplicative update on several terms."""
    U = S if mode == 0 else factors[0]
    parts = [term.split_gradient(S, A, mode) for term, A in zip(terms, factors, strict=True)]
    negative, positive = (reduce(add, side) for side in zip(*parts, strict=True))
    return U * multiplier(negative, positive + 0 * U + l1 + l2 * U)


class LeastSquares:
    """Updates by nonnegative least squares, which go on from the supports of the sweep before; `solver` names the update."""

    def __init__(self, solver: str) -> None:
        self.update = UPDATES[solver]
        self.supports: dict[Any, Array | None] = {}

    def __call__(
        self, terms: Sequence[Any], S: Array, factors: Sequence[Array], mode: int, l1: float, l2: float
    ) -> Array:
        """Return a factor after an update on several terms."""
        U = S if mode == 0 else factors[0]
        parts = [term.normal_equations(S, A, mode) for term, A in zip(terms, factors, strict=True)]
        # A factor is part of one term alone, whose weight, which may be zero, has no say in it.
        weights = [term.weight for term in terms] if mode == 0 else [1.0]
        G = reduce(add, [weight * G for weight, (G, _) in zip(weights, parts, strict=True)])
        C = reduce(add, [weight * C for weight, (_, C) in zip(weights, parts, strict=True)])
        if l2:
            G = G + l2 * identity_like(G.shape[-1], G)
        key = "code" if mode == 0 else terms[0]
        U, self.supports[key] = self.update(G, C - l1 if l1 else C, U, self.supports.get(key))
        return U


SOLVERS = ("anls", "hals", "mu")


def joint_factorization(
    terms: Sequence[Term],
    S: Array,
    factors: Sequence[Array],
    *,
    solver: str,
    penalties: Penalties = NONE,
    max_iter: int,
    tol: float,
    callback: SweepCallback | None = None,
    train_factors: bool = True,
) -> Joint:
    """Update the code and the factor of every matrix in turn, until a sweep lowers the cost by less than `tol`, relatively.

    Parameters
    ----------
    terms : sequence of Term
    S : array, `(n, k)`
    factors : sequence of arrays, `(m_t, k)`
        Where to start; multiplicative updates want positive starts, as zeros stay zero.
    solver : {"anls", "hals", "mu"}
    penalties : Penalties
    max_iter, tol, callback
        The callback gets every sweep and its cost.
    train_factors : bool
        Whether the factors are updated too, or the code alone.

    References
    ----------
    Lee, Seung (2001), *Algorithms for non-negative matrix factorization*, NIPS.
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    """
    factors = list(factors)
    update = multiplicative if solver == "mu" else LeastSquares(solver)

    def sweep() -> float:
        nonlocal S
        S = update(terms, S, factors, 0, *penalties.of_mode(0))
        for i, (term, A) in enumerate(zip(terms, factors, strict=True) if train_factors else ()):
            factors[i] = update([term], S, [A], 1, *(penalties if i == 0 else NONE).of_mode(1))
        cost = sum(term.value(S, A) for term, A in zip(terms, factors, strict=True))
        return cost + penalties.value(S, factors[0])

    ended = sweep_until(sweep, max_iter=max_iter, tol=tol, callback=callback)
    return Joint(S, factors, *ended)


def fit_joint(
    terms: Sequence[Term],
    start: Callable[[], tuple[Array, list[Array]]],
    settings: SweepSettings,
    penalties: Penalties = NONE,
    *,
    rank: int,
) -> tuple[Joint, np.ndarray]:
    """Fit from `n_init` starts, each drawn by `start()`; return the best and its cost by sweep, relative to that of zero."""

    def fit(callback: SweepCallback) -> Joint:
        S, factors = start()
        return joint_factorization(
            terms,
            S,
            factors,
            solver=settings.solver,
            penalties=penalties,
            max_iter=settings.max_iter,
            tol=settings.tol,
            callback=callback,
        )

    scale = terms[0].scale
    with blas_threads_for(terms[0].X, rank):
        return best_of_starts(
            fit,
            n_init=settings.n_init,
            max_iter=settings.max_iter,
            verbose=settings.verbose,
            cost=lambda found: found.cost,
            loss=lambda cost: cost / scale,
        )


CODE_SWEEPS, CODE_TOL = 2000, 1e-9
"""Multiplicative updates of the code of new samples, and the fall of the divergence below which they end."""


def kullback_leibler_code(X: Data, A: Array, l1: float = 0.0, l2: float = 0.0) -> Array:
    """Return the code `(n, k)` of least divergence for a factor, by multiplicative updates from even codes of the right sum."""
    sums = X.mttkrp([None, 0 * A[:, :1] + 1], 0) / (float(A.sum()) or 1.0)
    return joint_factorization(
        [KullbackLeibler(X)],
        sums + 0 * A[:1],
        [A],
        solver="mu",
        penalties=Penalties(l1, l2),
        max_iter=CODE_SWEEPS,
        tol=CODE_TOL,
        train_factors=False,
    ).S
