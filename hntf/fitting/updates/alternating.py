"""Alternating nonnegative least squares on one CP level, any order; for a matrix, alternating NMF."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from operator import mul
from typing import Any, NamedTuple, Self
from uuid import uuid4

import numpy as np

from hntf.algebra import random_columns
from hntf.arrays import Array, backend_of, to_numpy
from hntf.data import Data
from hntf.fitting.loop import EXACT, Sweeps
from hntf.fitting.parts import OfPart, Part, Parts, as_parts
from hntf.fitting.scaling import unit_components, with_unit_columns
from hntf.least_squares.gram import Gram, squared_error_in_gram_form
from hntf.least_squares.hals import hals
from hntf.least_squares.solver import solve


def exact_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return the exact minimiser of a factor, and its support, from which the next search starts."""
    solution = solve(G, C, support)
    return solution.S, solution.support


def hals_update(G: Gram, C: Array, U: Array, support: Array | None) -> tuple[Array, Array | None]:
    """Return a factor after several sweeps of HALS; its exact minimiser if there is no factor to start from."""
    return (hals(G, C, U) if len(U) == len(C) else solve(G, C).S), None


UPDATES = {"anls": exact_update, "hals": hals_update}
"""The updates of one factor, by the name of the solver."""


class SampleFactor(NamedTuple):
    """What a part remembers of the factor of the samples.

    Attributes
    ----------
    S : array, `(n, k)`
        The factor; empty before the first sweep.
    support : array or None
        Its support.
    contracted : array or None
        The contraction of the data with the last factor.
    sweep : int
        The sweep that found it.
    """

    S: Array
    support: Array | None = None
    contracted: Array | None = None
    sweep: int = 0


class AlternatingCP(Sweeps):
    """A nonnegative CP decomposition `[[S, U_2, …, U_N]]` whose factors are updated mode by mode.

    The factor of the samples belongs to the parts, and carries the scale; the columns of the other factors have unit norm.

    Parameters
    ----------
    data : Parts or Data
        The data.
    factors : sequence of arrays
        One factor per mode; the factor of mode 0 may be empty, and is then computed by the first sweep.
    solver : {"anls", "hals"}
        The update of a factor.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    """

    def __init__(self, data: Parts | Data, factors: Sequence[Array], solver: str = "anls") -> None:
        self.parts = as_parts(data)
        self.solver = solver
        self.key = uuid4().hex
        first, *self.features = factors
        if len(first):
            self.parts.each(remember, self.key, SampleFactor(first))
        self._scale = 0 * factors[-1][0] + 1
        self._dead = 0 * self._scale
        self._supports: list[Array | None] = [None] * len(self.features)
        self._norm_squared = self.parts.norm_squared
        self._before = self.features
        self._n_sweeps = 0

    @classmethod
    def from_features(cls, data: Parts | Data, factors: Sequence[Array], solver: str = "anls") -> Self:
        """Start from the factors of modes 1, …, N−1; the first sweep computes the factor of the samples."""
        return cls(data, [factors[0][:0], *factors], solver)

    @property
    def factors(self) -> list[Array]:
        """The factors of all modes, for parts whose factors are arrays."""
        S = self.parts.rows(sample_factor, self._samples, self._scale, columns=len(self._scale))
        return [S, *self.features]

    @property
    def _samples(self) -> SampleUpdate:
        return SampleUpdate(self.key, self._before, self.solver, self._n_sweeps)

    def ordered(self) -> tuple[list[Array], OfPart]:
        """Return the factors of modes 1, …, N−1, and a function of a part that returns its factor of the samples.

        Components are sorted by decreasing size, which is spread evenly over the modes.
        """
        tl = backend_of(self._scale)
        norms = tl.sqrt(self.parts.total(squares_of_columns, self._samples, self._scale))
        units, sizes = unit_components([norms[None], *self.features])
        alive = reduce(mul, [((U * U).sum(0) > 0) * 1.0 for U in units])
        order = np.argsort(-to_numpy(sizes * alive), kind="stable").tolist()
        of_mode = sizes ** (1.0 / len(units))
        scale = self._scale * of_mode / (norms + (norms == 0))
        return [(U * of_mode)[:, order] for U in units[1:]], partial(
            ordered_sample_factor, samples=self._samples, scale=scale, order=order
        )

    def on(self, parts: Parts) -> Self:
        """Return the decomposition of other samples, from which the factor of the samples is computed anew."""
        descent = self.from_features(parts, self.features, self.solver)
        descent.n_screened = self.n_screened
        return descent

    @property
    def error(self) -> float:
        """The relative error."""
        return self.cost

    @property
    def loss(self) -> float | None:
        return None if self.cost == float("inf") else self.cost**2

    def with_solver(self, solver: str) -> Self:
        """Continue with another solver."""
        self.solver = solver
        return self

    kept = ("cost", "previous", "features", "_before", "_scale", "_dead", "_n_sweeps")
    nonnegative = ("features", "_before", "_scale")

    def state(self) -> dict[str, Any]:
        if self.solver != "anls":
            raise TypeError(f"checkpoint must be None with solver={self.solver!r}, which depends on the codes")
        return super().state()

    def forget(self) -> None:
        self.parts.forget(self.key)

    def sweep(self) -> float:
        features, supports = list(self.features), list(self._supports)
        dead = None
        if self.cost**2 > EXACT:
            dead = self._dead + sum(((U * U).sum(0) == 0) * 1.0 for U in features)
            features = with_random_columns(features, dead)
        update = UPDATES[self.solver]
        samples = SampleUpdate(self.key, features[:], self.solver, self._n_sweeps + 1)
        squares, G, C = self.parts.total(update_samples, samples, self._scale, dead)
        scale = 0 * squares + 1
        for i, U in enumerate(features):
            if i > 0:
                G, C = self.parts.total(feature_equations, samples, features, i + 1)
            # The scale moves from mode to mode, including the point from which an update starts.
            features[i], supports[i] = update(G, C, U * scale, supports[i])
            if i < len(features) - 1:
                features[i], scale = with_unit_columns(features[i])
        squared = squared_error_in_gram_form(self._norm_squared, G, C, features[-1])
        features[-1], self._scale = with_unit_columns(features[-1])
        self._dead = (squares == 0) * 1.0
        self.features, self._supports, self._before = features, supports, samples.features
        self._n_sweeps += 1
        return (max(squared, 0.0) / (self._norm_squared or 1.0)) ** 0.5


class SampleUpdate(NamedTuple):
    """How the factor of the samples of a part was found.

    Attributes
    ----------
    key : str
        The key of its memory.
    features : list of arrays
        The factors of the other modes.
    solver : str
        The update.
    sweep : int
        The number of the sweep.
    """

    key: str
    features: list[Array]
    solver: str
    sweep: int

    def of(self, part: Part) -> SampleFactor:
        """Return what a part remembers, or finds again if it was lost or is older."""
        return part.of_sweep(self.key, self.sweep, lambda: update_samples(part, self, 1.0, None))


def remember(part: Part, key: str, state: Any) -> None:
    """Let a part remember a state."""
    part.memory[key] = state


def sample_factor(part: Part, samples: SampleUpdate, scale: Array) -> Array:
    """Return the factor of the samples of a part."""
    return samples.of(part).S * scale


def ordered_sample_factor(part: Part, samples: SampleUpdate, scale: Array, order: list[int]) -> Array:
    """Return the factor of the samples of a part with its columns in another order."""
    return sample_factor(part, samples, scale)[:, order]


def squares_of_columns(part: Part, samples: SampleUpdate, scale: Array) -> Array:
    """Return the sums of the squares of the columns of the factor of the samples of a part."""
    S = sample_factor(part, samples, scale)
    return (S * S).sum(0)


def update_samples(part: Part, samples: SampleUpdate, scale: Any, dead: Array | None) -> tuple[Array, Gram, Array]:
    """Update the factor of the samples of a part; return the squares of its columns, and the normal equations of mode 1."""
    key, features, solver, sweep = samples
    S, support, *_ = part.memory.get(key) or SampleFactor(features[0][:0])
    if len(S):
        S = S * scale
        (S,) = with_random_columns([S], 0 * S[0] if dead is None else dead)
    factors = [S, *features]
    contracted = part.data.contract_last(features[-1])
    G, C = part.data.gram(factors, 0), part.data.mttkrp(factors, 0, contracted)
    S, support = UPDATES[solver](G, C, S, support)
    part.memory[key] = SampleFactor(S, support, contracted if part.stays else None, sweep)
    return (S * S).sum(0), *feature_equations(part, samples, features, 1)


def feature_equations(part: Part, samples: SampleUpdate, features: Sequence[Array], mode: int) -> tuple[Gram, Array]:
    """Return the normal equations of the factor of a mode from 1, for the samples of a part."""
    state = samples.of(part)
    factors = [state.S, *features]
    return part.returned(part.data.gram(factors, mode)), part.data.mttkrp(factors, mode, state.contracted)


def with_random_columns(factors: Sequence[Array], replaced: Array) -> list[Array]:
    """Return the factors with random columns where `replaced` is positive."""
    tl = backend_of(factors[-1])
    if float(replaced.sum()) == 0.0:
        return list(factors)
    return [tl.where(replaced > 0, random_columns(U), U) for U in factors]
