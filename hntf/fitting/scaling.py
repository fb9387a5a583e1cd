"""The scale of components: columns of unit norm, with the norms moved to the codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import mul

from hntf.arrays import Array, backend_of


def with_unit_columns(U: Array) -> tuple[Array, Array]:
    """Return `U` with columns of unit norm, and the norms; a zero column is kept, with norm 1."""
    tl = backend_of(U)
    norms = tl.sqrt(tl.sum(U * U, axis=0))
    norms = tl.where(norms > 0, norms, 0 * norms + 1)
    return U / norms, norms


def unit_components(factors: Sequence[Array]) -> tuple[list[Array], Array]:
    """Return the factors of a CP decomposition with unit columns, and the sizes of its components, the products of the norms."""
    units, norms = zip(*map(with_unit_columns, factors), strict=True)
    return list(units), reduce(mul, norms)


def on_simplex(U: Array) -> tuple[Array, Array]:
    """Return a nonnegative `U` with columns that sum to one, and the sums; a zero column is kept, with sum 1."""
    sums = U.sum(0)
    sums = sums + (sums == 0)
    return U / sums, sums


def on_simplex_pullback(A: Array, sums: Array, dA: Array) -> Array:
    """Return the gradient with respect to `U` from the gradient `dA` with respect to `A`, the result of `on_simplex`."""
    return (dA - (dA * A).sum(0)) / sums


def balanced(
    factors: Sequence[Array], scaled: Callable[[Array], tuple[Array, Array]] = with_unit_columns
) -> list[Array]:
    """Return `[A_1, …, A_L]` with columns of unit norm (or sum); the norms are moved to the rows of the next factor.

    The products `A_1 … A_l` only change by a scaling of their columns. The codes do change, because the problem of a level
    weights the components of the code below by their scale. This function is therefore for starting points, where components of
    equal norm are weighted by their codes alone.
    """
    result = []
    scale = None
    for A in factors:
        if scale is not None:
            A = A * scale[:, None]  # noqa: PLW2901
        unit, scale = scaled(A)
        result.append(unit)
    return result
