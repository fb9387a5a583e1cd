"""What the components of a stack of CP, Tucker and dense layers are made of: outer products of columns, one factor per mode."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hntf.algebra import chain
from hntf.arrays import Array, arange_like, identity_like
from hntf.maps import Dense, LinearMap, ModeProduct


def outer_products(maps: Sequence[LinearMap], feature_shape: Sequence[int]) -> tuple[list[Array], Array | None]:
    """Return factors whose columns form outer products, and the weights with which they add up to the components, or None.

    Parameters
    ----------
    maps : sequence of LinearMap
        The maps of the layers, from the data up to the level whose components are described.
    feature_shape : sequence of int
        The shape of a sample.
    """
    dense = [isinstance(linear_map, Dense) for linear_map in maps]
    count = max(1, len(maps) - sum(dense))
    first = maps[0]
    if isinstance(first, ModeProduct):
        by_mode = _columns_of_code(mode_products(maps[:count], feature_shape))
    else:
        by_mode = list(first.factors)
    gathered = [linear_map.factors[0] for linear_map in maps[count:]]
    return by_mode, chain(gathered)[-1] if gathered else None


def mode_products(maps: Sequence[LinearMap], feature_shape: Sequence[int]) -> list[Array]:
    """Return `A_{i,1} ⋯ A_{i,l}` of modes 1, …, N−1 for the maps of nested Tucker layers; the identity for other modes."""
    products: list[Array | None] = [None] * len(feature_shape)
    for linear_map in maps:
        for mode, A in zip(linear_map.modes, linear_map.factors, strict=True):  # type: ignore[attr-defined]
            if mode > 0:
                below = products[mode - 1]
                products[mode - 1] = A if below is None else below @ A
    pairs = zip(feature_shape, products, strict=True)
    return [identity_like(d, maps[0].factors[0]) if product is None else product for d, product in pairs]


def _columns_of_code(products: Sequence[Array]) -> list[Array]:
    """Return, for each mode, the columns of its factor for every entry of the flattened code of a Tucker layer, `(d_i, k)`."""
    shape = [A.shape[1] for A in products]
    entries = arange_like(math.prod(shape), products[0])
    return [A[:, entries // math.prod(shape[i + 1 :]) % shape[i]] for i, A in enumerate(products)]
