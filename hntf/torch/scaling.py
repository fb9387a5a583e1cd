"""Scales of tensors by powers of two, which are exact; and casts of codes that are found in scaled units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hntf.arrays import fits
from hntf.least_squares.scaled_problem import LARGEST_PENALTY, VANISHING
from hntf.scales import LARGEST_EXPONENT, MODERATE_EXPONENT
from hntf.torch.reading import is_concrete, is_finite, is_readable, unwrapped

LEAST_MODERATE = 2.0**-60
"""Size of an entry whose square is far from underflow."""

TINY = torch.finfo(torch.float64).tiny


def exponents_of(largest: Tensor) -> Tensor | None:
    """Return the exponents of the powers of two that bring numbers, at least 0, near 1; None if they are known and near it already.

    The powers are those of `hntf.scales.inverse_power`.
    """
    # Compilers do not know `frexp`; a rounded logarithm is near enough.
    exponents = -torch.log2(largest.where(largest > 0, 0.5)).floor() - 1
    if is_concrete(exponents) and bool((exponents.abs() <= MODERATE_EXPONENT).all()):
        return None
    return exponents.clamp(-LARGEST_EXPONENT, LARGEST_EXPONENT)


def exponents_of_seen(X: Tensor, weights: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
    """Return the exponents of the samples that weights, if there are any, do not hide, and those of the weights."""
    if weights is None:
        return exponents_of(X.detach().abs().amax()), None
    weights = weights.detach()
    return exponents_of(X.detach().abs().where(weights > 0, 0.0).amax()), exponents_of(weights.amax())


def vanish(C: Tensor) -> bool:
    """Tell whether products with scaled columns are so small that they have lost digits, or all of them, if they can be read."""
    return bool(C.numel()) and is_concrete(C) and float(C.detach().abs().amax()) < VANISHING


def scaled_columns(A: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix whose columns are multiplied by powers of two that bring their largest entries near 1, and the exponents."""
    exponents = exponents_of(A.detach().abs().amax(0)) if len(A) else None
    return (A, A.new_zeros(A.shape[1])) if exponents is None else (A * torch.exp2(exponents), exponents)


def times_power(x: Tensor, exponents: Tensor) -> Tensor:
    """Return `x` times powers of two, which themselves may be too large for a number."""
    most = 2 * LARGEST_EXPONENT
    exponents = exponents.clamp(-most, most)
    half = (exponents / 2).floor()
    return x * torch.exp2(half) * torch.exp2(exponents - half)


def scaled_penalties(penalties: Sequence[Tensor | None], exponents: Tensor) -> list[float | Tensor]:
    """Return the penalties `l1` and `l2` for codes that are divided by powers of two; 0.0 for None."""
    return [
        0.0 if x is None else times_power(x, power * exponents).clamp(max=LARGEST_PENALTY)
        for power, x in enumerate(penalties, start=1)
    ]


def cast_code(S: Tensor, dtype: torch.dtype) -> Tensor:
    """Return a code in a dtype, as a copy; in the next wider one in which it fits, if it overflows or vanishes altogether.

    Raises
    ------
    ValueError
        If the code is not finite.
    """
    if is_readable(S) and (found := unwrapped(S.detach())).numel():
        if not is_finite(found):
            raise ValueError("A is too small beside X: the solution overflows")
        largest = float(found.abs().max())
        dtype = next(each for each in (dtype, torch.float32, torch.float64) if fits(largest, torch.finfo(each)))
    return S.to(dtype, copy=True)


def is_moderate(A: Tensor, largest: Tensor) -> bool:
    """Tell whether columns need no scale, whatever part of them is seen: no entry is huge, nor tiny unless it is zero.

    Nor is the largest weight of a feature tiny beside that of another; of mapped weights, those of all samples are looked at.
    """
    if not is_concrete(A):
        return False
    sizes, weights = A.detach().abs(), unwrapped(largest)
    below = weights.amax() * LEAST_MODERATE if weights.numel() else 0.0
    return bool(
        ((sizes < 2.0**MODERATE_EXPONENT) & (sizes > LEAST_MODERATE) | (sizes == 0)).all()
        and ((weights > below) | (weights == 0)).all()
    )


def as_seen(A: Tensor, largest: Tensor) -> Tensor:
    """Return the dictionary times the root of the largest weight of every feature, relative to the largest of all."""
    return A.detach() * (largest / largest.amax(-2, keepdim=True).clamp(min=TINY)).sqrt()


def largest_entries(A: Tensor, ridge: Tensor | None) -> Tensor:
    """Return the largest entry of each column, `(…, 1, k)`; the root of the ridge penalty is an entry of each."""
    largest = A.detach().abs().amax(-2, keepdim=True)
    if ridge is not None and ridge.numel():
        root = ridge.detach().sqrt()
        # Of those of single samples the smallest: where a larger one overflows, the code is zero.
        largest = largest.maximum(root.flatten(0, -2).amin(0) if root.ndim > 1 else root)
    return largest
