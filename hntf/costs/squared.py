"""The squared error in Gram form: neither the model nor the residual is formed, except to report small errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hntf.algebra import cp_dense
from hntf.arrays import Array
from hntf.data import Data
from hntf.least_squares.gram import Gram, apply_gram, squared_error_in_gram_form, symmetric_outer


class SquaredError(NamedTuple):
    """`w ‖X − M(Z)‖²` and its gradients with respect to `Z` and to the map's `G`; that with respect to `C` is `−2 w Z`."""

    value: float
    code: Array
    gram: Array


def squared_error(G: Gram, C: Array, Z: Array, norm_squared: float, weight: float) -> SquaredError:
    """Return `w (‖X‖² − 2⟨C, Z⟩ + ⟨Z G, Z⟩)`, which is `w ‖X − M(Z)‖²` for the map with `G = M*M` and `C = M*(X)`."""
    gradient = apply_gram(G, Z)
    gradient -= C
    flat = Z.reshape(-1)
    value = norm_squared + float(gradient.reshape(-1) @ flat) - float(C.reshape(-1) @ flat)
    gradient *= 2 * weight
    return SquaredError(weight * value, gradient, weight * symmetric_outer(Z, Z, G))


GRAM_FORM_CANCELS = 1e-9
"""Squared relative error below which the Gram form has lost too many digits and the residual is formed instead."""


def squared_residual(squared: float, X: Data, from_residual: Callable[[], float]) -> float:
    """Return the squared error in Gram form, or from the residual if that has lost too many digits and `X` can be expanded."""
    if squared < GRAM_FORM_CANCELS * X.norm_squared() and X.is_expandable:
        return from_residual()
    return max(squared, 0.0)


def cp_squared_residual(X: Data, factors: Sequence[Array]) -> float:
    """Return `‖X − [[U_1, …, U_N]]‖²`."""
    G, C = X.gram(factors, 0), X.mttkrp(factors, 0)
    squared = squared_error_in_gram_form(X.norm_squared(), G, C, factors[0])
    return squared_residual(
        squared, X, lambda: X.residual_norm_squared(lambda rows: cp_dense(factors[0][rows], factors))
    )


class Frobenius:
    """The term `w ½‖√W∘(X − S Aᵀ)‖²` of a cost, with its weight `w` and the weights `W` of the data.

    It caches the last products with the data, because an update and the cost after it often use the same ones.
    """

    def __init__(self, X: Data, weight: float = 1.0) -> None:
        self.X = X
        self.weight = weight
        self._last: dict[int, tuple[Array, Gram, Array]] = {}

    @property
    def size(self) -> float:
        """The value of the term for a model of zero, without its weight."""
        return 0.5 * self.X.norm_squared()

    @property
    def scale(self) -> float:
        """The unit of the cost: its size, or 1 if that is zero."""
        return self.size or 1.0

    def equations(self, S: Array, A: Array) -> tuple[Gram, Array]:
        """Return what an update of the factor requires: the normal equations, which add up over parts of the samples."""
        return self.normal_equations(S, A, 1)

    @staticmethod
    def split(G: Gram, C: Array, A: Array, weight: float) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient with respect to the factor, from `equations`."""
        return weight * C, weight * apply_gram(G, A)

    @staticmethod
    def from_equations(size: float, G: Gram, C: Array, A: Array) -> float:
        """Return the value of the term without its weight, from its size and `equations`."""
        return 0.5 * squared_error_in_gram_form(2 * size, G, C, A)

    def normal_equations(self, S: Array, A: Array, mode: int) -> tuple[Gram, Array]:
        """Return the Gram matrix and right-hand side for the code (mode 0) or the factor (1), without the weight of the term."""
        other = A if mode == 0 else S
        if mode not in self._last or self._last[mode][0] is not other:
            self._last.pop(mode, None)
            self._last[mode] = (other, self.X.gram([S, A], mode), self.X.mttkrp([S, A], mode))
        return self._last[mode][1:]

    def split_gradient(self, S: Array, A: Array, mode: int) -> tuple[Array, Array]:
        """Return the negative and the positive part of the gradient; for the code these are `(W∘X) A` and `(W∘X̂) A`."""
        G, C = self.normal_equations(S, A, mode)
        return self.weight * C, self.weight * apply_gram(G, S if mode == 0 else A)

    def value(self, S: Array, A: Array) -> float:
        """Return the value of the term."""
        mode = 0 if 0 in self._last and self._last[0][0] is A else 1
        G, C = self.normal_equations(S, A, mode)
        return 0.5 * self.weight * squared_error_in_gram_form(self.X.norm_squared(), G, C, S if mode == 0 else A)
