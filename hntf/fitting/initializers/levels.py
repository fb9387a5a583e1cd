"""The default start: fit each rank by itself, then compute the factors between the levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hntf.algebra import without_dead_columns
from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.fitting.initializers.single_level import best_levels
from hntf.fitting.scaling import balanced
from hntf.fitting.updates.alternating import AlternatingCP
from hntf.least_squares.solver import solve
from hntf.models.product import best_code


def levels(data: Data, ranks: Sequence[int], random_state: np.random.RandomState) -> list[Array]:
    """Fit an NMF `X ≈ S A⁽ˡ⁾ᵀ` of each rank, and project: `A_1 = A⁽¹⁾`, then `A_l = argmin_{A ≥ 0} ‖A_1 … A_{l−1} A − A⁽ˡ⁾‖`.

    Every level starts near the best error that a single level of its rank reaches.
    """
    return through_levels(best_levels(data, ranks, random_state))


def completed(
    data: Data, factors: list[Array], ranks: Sequence[int], random_state: np.random.RandomState
) -> list[Array]:
    """Return the factors of all levels, from all of them or from `A_1` alone: then the others are fitted to its code."""
    if len(factors) == len(ranks):
        return factors
    code = DenseData(best_code(data, factors[0]))
    return [*factors, *levels(code, ranks[1:], random_state)]


def through_levels(singles: Sequence[AlternatingCP]) -> list[Array]:
    """Return the start whose levels approximate these single levels of a matrix."""
    first, *upper = (single.factors[1] for single in singles)
    return balanced(nested([without_dead_columns(first), *upper]))


def nested(targets: Iterable[Array], below: Array | None = None) -> list[Array]:
    """Return `A_l = argmin_{A ≥ 0} ‖B A_1 ⋯ A_{l−1} A − T_l‖` for the targets `T_l` and the factor `B` below them.

    Without `B`, `A_1` is `T_1` itself.
    """
    factors: list[Array] = []
    product = below
    for target in targets:
        factors.append(target if product is None else between(product, target))
        product = factors[-1] if product is None else product @ factors[-1]
    return factors


def between(lower: Array, upper: Array) -> Array:
    """Return `argmin_{A ≥ 0} ‖lower A − upper‖`, without dead columns."""
    return without_dead_columns(solve(lower.T @ lower, upper.T @ lower).S.T)
