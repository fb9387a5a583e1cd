"""Levels of nonnegative factorization with pooling between them, and the codes that reconstruct the data best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hntf.arrays import Array, backend_of, identity_like
from hntf.costs.multiplicative import multiplier
from hntf.costs.squared import Frobenius, cp_squared_residual
from hntf.data import Data, DenseData
from hntf.models.base import Model
from hntf.models.pooling import Pooling, carried_up, decoded
from hntf.models.product import best_code

CODE_UPDATES = 300
"""Number of multiplicative updates of the codes of samples for fixed factors."""

FILL = 0.01
"""Fraction of the mean of a code with which its zeros are filled, because multiplicative updates would keep them."""


class Pooled(Model):
    """A hierarchy with the pooling `ρ` between its levels: `X ≈ S_1 A_1ᵀ`, `ρ(S_l) ≈ S_{l+1} A_{l+1}ᵀ`.

    Parameters
    ----------
    matrices : list of arrays
        The factors `A_l`, `(k_{l−1} / pool size, k_l)`.
    pooling : Pooling
        The pooling between levels.
    """

    def __init__(self, matrices: Sequence[Array], pooling: Pooling) -> None:
        self.matrices = list(matrices)
        self.pooling = pooling

    @property
    def n_levels(self) -> int:
        return len(self.matrices)

    @property
    def parameters(self) -> list[Array]:
        return self.matrices

    def mapped(self, function: Callable[[Array], Array]) -> Pooled:
        return Pooled(list(map(function, self.matrices)), self.pooling)

    def upwards(self, X: Data, level: int) -> tuple[Array, list[Array]]:
        """Return the code of a level, found level by level, and the proportions of components in their groups below it."""
        S, proportions = best_code(X, self.matrices[0]), []
        for A in self.matrices[1 : level + 1]:
            pooled, proportion = self.pooling.pooled(S)
            proportions.append(proportion)
            S = best_code(DenseData(pooled), A)
        return S, proportions

    def encode(self, X: Data, level: int) -> Array:
        S, proportions = self.upwards(X, level)
        # Zeros are filled sample by sample, so that a code does not depend on the other samples.
        means = S.mean(1)[:, None]
        factors = self.matrices[: level + 1]
        return propagated_code(Frobenius(X), factors, S + (S == 0) * FILL * means, self.pooling, proportions)

    def decode(self, S: Array, level: int) -> Array:
        # All components of a pooled group have the same proportion.
        return decoded(self.matrices[: level + 1], S, self.pooling, [None] * level)[0] @ self.matrices[0].T

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        errors = []
        for level, S in codes.items():
            proportions = self.upwards(X, level)[1]
            first = decoded(self.matrices[: level + 1], S, self.pooling, proportions)[0]
            errors.append(cp_squared_residual(X, [first, self.matrices[0]]))
        return errors

    def profiles(self, level: int, code: Array) -> list[Array]:
        units = identity_like(self.matrices[level].shape[1], self.matrices[level])
        return [code.T, self.decode(units, level)]

    def memberships(self, level: int) -> Array:
        A = self.matrices[level]
        if level == 0:
            return identity_like(A.shape[1], A)
        # All components of a pooled group gather where the group does.
        return (A[:, None, :] * self.pooling.ones(A)[0][:, :, None]).reshape(-1, A.shape[1])


def parts_of_code(
    term: Frobenius, factors: Sequence[Array], S: Array, pooling: Pooling, proportions: Sequence[Array]
) -> tuple[Array, Array]:
    """Return the negative and the positive part of the gradient with respect to the code of the last level."""
    codes = decoded(factors, S, pooling, proportions)
    negative, positive = term.split_gradient(codes[0], factors[0], 0)
    if len(factors) == 1:
        return negative, positive
    return (
        carried_up(factors, codes, pooling, proportions, negative, len(factors))[1],
        carried_up(factors, codes, pooling, proportions, positive, len(factors))[1],
    )


def propagated_code(
    term: Frobenius, factors: Sequence[Array], S: Array, pooling: Pooling, proportions: Sequence[Array]
) -> Array:
    """Return the code of the last level for fixed factors after many updates, each sample with roots of its own."""
    costs = _costs_of_samples(term, factors, S, pooling, proportions)
    exponents = 0 * costs + 1.0
    tl = backend_of(S)
    for _ in range(CODE_UPDATES):
        parts = parts_of_code(term, factors, S, pooling, proportions)
        moved = S * multiplier(*parts) ** exponents[:, None]
        after = _costs_of_samples(term, factors, moved, pooling, proportions)
        falls = after <= costs
        S = tl.where(falls[:, None], moved, S)
        costs = tl.where(falls, after, costs)
        exponents = tl.where(falls, exponents, 0.5 * exponents)
    return S


def _costs_of_samples(
    term: Frobenius, factors: Sequence[Array], S: Array, pooling: Pooling, proportions: Sequence[Array]
) -> Array:
    """Return the cost of every sample, up to a constant that does not depend on its code."""
    first = decoded(factors, S, pooling, proportions)[0]
    negative, positive = term.split_gradient(first, factors[0], 0)
    return ((0.5 * positive - negative) * first).sum(1)
