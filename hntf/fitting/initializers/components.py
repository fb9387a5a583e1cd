"""Starts for models with a CP decomposition at every level: the best single level of each rank, and what lies between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hntf.arrays import Array, backend_of
from hntf.data import Data, DenseData
from hntf.fitting.initializers.levels import between, without_dead_columns
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.sequential import sequential
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.scaling import balanced, with_unit_columns

Start = tuple[list[Array], list[list[Array]]]
"""The base and, mode by mode, the factors of the stacks."""


def component_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[Start]:
    """Yield starts from the best single level of each rank.

    The base is the best of some single NCPD of rank `k_0`, anew for every start. In every mode `A_{i,1}` is the factor of the
    best of rank `k_1`, and `A_{i,l} = argmin_{A ≥ 0} ‖A_{i,1} ⋯ A_{i,l−1} A − V_i‖` for the factor `V_i` of the best of rank
    `k_l`.
    """
    stacks: list[list[Array]] = [[] for _ in data.shape]
    for rank in ranks[1:]:
        for stack, V in zip(stacks, best_single_level(data, rank, random_state).factors, strict=True):
            stack.append(between(_product(stack), V) if stack else without_dead_columns(V))
    stacks = [balanced(stack) for stack in stacks]
    while True:
        yield even_scales(best_single_level(data, ranks[0], random_state).factors), stacks


def sequential_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[Start]:
    """Yield starts from the best single NCPD, its components factorized level by level, each mode by itself."""
    while True:
        base = even_scales(best_single_level(data, ranks[0], random_state).factors)
        yield base, [sequential(DenseData(U.T), ranks[1:], random_state) for U in base]


def random_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[Start]:
    """Yield starts with every factor drawn at random, the base at the scale of the data."""
    scale = (data.norm_squared() ** 0.5) ** (1.0 / len(data.shape))
    while True:
        base = [scale * random_factor(data, d, ranks[0], random_state) for d in data.shape]
        yield (
            base,
            [
                [random_factor(data, *shape, random_state) for shape in zip([d, *ranks[1:]], ranks[1:], strict=False)]
                for d in data.shape
            ],
        )


STACK_INITIALIZERS = {"levels": component_stacks, "sequential": sequential_stacks, "random": random_stacks}


def component_unit(data: Data) -> float:
    """Return the unit in which the columns of a base have about the norm of the unit columns of the stacks above."""
    return (0.25 * data.norm_squared() ** 0.5) ** (1.0 / len(data.shape)) or 1.0


def gathers(
    data: Data, base: Sequence[Array], ranks: Sequence[int], random_state: np.random.RandomState, *, shared: bool
) -> list[list[Array]]:
    """Return matrices that gather the base's components towards the best single NCPD of each rank: one list, or one a mode."""
    tl = backend_of(base[0])
    lower = [tl.concatenate(list(base))] if shared else list(base)
    matrices: list[list[Array]] = [[] for _ in lower]
    for rank in ranks:
        upper = even_scales(best_single_level(data, rank, random_state).factors)
        targets = [tl.concatenate(upper)] if shared else upper
        for i, target in enumerate(targets):
            matrices[i].append(between(lower[i], target))
            lower[i] = lower[i] @ matrices[i][-1]
    return matrices


def _product(factors: Sequence[Array]) -> Array:
    product, *others = factors
    for A in others:
        product = product @ A
    return product


def even_scales(factors: Sequence[Array]) -> list[Array]:
    """Return a CP decomposition with the norm of each component spread evenly over the modes."""
    units, norms = zip(*map(with_unit_columns, factors), strict=True)
    weights = norms[0]
    for norm in norms[1:]:
        weights = weights * norm
    return [unit * weights ** (1.0 / len(units)) for unit in units]
