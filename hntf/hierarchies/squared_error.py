"""The squared error of a code in Gram form: neither the model nor a residual is formed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hntf.arrays import Array
from hntf.layers import LayerTape
from hntf.least_squares.gram import apply_gram, symmetric_outer


class SquaredError(NamedTuple):
    """`w ‖X − M(Z)‖²` and its gradients with respect to `Z` and to the map's `G` and `C`."""

    value: float
    code: Array
    gram: Array
    adjoint: Array


def squared_error(tape: LayerTape, Z: Array, norm_squared: float, weight: float) -> SquaredError:
    """Return `w (‖X‖² − 2⟨C, Z⟩ + ⟨Z G, Z⟩)`, which is `w ‖X − M(Z)‖²` for the map and data of `tape`."""
    gradient = apply_gram(tape.G, Z)
    gradient -= tape.C
    flat = Z.reshape(-1)
    value = norm_squared + float(gradient.reshape(-1) @ flat) - float(tape.C.reshape(-1) @ flat)
    gradient *= 2 * weight
    return SquaredError(weight * value, gradient, weight * symmetric_outer(Z, Z, tape.G), (-2 * weight) * Z)


GRAM_FORM_CANCELS = 1e-9
"""Squared relative error below which the Gram form has lost too many digits, and the residual is formed."""


def relative(squared: float, norm_squared: float, from_residual: Callable[[], float]) -> float:
    """Return the relative error for a squared one in Gram form, from the residual where that has lost too many digits."""
    if squared < GRAM_FORM_CANCELS * norm_squared:
        squared = from_residual()
    return (squared / norm_squared) ** 0.5
