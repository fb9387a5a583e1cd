"""Starts for models with a CP decomposition at every level: the best single level of each rank, and the factors in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import mul
from typing import NamedTuple

import numpy as np

from hntf.algebra import without_dead_columns
from hntf.arrays import Array, backend_of, to_numpy
from hntf.data import Data, DenseData
from hntf.fitting.initializers.levels import nested
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.sequential import sequential
from hntf.fitting.initializers.single_level import best_levels, best_single_level
from hntf.fitting.scaling import balanced, unit_components
from hntf.fitting.updates.alternating import AlternatingCP


class StackStart(NamedTuple):
    """The base, the factors of the stack of every mode, and the errors of the best single levels if they are known."""

    base: list[Array]
    stacks: list[list[Array]]
    errors: list[float] | None = None


def component_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[StackStart]:
    """Yield starts from the best single level of each rank.

    For every start the base is the best of several new single-level NCPDs of rank `k_0`. In every mode `A_{i,1}` is the factor of
    the best NCPD of rank `k_1`, and `A_{i,l} = argmin_{A ≥ 0} ‖A_{i,1} ⋯ A_{i,l−1} A − V_i‖` for the factor `V_i` of the best
    NCPD of rank `k_l`.
    """
    levels = best_levels(data, ranks[1:], random_state)
    targets = zip(*(level.factors for level in levels), strict=True)
    stacks = [_stack(of_mode) for of_mode in targets] if levels else [[]] * len(data.shape)
    while True:
        base = best_single_level(data, ranks[0], random_state)
        yield StackStart(even_scales(base.factors), stacks, [base.error, *(level.error for level in levels)])


def sequential_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[StackStart]:
    """Yield starts from the best single-level NCPD, with its components factorized level by level in every mode separately."""
    while True:
        base = even_scales(best_single_level(data, ranks[0], random_state).factors)
        yield StackStart(base, factorized_components(base, ranks[1:], random_state))


def factorized_components(
    base: Sequence[Array], ranks: Sequence[int], random_state: np.random.RandomState
) -> list[list[Array]]:
    """Return the factors of the components `U_iᵀ` of every mode, factorized level by level."""
    return [sequential(DenseData(U.T), ranks, random_state) for U in base]


def random_stacks(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[StackStart]:
    """Yield starts with random factors, and the base at the scale of the data."""
    scale = (data.norm_squared() ** 0.5) ** (1.0 / len(data.shape))
    while True:
        base = [scale * random_factor(data, d, ranks[0], random_state) for d in data.shape]
        stacks = [
            [random_factor(data, *shape, random_state) for shape in zip([d, *ranks[1:]], ranks[1:], strict=False)]
            for d in data.shape
        ]
        yield StackStart(base, stacks)


STACK_INITIALIZERS = {"levels": component_stacks, "sequential": sequential_stacks, "random": random_stacks}


def component_unit(data: Data) -> float:
    """Return the unit in which the columns of a base have about the same norm as the unit columns of the stacks above."""
    return (0.25 * data.norm_squared() ** 0.5) ** (1.0 / len(data.shape)) or 1.0


def gathers(base: Sequence[Array], levels: Sequence[AlternatingCP], *, shared: bool) -> list[list[Array]]:
    """Return matrices that gather the base's components towards these single levels: one list, or one list per mode."""
    tl = backend_of(base[0])
    targets = [even_scales(level.factors) for level in levels]
    if shared:
        return [nested([tl.concatenate(upper) for upper in targets], below=tl.concatenate(list(base)))]
    return [nested([upper[mode] for upper in targets], below=U) for mode, U in enumerate(base)]


def _stack(targets: Sequence[Array]) -> list[Array]:
    first, *upper = targets
    return balanced(nested([without_dead_columns(first), *upper]))


def even_scales(factors: Sequence[Array]) -> list[Array]:
    """Return a CP decomposition with the norm of each component spread evenly over the modes."""
    units, sizes = unit_components(factors)
    return [unit * sizes ** (1.0 / len(units)) for unit in units]


def by_size(factors: Sequence[Array]) -> list[Array]:
    """Return a CP decomposition with its components sorted by decreasing size."""
    units, sizes = unit_components(factors)
    # A component with a zero column is zero, whatever its other columns.
    alive = reduce(mul, [(unit * unit).sum(0) > 0 for unit in units])
    order = np.argsort(-to_numpy(sizes * alive), kind="stable")
    return [U[:, order.tolist()] for U in factors]


def ordered_base(factors: Sequence[Array]) -> list[Array]:
    """Return a CP decomposition with components sorted by decreasing size, which is spread evenly over the modes."""
    return by_size(even_scales(factors))
