"""What every model of samples answers, and what one that is trained by gradients answers besides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul
from typing import Any, Self

from hntf.algebra import decoded_code
from hntf.arrays import Array, identity_like, in_backend_of
from hntf.data import Data


class Model(ABC):
    """A model of samples at several levels: level l gives a sample a code of `k_l` numbers, which stands for data.

    Levels count from 0, the finest. Everything that a fitted estimator tells follows from a model and the codes of its samples.
    """

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """The number of levels."""

    @property
    @abstractmethod
    def parameters(self) -> list[Any]:
        """The parameters of the method as its users know them: arrays, in lists by level where there are several a level."""

    @abstractmethod
    def mapped(self, function: Callable[[Array], Array]) -> Self:
        """Return the same model with a function applied to every array that it holds."""

    @abstractmethod
    def encode(self, X: Data, level: int) -> Array:
        """Return the codes `(n, k_l)` of trusted samples at a level, from their features alone."""

    @abstractmethod
    def decode(self, S: Array, level: int) -> Array:
        """Return the data `(n, d_2, …, d_N)` that float64 codes of a level stand for."""

    @abstractmethod
    def errors(self, X: Data, codes: Sequence[Array]) -> list[float]:
        """Return the relative errors `‖X − X̂_l‖ / ‖X‖` of the levels for the codes of the samples; 0 for zero data."""

    @abstractmethod
    def profiles(self, level: int, code: Array) -> list[Array]:
        """Return what a unit of each component looks like, mode by mode, `(k_l, d_i)`; in mode 0 the samples, with these codes.

        Where the data of a unit code have rank one they are the outer product of the profiles of modes 1 … N−1; else a profile is
        their sum over the other modes. Where every mode gathers its components for itself, they are the components of the modes.
        """

    @abstractmethod
    def memberships(self, level: int) -> Any:
        """Return how the components of the level below gather into those of a level, `(k_{l−1}, k_l)`, or one such matrix a mode.

        The identity at level 0.
        """

    def unit_sums(self, level: int) -> Array:
        """Return the sum of the data that a unit of each component stands for, `(k_l,)`."""
        return self.profiles(level, self._no_samples(level))[1].sum(1)

    def _no_samples(self, level: int) -> Array:
        first = self.memberships(level)
        return (first[0] if isinstance(first, list) else first)[:0]

    def masses(self, level: int, code: Array, mode: int | None) -> Array:
        """Return how much of what the level stands for is in each component (of a mode, where each has its own), `(k_l,)`."""
        return code.sum(0) * self.unit_sums(level)

    def gathered_masses(self, level: int, code: Array, mode: int | None) -> Array:
        """Return how much of each component of the level below goes into each component of a level, up to a factor a row."""
        return self.memberships(level) * code.sum(0)

    def encode_levels(self, X: Data) -> list[Array]:
        """Return the codes of samples at every level."""
        return [self.encode(X, level) for level in range(self.n_levels)]

    def codes_of_levels(self, X: Data) -> list[Array]:
        """Return the codes at every level of the samples that the model was fitted to."""
        return self.encode_levels(X)

    def in_units(self, c: float) -> Self:
        """Return the model for data that are `c` times as large, with codes that are `c` times as large at every level."""
        return self

    def to(self, reference: Any) -> Self:
        """Return the model in the backend and on the device of an array: a model fitted on one serves the other."""
        return self.mapped(lambda x: in_backend_of([x], reference)[0])

    def cp_factors(self, level: int, code: Array) -> list[Array]:
        """Return the factors of a level as a CP decomposition of samples with these codes; raise `ValueError` if it is none."""
        raise ValueError(f"cp_tensor needs a level that is a CP decomposition, and level {level} is none")

    def tucker_factors(self, level: int, code: Array) -> tuple[Array, list[Array]]:
        """Return the core and the factors of a level as a Tucker decomposition; raise `ValueError` if it is none."""
        raise ValueError(f"tucker_tensor needs a level that is a Tucker decomposition, and level {level} is none")


class Trainable(Model):
    """A model that is trained by gradients: given by factors, nonnegative for the optimizers here.

    A forward pass returns a tape; losses turn it into gradients with respect to what the pass computed, of a kind of the model's
    own with a list `codes`, one array `(n, k_l)` or None a level; `pullback` carries them to the factors.
    """

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The factors that are trained, in float64."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same model with other factors."""

    @abstractmethod
    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the model does not produce data of the shape of `X`."""

    @abstractmethod
    def solve(self, X: Data, start: Any = None) -> Any:
        """Run forward on trusted data; support searches start from those of the tape `start`."""

    @abstractmethod
    def codes(self, tape: Any) -> list[Array]:
        """Return the codes of the samples at every level, `(n, k_l)`."""

    @abstractmethod
    def no_gradients(self, tape: Any) -> Any:
        """Return gradients of zero with respect to what the forward pass computed."""

    @abstractmethod
    def squared_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return `Σ_l w_l ‖X − X̂_l‖²` and its gradients with respect to what the forward pass computed."""

    def layer_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return the weighted squared errors of every layer's own input, and their gradients; raise `TypeError` without layers."""
        raise TypeError(f"LayerCentric is a loss of a hntf.Hierarchy, got {type(self).__name__}")

    @abstractmethod
    def pullback(self, tape: Any, gradients: Any) -> list[Array]:
        """Return the gradients with respect to the factors."""


def rank_one_profiles(code: Array, factors: Sequence[Array]) -> list[Array]:
    """Return the profiles of components that are outer products of the columns of `factors`, those of modes 1 … N−1."""
    return [code.T, *(U.T for U in factors)]


def summed_profiles(code: Array, factors: Sequence[Array], weights: Array) -> list[Array]:
    """Return the profiles of sums of outer products: component j is `Σ_r weights[r, j] u_{2,r} ∘ … ∘ u_{N,r}`."""
    sums = [U.sum(0) for U in factors]
    profiles = [code.T]
    for i, U in enumerate(factors):
        others = reduce(mul, [s for p, s in enumerate(sums) if p != i], 0 * sums[i] + 1)
        profiles.append((U * others @ weights).T)
    return profiles


def identity_of(k: int, reference: Array) -> Array:
    """Return the memberships of the finest level: nothing is gathered there."""
    return identity_like(k, reference)


def product_profiles(code: Array, factors: Sequence[Array]) -> list[Array]:
    """Return the profiles of a level of a matrix, `[Sᵀ, (A_1 ⋯ A_l)ᵀ]`."""
    units = identity_like(factors[-1].shape[1], factors[-1])
    return [code.T, decoded_code(units, factors)]
