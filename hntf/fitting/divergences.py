"""How far a matrix is from `S Aᵀ`: half the squared error, or Kullback–Leibler, with what updates of a factor need of it.

A term remembers its last products with the data: an update, and the cost after it, often want the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, from_numpy
from hntf.data import Data
from hntf.least_squares.gram import Gram, apply_gram, squared_error_in_gram_form


class Frobenius:
    """The term `w ½‖√W∘(X − S Aᵀ)‖²` of a cost, `w` its weight and `W` those of the data."""

    def __init__(self, X: Data, weight: float = 1.0) -> None:
        self.X = X
        self.weight = weight
        self._last: dict[int, tuple[Array, Gram, Array]] = {}

    @property
    def scale(self) -> float:
        """What the cost is measured against: the value of a model of zero."""
        return 0.5 * self.X.norm_squared() or 1.0

    def normal_equations(self, S: Array, A: Array, mode: int) -> tuple[Gram, Array]:
        """Return the Gram matrix and the right-hand side of the code (mode 0) or of the factor (1), without the weight."""
        other = A if mode == 0 else S
        if mode not in self._last or self._last[mode][0] is not other:
            self._last[mode] = (other, self.X.gram([S, A], mode), self.X.mttkrp([S, A], mode))
        return self._last[mode][1:]

    def split_gradient(self, S: Array, A: Array, mode: int) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient: of the code, `(W∘X) A` and `(W∘X̂) A`."""
        G, C = self.normal_equations(S, A, mode)
        return self.weight * C, self.weight * apply_gram(G, S if mode == 0 else A)

    def value(self, S: Array, A: Array) -> float:
        """Return the term."""
        mode = 0 if 0 in self._last and self._last[0][0] is A else 1
        G, C = self.normal_equations(S, A, mode)
        return 0.5 * self.weight * squared_error_in_gram_form(self.X.norm_squared(), G, C, S if mode == 0 else A)


class KullbackLeibler:
    """The term `w Σ W∘(X∘log(X / X̂) − X + X̂)`, `X̂ = S Aᵀ`, the generalised Kullback–Leibler divergence."""

    def __init__(self, X: Data, weight: float = 1.0) -> None:
        self.X = X
        self.weight = weight
        self._last: Any = (None, None, None)

    @property
    def scale(self) -> float:
        """What the cost is measured against: the sum of the data, or 1 if that is zero."""
        ones = from_numpy(np.ones((self.X.shape[1], 1)), self.X.prototype)
        return float(self.X.mttkrp([None, ones], 0).sum()) or 1.0

    def _ratio(self, S: Array, A: Array) -> Data:
        if self._last[0] is not S or self._last[1] is not A:
            self._last = (S, A, self.X.ratio([S, A]))
        return self._last[2]

    def split_gradient(self, S: Array, A: Array, mode: int) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient: of the code, `(W∘X/X̂) A` and `W A`."""
        return self.weight * self._ratio(S, A).mttkrp([S, A], mode), self.weight * self.X.weights_mttkrp([S, A], mode)

    def value(self, S: Array, A: Array) -> float:
        """Return the term."""
        total = float((S * self.X.weights_mttkrp([S, A], 0)).sum())
        return self.weight * (self.X.divergence(self._ratio(S, A)) + total)


DIVERGENCES: dict[str, type[Frobenius] | type[KullbackLeibler]] = {
    "frobenius": Frobenius,
    "kullback-leibler": KullbackLeibler,
}
