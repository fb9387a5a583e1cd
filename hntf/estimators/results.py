"""Results as TensorLy knows them."""

from __future__ import annotations

from collections.abc import Sequence

from tensorly.cp_tensor import CPTensor

from hntf.arrays import Array, as_float64, cast_like
from hntf.fitting.scaling import unit_components


def cp_result(factors: Sequence[Array], prototype: Array, *, normalize: bool) -> CPTensor:
    """Return a CP tensor in the backend and dtype of `prototype`; its weights are 1, or the sizes of the components."""
    factors = [as_float64(U) for U in factors]
    weights = 0 * factors[0][0] + 1
    if normalize:
        factors, weights = unit_components(factors)
    return CPTensor((cast_like(weights, prototype), [cast_like(U, prototype) for U in factors]))
