"""The squared error of a code in Gram form: neither the model nor a residual is formed."""

from __future__ import annotations

from typing import NamedTuple

from hntf.arrays import Array, backend_of
from hntf.layers import LayerTape
from hntf.least_squares.gram import apply_gram, symmetric_outer


class SquaredError(NamedTuple):
    """`‖X − M(Z)‖²` and its gradients with respect to `Z` and to the map's `G` and `C`."""

    value: float
    code: Array
    gram: Array
    adjoint: Array


def squared_error(tape: LayerTape, Z: Array, norm_squared: float) -> SquaredError:
    """Return `‖X‖² − 2⟨C, Z⟩ + ⟨Z G, Z⟩`, which is `‖X − M(Z)‖²` for the map and data of `tape`."""
    tl = backend_of(Z)
    model = apply_gram(tape.G, Z)
    difference = model - tape.C
    value = norm_squared + float(tl.sum((difference - tape.C) * Z))
    return SquaredError(value, 2 * difference, symmetric_outer(Z, Z, tape.G), -2 * Z)
