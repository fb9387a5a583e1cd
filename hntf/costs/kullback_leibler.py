"""The generalised Kullback–Leibler divergence of a matrix from `S Aᵀ`, for counts, and the code that minimises it."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy
from hntf.costs.multiplicative import multiplicative_update
from hntf.costs.penalties import Penalties
from hntf.costs.squared import Frobenius
from hntf.data import Data


class KullbackLeibler:
    """The term `w Σ W∘(X∘log(X / X̂) − X + X̂)`, `X̂ = S Aᵀ`, of a cost; it caches the last ratio of data to model."""

    def __init__(self, X: Data, weight: float = 1.0) -> None:
        self.X = X
        self.weight = weight
        self._last: Any = (None, None, None)

    @property
    def size(self) -> float:
        """The sum of the data."""
        ones = from_numpy(np.ones((self.X.shape[1], 1)), self.X.prototype)
        return float(self.X.mttkrp([None, ones], 0).sum())

    @property
    def scale(self) -> float:
        """The unit of the cost: its size, or 1 if that is zero."""
        return self.size or 1.0

    def equations(self, S: Array, A: Array) -> tuple[Array, Array]:
        """Return what an update of the factor requires: the parts of the gradient, which add up over parts of the samples."""
        return self.split_gradient(S, A, 1)

    @staticmethod
    def split(negative: Array, positive: Array, A: Array, weight: float) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient with respect to the factor, from `equations`."""
        return negative, positive

    def _ratio(self, S: Array, A: Array) -> Data:
        if self._last[0] is not S or self._last[1] is not A:
            self._last = (S, A, self.X.ratio([S, A]))
        return self._last[2]

    def split_gradient(self, S: Array, A: Array, mode: int) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient; for the code these are `(W∘X/X̂) A` and `W A`."""
        return self.weight * self._ratio(S, A).mttkrp([S, A], mode), self.weight * self.X.weights_mttkrp([S, A], mode)

    def value(self, S: Array, A: Array) -> float:
        """Return the value of the term."""
        total = float((S * self.X.weights_mttkrp([S, A], 0)).sum())
        return self.weight * (self.X.divergence(self._ratio(S, A)) + total)


DIVERGENCES: dict[str, type[Frobenius] | type[KullbackLeibler]] = {
    "frobenius": Frobenius,
    "kullback-leibler": KullbackLeibler,
}

CODE_UPDATES, CODE_TOL = 2000, 1e-6
"""Maximum number of updates of the code of new samples, and the relative change of a code at which its updates stop."""


def kullback_leibler_code(X: Data, A: Array, penalties: Penalties) -> Array:
    """Return the code `(n, k)` of least divergence for a factor, by multiplicative updates from constant codes of the right sum.

    The updates stop for each sample separately, so that its code does not depend on the other samples.
    """
    tl = backend_of(A)
    sums = X.mttkrp([None, 0 * A[:, :1] + 1], 0) / (float(A.sum()) or 1.0)
    term, S = KullbackLeibler(X), sums + 0 * A[:1]
    moving = sums[:, 0] > 0
    for _ in range(CODE_UPDATES):
        updated = multiplicative_update([term], S, [A], 0, *penalties.of_mode(0))
        change, size = tl.max(abs(updated - S), axis=1), tl.max(updated, axis=1)
        S = tl.where(moving[:, None], updated, S)
        moving = moving & (change > CODE_TOL * size)
        if not bool(moving.any()):
            break
    return S
