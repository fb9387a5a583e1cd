"""CP decompositions at several levels: their errors and gradients for all levels and modes at once.

Level l approximates the data by `[[Û_1, …, Û_N]]`. The factors of all levels are concatenated, so that one MTTKRP per mode serves
every level: it acts column by column, and the Gram matrices of different levels stay separate.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hntf.algebra import cp_dense, split_columns
from hntf.arrays import Array, from_numpy
from hntf.costs.squared import cp_squared_residual
from hntf.data import Data
from hntf.least_squares.gram_blocks import restricted
from hntf.least_squares.solver import solve
from hntf.models.base import Trainable, rank_one_profiles
from hntf.validation import check_same_home


class CPTape(NamedTuple):
    """The forward pass.

    Attributes
    ----------
    X : Data
        The data.
    factors : list of arrays, `(d_i, Σ_l r_l)`
        For every mode the factors of all levels, concatenated.
    ranks : tuple of int
        The ranks `r_l` of the levels.
    inner : Any
        The part of the forward pass that is specific to the model.
    """

    X: Data
    factors: list[Array]
    ranks: tuple[int, ...]
    inner: Any


@dataclass
class CPGradients:
    """Gradients with respect to the factors of a tape, and to the codes of the samples, level by level."""

    factors: list[Array]
    codes: list[Array | None]


class CPModel(Trainable):
    """A model with a CP decomposition at every level; a subclass defines how the factors of the levels follow from its own.

    The factor of mode 0 at a level is `Q Rᵀ`, with the codes `Q` of the samples and the `R` of `code_gather`, or `Q` itself.
    """

    base: list[Array]

    @abstractmethod
    def expand(self, start: CPTape | None) -> tuple[list[Array], Any]:
        """Return for every mode the factors of all levels, concatenated, and what the pullback requires."""

    @property
    @abstractmethod
    def level_ranks(self) -> tuple[int, ...]:
        """The rank of the CP decomposition at every level."""

    @abstractmethod
    def components(self, mode: int) -> list[Array]:
        """Return the components of a mode at every level, `(d_mode, k_l)`."""

    @abstractmethod
    def code_gather(self, level: int) -> Array | None:
        """Return the `R` with `Û_1 = Q Rᵀ` for the codes `Q` of the samples at a level, None if `Q` is `Û_1` itself."""

    @cached_property
    def _expanded(self) -> tuple[list[Array], Any]:
        return self.expand(None)

    @cached_property
    def levels(self) -> list[list[Array]]:
        """The factors of every level, one per mode."""
        factors, _ = self._expanded
        return [list(level) for level in zip(*(split_columns(U, self.level_ranks) for U in factors), strict=True)]

    def encode(self, X: Data, level: int) -> Array:
        factors, gather = self.levels[level], self.code_gather(level)
        G, C = X.gram(factors), X.mttkrp(factors, 0)
        if gather is not None:
            G, C = restricted(G, gather), C @ gather
        return solve(G, C).S

    def decode(self, S: Array, level: int) -> Array:
        return cp_dense(self._factor_of_samples(S, level), self.levels[level])

    def _factor_of_samples(self, S: Array, level: int) -> Array:
        gather = self.code_gather(level)
        return S if gather is None else S @ gather.T

    def cp_factors(self, level: int, code: Array) -> list[Array]:
        return [self._factor_of_samples(code, level), *self.levels[level][1:]]

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        return [cp_squared_residual(X, self.cp_factors(level, S)) for level, S in codes.items()]

    def profiles(self, level: int, code: Array) -> list[Array]:
        return rank_one_profiles(code, [self.components(mode)[level] for mode in range(1, len(self.base))])

    def unit_sums(self, level: int) -> Array:
        sums = self.levels[level][1].sum(0)
        for U in self.levels[level][2:]:
            sums = sums * U.sum(0)
        gather = self.code_gather(level)
        return sums if gather is None else sums @ gather

    def codes_of_levels(self, X: Data) -> list[Array]:
        """Return the codes of the training samples, which are part of the model."""
        return self.components(0)

    def check_input(self, X: Data) -> None:
        check_same_home({"X": X.prototype, "the factors": self.base[0]})
        dimensions = tuple(len(U) for U in self.base)
        if tuple(X.shape) != dimensions:
            raise ValueError(
                f"X must have shape {dimensions}, as the factors have these numbers of rows; got {X.shape}"
                + ("" if dimensions[0] else " (the model of a fitted NCPD has no factor of the samples)")
            )

    def solve(self, X: Data, start: CPTape | None = None) -> CPTape:
        factors, inner = self.expand(start)
        return CPTape(X, factors, self.level_ranks, inner)

    def codes(self, tape: CPTape) -> list[Array]:
        return self.components(0)

    def no_gradients(self, tape: CPTape) -> CPGradients:
        return CPGradients([0 * U for U in tape.factors], [None] * len(tape.ranks))

    def squared_errors(self, tape: CPTape, weights: Sequence[float]) -> tuple[float, CPGradients]:
        X, factors = tape.X, tape.factors
        scale = from_numpy(np.repeat(2 * np.asarray(weights, dtype=np.float64), tape.ranks), factors[0])
        contracted = X.contract_last(factors[-1])
        value = sum(weights) * X.norm_squared()
        gradients = []
        for mode, (U, product) in enumerate(zip(factors, X.gram_products(factors, tape.ranks), strict=True)):
            C = X.mttkrp(factors, mode, contracted)
            gradient = product - C
            if mode == 0:
                value += 0.5 * float((((gradient - C) * U) @ scale).sum())
            gradients.append(scale * gradient)
        return value, CPGradients(gradients, [None] * len(tape.ranks))
