"""Starts for a stack of layers on a tensor, whose first layers are CP or Tucker maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hntf.algebra import without_dead_columns
from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.fitting.initializers.levels import nested, through_levels
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.single_level import best_levels, best_single_level
from hntf.fitting.scaling import balanced, with_unit_columns
from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, LinearMap, ModeProduct
from hntf.models import Hierarchy


class Architecture(NamedTuple):
    """The layers of a hierarchy on a tensor.

    Attributes
    ----------
    data_shape : tuple of int
        The shape of the data for which the architecture was checked.
    modes : tuple of int
        The modes that Tucker layers compress; empty if the first layer is CP.
    tucker_ranks : tuple of tuples of int
        The ranks of the Tucker layers, one tuple per layer with one rank per mode.
    ranks : tuple of int
        The ranks of the CP layer, if the first layer is CP, and of the dense layers.
    """

    data_shape: tuple[int, ...]
    modes: tuple[int, ...]
    tucker_ranks: tuple[tuple[int, ...], ...]
    ranks: tuple[int, ...]

    @property
    def n_levels(self) -> int:
        """Number of layers."""
        return len(self.tucker_ranks) + len(self.ranks)

    @property
    def n_first(self) -> int:
        """Number of factors of the first layer."""
        return len(self.modes) if self.tucker_ranks else len(self.data_shape) - 1

    def above(self, code: Data) -> Architecture:
        """Return the layers above the first one, as an architecture on its code."""
        if len(self.tucker_ranks) > 1:
            return Architecture(code.shape, self.modes, self.tucker_ranks[1:], self.ranks)
        dense = self.ranks if self.tucker_ranks else self.ranks[1:]
        return Architecture(code.as_matrix().shape, (), (), dense)

    def first(self) -> Architecture:
        """Return the first layer alone."""
        return self._replace(tucker_ranks=self.tucker_ranks[:1], ranks=() if self.tucker_ranks else self.ranks[:1])

    def shapes(self) -> list[tuple[int, int]]:
        """Return the shapes of all factors, in the order of `Hierarchy.factors`."""
        data_shape = self.data_shape
        shapes: list[tuple[int, int]] = []
        dense: Sequence[int]
        if self.tucker_ranks:
            below = [data_shape[mode] for mode in self.modes]
            for ranks in self.tucker_ranks:
                shapes.extend(zip(below, ranks, strict=True))
                below = list(ranks)
            k = int(np.prod([d for mode, d in enumerate(data_shape) if mode > 0 and mode not in self.modes]))
            k *= int(np.prod([r for mode, r in zip(self.modes, below, strict=True) if mode > 0]))
            dense = self.ranks
        else:
            k, *dense = self.ranks
            shapes.extend((d, k) for d in data_shape[1:])
        for rank in dense:
            shapes.append((k, rank))
            k = rank
        return shapes

    def hierarchy(self, factors: Sequence[Array], *, l1: float = 0.0, l2: float = 0.0) -> Hierarchy:
        """Return the hierarchy with these factors, in the order of `Hierarchy.factors`, and penalties of the codes."""
        remaining = list(factors)
        maps: list[LinearMap] = []
        for ranks in self.tucker_ranks:
            maps.append(ModeProduct(remaining[: len(ranks)], self.modes))
            remaining = remaining[len(ranks) :]
        if not self.tucker_ranks:
            first = len(remaining) - len(self.ranks) + 1
            maps.append(KhatriRao(remaining[:first]))
            remaining = remaining[first:]
        layers = [NNLSLayer(M, l1=l1, l2=l2) for M in [*maps, *map(Dense, remaining)]]
        return Hierarchy(layers, feature_shape=self.data_shape[1:])


class TensorStart(NamedTuple):
    """The factors of a start, in the order of `Hierarchy.factors`, and the errors of the best single levels if they are known."""

    factors: list[Array]
    errors: list[float] | None = None


def tensor_levels(data: Data, architecture: Architecture, random_state: np.random.RandomState) -> TensorStart:
    """Fit each rank by itself and compute the factors in between: `levels` for tensors, and the same for a matrix.

    The factors of Tucker layers come from an NMF of the unfolding along their mode, those of dense layers above them from the
    code. Above a CP layer, `A_2 = argmin_{A ≥ 0} ‖M(Aᵀ) − B‖` for the features `B` of a factorization `X ≈ S B` of the samples
    with the rank of the level, and so on.
    """
    if architecture.tucker_ranks:
        return _tucker_levels(data, architecture, random_state)
    if len(data.shape) == 2:
        singles = best_levels(data, architecture.ranks, random_state)
        return TensorStart(through_levels(singles), [single.error for single in singles])
    first, *upper = architecture.ranks
    single = best_single_level(data, first, random_state)
    base = [with_unit_columns(U)[0] for U in single.factors[1:]]
    layer = NNLSLayer(KhatriRao(base))
    targets, errors = [], [single.error]
    samples, as_tensor = data.nonzero_features()
    for rank in upper:
        single = best_single_level(samples, rank, random_state)
        targets.append(layer.solve(as_tensor(single.factors[1].T)).S.T)
        errors.append(single.error)
    if targets:
        targets[0] = without_dead_columns(targets[0])
    return TensorStart([*base, *balanced(nested(targets))], errors)


def _tucker_levels(data: Data, architecture: Architecture, random_state: np.random.RandomState) -> TensorStart:
    by_mode = [
        best_levels(data.transposed_unfolding(mode), ranks, random_state)
        for mode, ranks in zip(architecture.modes, zip(*architecture.tucker_ranks, strict=True), strict=True)
    ]
    factors = [A for layer in zip(*map(through_levels, by_mode), strict=True) for A in layer]
    errors = []
    for of_level in zip(*by_mode, strict=True):
        layer = ModeProduct([with_unit_columns(single.factors[1])[0] for single in of_level], architecture.modes)
        errors.extend(Hierarchy([NNLSLayer(layer)]).errors(data, [NNLSLayer(layer).solve(data).S]))
    if not architecture.ranks:
        return TensorStart(factors, errors)
    code = DenseData(architecture._replace(ranks=()).hierarchy(factors).solve(data)[-1].S)
    singles = best_levels(code, architecture.ranks, random_state)
    # The error of the Tucker layers below adds to that of a level on their code.
    lost = errors[-1] ** 2
    errors.extend((lost + (1 - lost) * single.error**2) ** 0.5 for single in singles)
    return TensorStart([*factors, *through_levels(singles)], errors)


def completed(
    data: Data, factors: list[Array], architecture: Architecture, random_state: np.random.RandomState
) -> TensorStart:
    """Return a start with given factors of all layers, or of the first one alone: then the others are fitted to its code."""
    if len(factors) == len(architecture.shapes()):
        return TensorStart(factors)
    first = architecture.first().hierarchy(factors)
    (solution,), (shape,) = first.solve(data), first.code_shapes(data.shape)
    code = DenseData(solution.S.reshape(shape))
    above = architecture.above(code)
    levels_above = tensor_levels(code if above.tucker_ranks else code.as_matrix(), above, random_state)
    return TensorStart([*factors, *levels_above.factors])


def tensor_random(data: Data, architecture: Architecture, random_state: np.random.RandomState) -> TensorStart:
    """Draw all factors at random, with columns of unit norm."""
    return TensorStart([random_factor(data, *shape, random_state) for shape in architecture.shapes()])


TENSOR_INITIALIZERS = {"levels": tensor_levels, "random": tensor_random}
