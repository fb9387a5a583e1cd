"""What outweighs all other data, so that it alone decides which fits predict well: one entry, or one slice of a mode.

Errors are squared. A huge entry is predicted by none of the others, and a feature in smaller units than the others, or a sample
with far more counts, leaves nothing to explain in them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hntf.algebra import MATRIX
from hntf.arrays import from_numpy, to_numpy
from hntf.fitting.parts import Part, Parts
from hntf.fitting.parts.protocol import Facts

HUGE_SHARE, HUGE_SQUARE = 0.03, 100.0
"""Share of all squares, and square divided by the mean of all, from which the largest entry is named."""

DOMINANT_SHARE = 0.8
"""Share of the squared sums of all slices, which are much like the sums of their squares, from which the largest slice is named."""

OF_ENTRY = 0.5
"""Share of all squares from which the largest entry is named, not the slice that it is in."""

FEWEST_SLICES = 4
"""Number of slices of which one may be named."""


def warning_of_dominance(parts: Parts) -> str:
    """Return a sentence that names the entry or the slice that outweighs the others; an empty one if there is none."""
    facts = parts.facts
    if not facts.norm_squared:
        return ""
    share = _share_of_largest(facts)
    # Entries of a dominant slice are large, and slices with a dominant entry are.
    if facts.smallest >= 0 and share < OF_ENTRY and (of_slice := _warning_of_slices(parts)):
        return of_slice
    if share >= max(HUGE_SHARE, HUGE_SQUARE / math.prod(parts.shape)):
        return (
            f"One entry has {share:.0%} of all squares, so that errors depend on whether it is hidden; if it is wrong, hide it by "
            "mask."
        )
    return ""


def _share_of_largest(facts: Facts) -> float:
    """Return the square of the largest entry, divided by the sum of all."""
    return max(facts.largest**2, facts.smallest**2) / facts.norm_squared


def _warning_of_slices(parts: Parts) -> str:
    """Return a sentence that names a slice of nonnegative data that outweighs the others of its mode together."""
    of_samples, *of_parts = zip(*parts.each(sums_of_slices), strict=True)
    by_mode = [np.concatenate(of_samples), *(np.sum(sums, axis=0) for sums in of_parts)]
    for mode, sums in enumerate(by_mode):
        squares = sums**2
        largest = int(squares.argmax())
        if len(squares) >= FEWEST_SLICES and squares[largest] >= DOMINANT_SHARE * squares.sum():
            names = _slice_names(mode, len(parts.shape))
            return (
                f"Of the {names}, number {largest}, counted from 0, outweighs all others together in the squared errors; scale the "
                f"{names} if they are to count alike."
            )
    return ""


def _slice_names(mode: int, order: int) -> str:
    if mode == 0:
        return "samples"
    return "features" if order == MATRIX else f"entries of mode {mode}"


def sums_of_slices(part: Part) -> list[np.ndarray]:
    """Return the sums of the entries of a part along all modes but one, for every mode."""
    data = part.data
    ones: list[Any] = [from_numpy(np.ones((d, 1)), data.prototype) for d in data.shape]
    return [to_numpy(data.mttkrp(ones, mode))[:, 0] for mode in range(len(data.shape))]
