"""Rounding, and scales that are powers of two, by which multiplication is exact."""

from __future__ import annotations

from typing import Any

import numpy as np

EPS = float(np.finfo(np.float64).eps)
"""The distance from 1 to the next larger number in float64."""

LARGEST_EXPONENT = 1000
"""Exponent of the largest scale and of the smallest one, which leaves room for sums of squares of subnormal numbers."""


MODERATE_EXPONENT = 20
"""Exponent of a column up to which it needs no scale: its products neither overflow nor underflow."""


def inverse_power(largest: Any) -> Any:
    """Return the powers of two that bring numbers that are at least 0 into [½, 1), or near it for subnormal ones; 1 for 0."""
    return np.ldexp(1.0, np.clip(-np.frexp(largest)[1], -LARGEST_EXPONENT, LARGEST_EXPONENT))


def exponents_of(powers: Any) -> np.ndarray:
    """Return the exponents of powers of two."""
    return np.frexp(powers)[1] - 1


def with_exponents(U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `V` and integers `e` such that `U = V 2^e`, with the largest entry of every column of `V` in [½, 1), or zero."""
    exponents = np.frexp(np.abs(U).max(axis=0, initial=0.0))[1]
    return np.ldexp(U, -exponents), exponents
