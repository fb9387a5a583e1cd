"""Levels with a separate model each, and the matrices that gather their components."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from hntf.algebra import chain
from hntf.arrays import Array, identity_like
from hntf.data import Data
from hntf.models.base import Model
from hntf.models.stack import Hierarchy
from hntf.models.tucker import Tucker


class SeparateLevels(Model):
    """A single-level model for every level, and the matrices that gather the components of one level into those of the next.

    Parameters
    ----------
    models : list of Model
        One model per level, finest first, each with a single level.
    gathers : list of arrays, `(k_{l−1}, k_l)`
        The gathering matrices of all levels but the first.
    parameters : list
        The factors as users see them in `factors_`, one list of arrays per level.
    lead : int
        The mode whose factors are multiplied by the gathering matrices.
    """

    def __init__(
        self,
        models: Sequence[Model],
        gathers: Sequence[Array],
        parameters: Sequence[Sequence[Array]],
        *,
        lead: int = 0,
    ) -> None:
        self.models = list(models)
        self.gathers = list(gathers)
        self._parameters = [list(level) for level in parameters]
        self.lead = lead

    @property
    def n_levels(self) -> int:
        return len(self.models)

    @property
    def parameters(self) -> list[Any]:
        return self._parameters

    def mapped(self, function: Callable[[Array], Array]) -> Self:
        parameters = [list(map(function, level)) for level in self._parameters]
        models = [model.mapped(function) for model in self.models]
        return type(self)(models, list(map(function, self.gathers)), parameters, lead=self.lead)

    def in_units(self, c: float) -> Self:
        models = [model.in_units(c) for model in self.models]
        return type(self)(models, self.gathers, self._parameters, lead=self.lead)

    def encode(self, X: Data, level: int) -> Array:
        return self.models[level].encode(X, 0)

    def codes_of_levels(self, X: Data) -> list[Array]:
        return [model.codes_of_levels(X)[0] for model in self.models]

    def decode(self, S: Array, level: int) -> Array:
        return self.models[level].decode(S, 0)

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        return [self.models[level].squared_residuals(X, {0: S})[0] for level, S in codes.items()]

    def profiles(self, level: int, code: Array) -> list[Array]:
        return self.models[level].profiles(0, code)

    def memberships(self, level: int) -> Array:
        return self.gathers[level - 1] if level else self.models[0].memberships(0)

    def unit_sums(self, level: int) -> Array:
        return self.models[level].unit_sums(0)

    def gathered_masses(self, level: int, code: Array, mode: int | None) -> Array:
        # The fraction of the lead factor of each coarser component that comes from a finer one, times the mass of the coarser
        # one.
        parts = self.gathers[level - 1]
        totals = chain([self._parameters[0][self.lead].sum(0)[None], *self.gathers[:level]])[-1][0]
        return parts * (self.masses(level, code, mode) / (totals + (totals == 0)))

    def cp_factors(self, level: int, code: Array) -> list[Array]:
        return self.models[level].cp_factors(0, code)

    def tucker_factors(self, level: int, code: Array) -> tuple[Array, list[Array]]:
        return self.models[level].tucker_factors(0, code)


def tucker_levels(hierarchy: Hierarchy, cores: Sequence[Array], shape: Sequence[int]) -> SeparateLevels:
    """Return the Tucker decompositions of all levels for Tucker layers that also compress mode 0; `cores` are their codes."""
    products: list[Array | None] = [None] * len(shape)
    models: list[Model] = []
    gathers, parameters = [], []
    for layer, core in zip(hierarchy.layers, cores, strict=True):
        parameters.append(list(layer.map.factors))
        for mode, A in zip(layer.map.modes, layer.map.factors, strict=True):  # type: ignore[attr-defined]
            below = products[mode]
            products[mode] = A if below is None else below @ A
        gathers.append(layer.map.factors[0])
        factors = [identity_like(d, core) if U is None else U for d, U in zip(shape, products, strict=True)]
        models.append(Tucker(core.reshape([U.shape[1] for U in factors]), factors))
    return SeparateLevels(models, gathers[1:], parameters)
