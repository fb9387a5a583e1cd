"""Tensor algebra for all layers: Khatri–Rao products, unfoldings, products of a stack's factors and their pullback."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import accumulate
from typing import Any

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy

Factors = Sequence[Array | None]
"""One factor per mode, `(dimension, rank)`; the entry of the mode that is computed is ignored and may be None."""

MATRIX = 2
"""The order of a matrix."""


def khatri_rao(factors: Factors) -> Array:
    """Return the Khatri–Rao product, `(d_1 ⋯ d_p, rank)`, with the index of the last factor fastest."""
    return reduce(lambda A, U: (A[:, None, :] * U).reshape(len(A) * len(U), U.shape[1]), factors)  # type: ignore


def kronecker(matrices: Sequence[Array]) -> Array:
    """Return the Kronecker product of matrices, with the indices of the last one fastest."""

    def product(A: Array, B: Array) -> Array:
        return (A[:, None, :, None] * B[None, :, None, :]).reshape(len(A) * len(B), -1)

    return reduce(product, matrices)


def cp_dense(code: Array, factors: Factors) -> Array:
    """Return the dense tensor `[[S, U_2, …, U_N]]`."""
    *middle, last = factors[1:]
    shape = tuple(len(U) for U in (code, *factors[1:]))
    # Choose the split of the modes with the smaller Khatri–Rao product.
    if len(code) < len(last):  # type: ignore[arg-type]
        return (khatri_rao([code, *middle]) @ last.T).reshape(shape)  # type: ignore[union-attr]
    return (code @ khatri_rao(factors[1:]).T).reshape(shape)


def unfold(X: Array, mode: int) -> Array:
    """Return the unfolding of a tensor along a mode, `(d_mode, product of the other dimensions)`."""
    return backend_of(X).moveaxis(X, mode, 0).reshape(X.shape[mode], -1)


def fold(matrix: Array, mode: int, shape: Sequence[int]) -> Array:
    """Return the tensor of the given shape from its unfolding along a mode."""
    others = [d for i, d in enumerate(shape) if i != mode]
    return backend_of(matrix).moveaxis(matrix.reshape(shape[mode], *others), 0, mode)


def split_columns(U: Array, ranks: Sequence[int]) -> list[Array]:
    """Return the columns of each of several models, which are concatenated in `U`."""
    return [U[:, end - rank : end] for rank, end in zip(ranks, accumulate(ranks), strict=True)]


def chain(factors: Sequence[Array]) -> list[Array]:
    """Return `[A_1, A_1 A_2, …]`."""
    products: list[Array] = []
    for A in factors:
        products.append(products[-1] @ A if products else A)
    return products


def decoded_code(S: Array, factors: Sequence[Array]) -> Array:
    """Return `S A_Lᵀ ⋯ A_1ᵀ`, the reconstruction of the code below all factors from the code above them; `S` without factors."""
    for A in reversed(factors):
        S = S @ A.T
    return S


def chain_pullback(factors: Sequence[Array], gradients: Sequence[Array | None]) -> list[Array]:
    """Return the gradients with respect to the factors from those with respect to the products of `chain`; None is zero."""
    products = chain(factors)
    d_factors: list[Array] = []
    d_product: Array | None = None
    for i in reversed(range(len(factors))):
        d_product = add(gradients[i], d_product)
        if d_product is None:
            d_factors.append(0 * factors[i])
            continue
        d_factors.append(products[i - 1].T @ d_product if i else d_product)
        if i:
            d_product = d_product @ factors[i].T
    return d_factors[::-1]


def times_weight(weight: float, x: Array) -> Array:
    """Return `weight · x`, which is `x` itself for a weight of 1."""
    return x if weight == 1.0 else weight * x


def add(total: Any, term: Any) -> Any:
    """Return the sum of two gradients; None is zero."""
    if total is None or term is None:
        return total if term is None else term
    return total + term


def add_to(total: Any, term: Any) -> Any:
    """Return the sum of two gradients in the memory of the first, which nobody else uses; None is zero."""
    if total is None or term is None:
        return total if term is None else term
    total += term
    return total


def random_columns(A: Array) -> Array:
    """Return random columns of unit norm in the shape of `A`, the same for every call."""
    fresh = np.random.RandomState(0).uniform(size=tuple(A.shape))
    return from_numpy(fresh / (np.linalg.norm(fresh, axis=0) if len(fresh) else 1.0), A)


def without_dead_columns(A: Array) -> Array:
    """Replace zero columns by random ones, because no gradient could change them or distinguish equal columns."""
    tl = backend_of(A)
    dead = tl.sum(A, axis=0) <= 0
    return tl.where(dead, random_columns(A), A) if bool(dead.any()) else A
