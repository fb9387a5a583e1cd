"""Pooling between the levels of a hierarchy, and the reconstruction from the code of its last level.

Between two levels of nonnegative factorization, `ρ` pools over groups of components and applies an activation:
`ρ(S_l) ≈ S_{l+1} A_{l+1}ᵀ`. Given the proportions of the components in their groups, it has a right inverse `ρ†`. The code of the
last level therefore reconstructs the data: `X̂ = Ŝ_1 A_1ᵀ`, `Ŝ_l = ρ†(Ŝ_{l+1} A_{l+1}ᵀ)`. All derivatives are nonnegative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hntf.arrays import Array, backend_of, ones_like

LARGEST_EXPONENT = 200.0
"""Exponents are capped here: that of a step which is too long would overflow before the step is rejected."""


def _capped_exponential(y: Array) -> Array:
    return backend_of(y).exp(backend_of(y).where(y < LARGEST_EXPONENT, y, 0 * y + LARGEST_EXPONENT))


class Activation(NamedTuple):
    """A pointwise function `f` on the nonnegative numbers, its inverse, and the derivative of the inverse."""

    apply: Callable[[Array], Array]
    inverse: Callable[[Array], Array]
    slope: Callable[[Array], Array]


ACTIVATIONS = {
    "identity": Activation(lambda x: x, lambda y: y, lambda y: 0 * y + 1),
    "sqrt": Activation(lambda x: x**0.5, lambda y: y * y, lambda y: 2 * y),
    "log1p": Activation(lambda x: backend_of(x).log(1 + x), lambda y: _capped_exponential(y) - 1, _capped_exponential),
}
POOLINGS = ("none", "mean", "max")


class Pooling(NamedTuple):
    """The `ρ` between two levels: `f` of the mean or the maximum of every `size` consecutive components."""

    activation: str = "identity"
    kind: str = "none"
    size: int = 1

    def pooled(self, S: Array) -> tuple[Array, Array]:
        """Return `ρ(S)`, `(n, k / size)`, and the proportions of the components in their groups, `(n, k)`."""
        groups = S.reshape(len(S), -1, self.size)
        pooled = groups.mean(2) if self.kind == "mean" else backend_of(S).max(groups, axis=2)
        empty = pooled == 0
        proportions = (groups + empty[:, :, None]) / (pooled + empty)[:, :, None]
        return ACTIVATIONS[self.activation].apply(pooled), proportions.reshape(S.shape)

    def expanded(self, P: Array, proportions: Array | None) -> Array:
        """Return `ρ†(P)`, `(n, k)`; without given proportions, all components of a group are equal."""
        values = ACTIVATIONS[self.activation].inverse(P)
        repeated = (values[:, :, None] * self.ones(P)).reshape(len(P), -1)
        return repeated if proportions is None else proportions * repeated

    def expanded_pullback(self, P: Array, proportions: Array, dS: Array) -> Array:
        """Return the gradient with respect to `P` from the gradient with respect to `ρ†(P)`."""
        sums = (proportions * dS).reshape(len(P), -1, self.size).sum(2)
        return ACTIVATIONS[self.activation].slope(P) * sums

    def ones(self, P: Array) -> Array:
        """Return an array of ones, `(1, 1, size)`, which repeats a pooled value for the components of its group."""
        return ones_like((1, 1, self.size), P)


def decoded(factors: Sequence[Array], S: Array, pooling: Pooling, proportions: Sequence[Array | None]) -> list[Array]:
    """Return the codes `[Ŝ_1, …, Ŝ_L]` of all levels that the code of the last level reconstructs.

    `proportions[l − 1]` are the proportions in the groups of level l.
    """
    codes = [S]
    for A, proportion in zip(reversed(factors[1:]), reversed(proportions[: len(factors) - 1]), strict=True):
        codes.append(pooling.expanded(codes[-1] @ A.T, proportion))
    return codes[::-1]


def carried_up(
    factors: Sequence[Array],
    codes: Sequence[Array],
    pooling: Pooling,
    proportions: Sequence[Array],
    dS: Array,
    level: int,
) -> tuple[Array, Array]:
    """Return the gradients of the factor of `level` (2, 3, …) and of its code, from the gradient of the code of level 1."""
    gradient = dS
    for index in range(1, level):
        P = codes[index] @ factors[index].T
        inner = pooling.expanded_pullback(P, proportions[index - 1], gradient)
        gradient = inner @ factors[index]
    return inner.T @ codes[level - 1], gradient
