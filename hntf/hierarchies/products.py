"""Products of the factors of a stack, and their pullback."""

from __future__ import annotations

from collections.abc import Sequence

from hntf.arrays import Array
from hntf.hierarchies.base import add


def chain(factors: Sequence[Array]) -> list[Array]:
    """Return `[A_1, A_1 A_2, …]`."""
    products: list[Array] = []
    for A in factors:
        products.append(products[-1] @ A if products else A)
    return products


def decoded_code(S: Array, factors: Sequence[Array]) -> Array:
    """Return `S A_Lᵀ ⋯ A_1ᵀ`, the code below all factors that a code above them stands for; with no factors, `S`."""
    for A in reversed(factors):
        S = S @ A.T
    return S


def chain_pullback(factors: Sequence[Array], gradients: Sequence[Array | None]) -> list[Array]:
    """Return the gradients with respect to the factors for those with respect to the products, None being zero."""
    products = chain(factors)
    d_factors: list[Array] = []
    d_product: Array | None = None
    for i in reversed(range(len(factors))):
        d_product = add(gradients[i], d_product)
        if d_product is None:
            d_factors.append(0 * factors[i])
            continue
        d_factors.append(products[i - 1].T @ d_product if i else d_product)
        d_product = d_product @ factors[i].T
    return d_factors[::-1]
