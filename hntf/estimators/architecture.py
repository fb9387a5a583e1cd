"""Checks of the ranks and modes that describe a hierarchy."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from hntf.fitting.initializers.tensor import Architecture
from hntf.layers import NNLSLayer
from hntf.maps import ModeProduct
from hntf.validation import check_number, check_ranks


def check_architecture(n_components: Any, modes: Any, shape: tuple[int, ...]) -> Architecture:
    """Return the layers that `n_components` and `modes` describe for a tensor of the given shape.

    Raises
    ------
    TypeError, ValueError
        If they are not as `NeuralNTF` describes; the message names the argument.
    """
    levels = [n_components] if isinstance(n_components, numbers.Integral) else n_components
    if isinstance(levels, str) or not isinstance(levels, Sequence | np.ndarray):
        raise TypeError(f"n_components must be an integer or a tuple with one entry per level, got {n_components!r}")
    tuples = [isinstance(level, Sequence | np.ndarray) for level in levels]
    if tuples != sorted(tuples, reverse=True):
        raise ValueError(
            f"n_components must name its Tucker levels, tuples, before its dense levels; got {n_components!r}"
        )
    count = sum(tuples)
    if count == 0:
        ranks = check_ranks(levels)
        if modes is not None:
            raise ValueError(
                "modes must be None where the first level is a CP: they are the modes that Tucker levels compress"
            )
        return Architecture(shape, (), (), ranks)
    tucker = [check_ranks_of_modes(level, levels[0]) for level in levels[:count]]
    if any(b > a for lower, upper in pairwise(tucker) for a, b in zip(lower, upper, strict=True)):
        raise ValueError(f"n_components must not grow from one level to the next in any mode, got {n_components!r}")
    checked = check_modes(modes, len(tucker[0]), len(shape))
    dense = check_ranks(levels[count:]) if len(levels) > count else ()
    if dense and 0 in checked:
        raise ValueError(
            "n_components must have Tucker levels only where mode 0 is compressed: the code has no samples"
        )
    if dense and dense[0] > np.prod(tucker[-1]):
        raise ValueError(f"n_components must not grow from one level to the next, got {n_components!r}")
    return Architecture(shape, checked, tuple(tucker), tuple(dense))


def architecture_of(layers: Sequence[NNLSLayer], shape: tuple[int, ...]) -> Architecture:
    """Return the architecture of existing layers on data of a shape."""
    tucker = [layer.map for layer in layers if isinstance(layer.map, ModeProduct)]
    ranks = tuple(layer.map.factors[0].shape[1] for layer in layers if not isinstance(layer.map, ModeProduct))
    of_modes = tuple(tuple(A.shape[1] for A in linear_map.factors) for linear_map in tucker)
    return Architecture(shape, tucker[0].modes if tucker else (), of_modes, ranks)


def check_ranks_of_modes(ranks: Any, first: Any) -> tuple[int, ...]:
    """Return the checked ranks of one Tucker level, as many as the `first` level has."""
    if isinstance(ranks, str) or not isinstance(ranks, Sequence | np.ndarray) or len(ranks) == 0:
        raise TypeError(f"each level in n_components must be an integer or a tuple of integers, got {ranks!r}")
    for rank in ranks:
        check_number(rank, "each rank in n_components", low=1, integer=True)
    if len(ranks) != len(first):
        raise ValueError(f"n_components must have as many ranks at every level, got {len(first)} and {len(ranks)}")
    return tuple(int(rank) for rank in ranks)


def check_modes(modes: Any, count: int, order: int) -> tuple[int, ...]:
    """Return the compressed modes in increasing order, for levels of `count` ranks and a tensor of the given order."""
    if modes is None:
        if count not in (order - 1, order):
            raise ValueError(
                f"n_components must have {order - 1} ranks a level, one a mode but the first, or {order}, got {count}; "
                f"or name the modes with modes="
            )
        return tuple(range(order - count, order))
    if isinstance(modes, str) or not isinstance(modes, Sequence | np.ndarray):
        raise TypeError(f"modes must be a sequence of integers, got {modes!r}")
    positive = tuple(check_mode(mode, order, "each of modes") for mode in modes)
    if len(positive) != count or any(a >= b for a, b in pairwise(positive)):
        raise ValueError(f"modes must name {count} modes, one a rank, in increasing order; got {modes!r}")
    return positive


def check_mode(mode: Any, order: int, name: str) -> int:
    """Return a checked mode as an index from 0."""
    check_number(mode, name, low=-order, integer=True)
    if mode >= order:
        raise ValueError(f"{name} must be from {-order} to {order - 1} for data of order {order}, got {mode}")
    return int(mode) % order
