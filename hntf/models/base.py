"""The interfaces of all models of samples, and of models that are trained by gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import mul
from typing import Any, Self

from hntf.algebra import decoded_code, without_dead_columns
from hntf.arrays import Array, identity_like, in_backend_of
from hntf.data import Data


class Model(ABC):
    """A model of samples at several levels: at level l, a sample has a code of `k_l` numbers, from which it is reconstructed.

    Levels count from 0, the finest. The methods and attributes of a fitted estimator follow from its model and the codes of its
    samples.
    """

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """The number of levels."""

    @property
    def code_sizes(self) -> list[int]:
        """The number of components of every level."""
        return [self._no_samples(level).shape[1] for level in range(self.n_levels)]

    @property
    @abstractmethod
    def parameters(self) -> list[Any]:
        """The factors as users see them in `factors_`: arrays, or a list per level if a level has several."""

    @abstractmethod
    def mapped(self, function: Callable[[Array], Array]) -> Self:
        """Return the same model with a function applied to all its arrays."""

    @abstractmethod
    def encode(self, X: Data, level: int) -> Array:
        """Return the codes `(n, k_l)` of samples at a level, computed from their features alone; the data are not checked."""

    @abstractmethod
    def decode(self, S: Array, level: int) -> Array:
        """Return the reconstruction `(n, d_2, …, d_N)` from float64 codes of a level."""

    @abstractmethod
    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        """Return `‖X − X̂_l‖²` for the codes of the samples at some levels."""

    def errors(self, X: Data, codes: Sequence[Array]) -> list[float]:
        """Return the relative errors `‖X − X̂_l‖ / ‖X‖` of the levels for the codes of the samples; 0 if the data are zero."""
        norm_squared = X.norm_squared()
        if norm_squared == 0.0:
            return [0.0] * len(codes)
        return [(squared / norm_squared) ** 0.5 for squared in self.squared_residuals(X, dict(enumerate(codes)))]

    @abstractmethod
    def profiles(self, level: int, code: Array) -> list[Array]:
        """Return the profiles of the components along every mode, `(k_l, d_i)`; in mode 0 the given codes of the samples.

        If the reconstruction of a unit code has rank one, it is the outer product of its profiles over modes 1, …, N−1. Otherwise
        a profile is the reconstruction summed over the other modes. If every mode has its own gathering matrices, the profiles
        are the components of the modes.
        """

    @abstractmethod
    def memberships(self, level: int) -> Any:
        """Return the gathering matrix of a level from the components below it, `(k_{l−1}, k_l)`, or a list with one per mode.

        It is the identity at level 0.
        """

    def unit_sums(self, level: int) -> Array:
        """Return the sum of the entries of the reconstruction of a unit code of each component, `(k_l,)`."""
        return self.profiles(level, self._no_samples(level))[1].sum(1)

    def _no_samples(self, level: int) -> Array:
        first = self.memberships(level)
        return (first[0] if isinstance(first, list) else first)[:0]

    def masses(self, level: int, code: Array, mode: int | None) -> Array:
        """Return the mass of each component in the reconstruction of the level (of a mode, if each has its own), `(k_l,)`."""
        return code.sum(0) * self.unit_sums(level)

    def gathered_masses(self, level: int, code: Array, mode: int | None) -> Array:
        """Return the mass that each component of the level below contributes to each one of a level, up to a factor per row."""
        return self.memberships(level) * code.sum(0)

    def encode_levels(self, X: Data) -> list[Array]:
        """Return the codes of samples at every level."""
        return [self.encode(X, level) for level in range(self.n_levels)]

    def codes_of_levels(self, X: Data) -> list[Array]:
        """Return the codes, at every level, of the samples to which the model was fitted."""
        return self.encode_levels(X)

    def in_units(self, c: float) -> Self:
        """Return the model for data multiplied by `c`, whose codes are multiplied by `c` at every level."""
        return self

    def to(self, reference: Any) -> Self:
        """Return the model in the backend and on the device of an array, so that it can be used on data from there."""
        return self.mapped(lambda x: in_backend_of([x], reference)[0])

    def cp_factors(self, level: int, code: Array) -> list[Array]:
        """Return the CP factors of a level for samples with these codes; raise `ValueError` if it is not a CP decomposition."""
        raise ValueError(f"cp_tensor needs a level that is a CP decomposition, and level {level} is none")

    def tucker_factors(self, level: int, code: Array) -> tuple[Array, list[Array]]:
        """Return the Tucker core and factors of a level; raise `ValueError` if it is not a Tucker decomposition."""
        raise ValueError(f"tucker_tensor needs a level that is a Tucker decomposition, and level {level} is none")


class Trainable(Model):
    """A model that is trained by gradients. It is given by its factors, which are nonnegative for the optimizers of this package.

    A forward pass returns a tape. A loss computes from it the gradients with respect to the results of the pass, in an object of
    the model's own class with a list `codes` that has one array `(n, k_l)` or None per level. `pullback` carries them to the
    factors.
    """

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The trained factors, in float64."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same model with other factors."""

    def revived(self) -> Self:
        """Return the same model with random columns in place of columns of zeros, which no gradient would ever change."""
        factors = self.factors
        revived = [without_dead_columns(A) for A in factors]
        return self if all(a is b for a, b in zip(revived, factors, strict=True)) else self.with_factors(revived)

    @abstractmethod
    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the model does not produce data of the shape of `X`."""

    @abstractmethod
    def solve(self, X: Data, start: Any = None) -> Any:
        """Run the forward pass on data that are not checked; support searches start from the supports of the tape `start`."""

    def warm_start(self, tape: Any) -> Any:
        """Return what the next forward pass starts from, as a tape that does not hold the data; None if it starts anew."""
        return None

    @abstractmethod
    def codes(self, tape: Any) -> list[Array]:
        """Return the codes of the samples at every level, `(n, k_l)`."""

    @abstractmethod
    def no_gradients(self, tape: Any) -> Any:
        """Return gradients of zero with respect to the results of the forward pass."""

    @abstractmethod
    def squared_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return `Σ_l w_l ‖X − X̂_l‖²` and its gradients with respect to the results of the forward pass."""

    def layer_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return the weighted squared errors of all layers on their own inputs, and the gradients; `TypeError` without layers."""
        raise TypeError(f"LayerCentric is a loss of a hntf.Hierarchy, got {type(self).__name__}")

    @abstractmethod
    def pullback(self, tape: Any, gradients: Any) -> list[Array]:
        """Return the gradients with respect to the factors."""


def rank_one_profiles(code: Array, factors: Sequence[Array]) -> list[Array]:
    """Return the profiles of components that are outer products of columns of `factors`, the factors of modes 1, …, N−1."""
    return [code.T, *(U.T for U in factors)]


def summed_profiles(code: Array, factors: Sequence[Array], weights: Array) -> list[Array]:
    """Return the profiles of sums of outer products: component j is `Σ_r weights[r, j] u_{2,r} ∘ … ∘ u_{N,r}`."""
    sums = [U.sum(0) for U in factors]
    profiles = [code.T]
    for i, U in enumerate(factors):
        others = reduce(mul, [s for p, s in enumerate(sums) if p != i], 0 * sums[i] + 1)
        profiles.append((U * others @ weights).T)
    return profiles


def product_profiles(code: Array, factors: Sequence[Array]) -> list[Array]:
    """Return the profiles of a level for a matrix, `[Sᵀ, (A_1 ⋯ A_l)ᵀ]`."""
    units = identity_like(factors[-1].shape[1], factors[-1])
    return [code.T, decoded_code(units, factors)]
