"""CP decompositions at several levels: their errors and gradients for all levels and modes at once.

Level l approximates the data by `[[Û_1, …, Û_N]]`. The columns of all levels' factors stand side by side, so that one pass of
matricised products serves every level: MTTKRP acts column by column, and columns of different levels do not meet in a Gram.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from hntf.arrays import Array, from_numpy
from hntf.data import Data
from hntf.data.protocol import cp_dense, split
from hntf.hierarchies.base import Model
from hntf.hierarchies.squared_error import relative
from hntf.least_squares.gram import squared_error_in_gram_form
from hntf.validation import check_same_home


class CPTape(NamedTuple):
    """The forward pass.

    Attributes
    ----------
    X : Data
    factors : list of arrays, `(d_i, Σ_l r_l)`
        Mode by mode the factors of all levels, side by side.
    ranks : tuple of int
        The `r_l`.
    inner : Any
        What the model computed them from.
    """

    X: Data
    factors: list[Array]
    ranks: tuple[int, ...]
    inner: Any

    @property
    def levels(self) -> list[list[Array]]:
        """The factors of the modes, level by level."""
        return [list(level) for level in zip(*(split(U, self.ranks) for U in self.factors), strict=True)]


@dataclass
class CPGradients:
    """Gradients with respect to the factors of a tape, and to the codes of the samples, level by level."""

    factors: list[Array]
    codes: list[Array | None]


class CPModel(Model):
    """A model with a CP decomposition at every level; a subclass tells how the levels' factors follow from its own."""

    base: list[Array]

    @abstractmethod
    def expand(self, start: CPTape | None) -> tuple[list[Array], Any]:
        """Return mode by mode the factors of all levels, side by side, and what the pullback needs."""

    @property
    @abstractmethod
    def level_ranks(self) -> tuple[int, ...]:
        """The rank of the CP decomposition at every level."""

    @abstractmethod
    def with_base(self, base: Sequence[Array]) -> Self:
        """Return the same model on another base."""

    @abstractmethod
    def factors_of(self, mode: int) -> list[Array]:
        """Return the factors of a mode, from the base up."""

    @abstractmethod
    def components(self, mode: int) -> list[Array]:
        """Return the components of a mode at every level, `(d_mode, k_l)`."""

    @abstractmethod
    def memberships(self, tape: CPTape, mode: int) -> list[Array]:
        """Return how much of every component of each level is in those of the base, `(k_0, k_l)`."""

    @abstractmethod
    def sample_gather(self, tape: CPTape, level: int) -> Array | None:
        """Return the `R` with `Û_1 = Q Rᵀ` for the samples' codes `Q` of a level, None where they are `Û_1` itself."""

    def check_input(self, X: Data) -> None:
        check_same_home({"X": X.prototype, "the factors": self.base[0]})
        dimensions = tuple(len(U) for U in self.base)
        if tuple(X.shape) != dimensions:
            raise ValueError(
                f"X must have shape {dimensions}, as the factors have these numbers of rows; got {X.shape}"
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

    def relative_errors(self, tape: CPTape) -> list[float]:
        return [cp_relative_error(tape.X, U) for U in tape.levels]


def cp_relative_error(X: Data, factors: Sequence[Array]) -> float:
    """Return `‖X − [[U_1, …, U_N]]‖ / ‖X‖`; zero data are reproduced exactly."""
    norm_squared = X.norm_squared()
    if norm_squared == 0.0:
        return 0.0
    G, C = X.gram(factors, 0), X.mttkrp(factors, 0)
    squared = squared_error_in_gram_form(norm_squared, G, C, factors[0])
    return relative(
        squared, norm_squared, lambda: X.residual_norm_squared(lambda rows: cp_dense(factors[0][rows], factors))
    )
