"""Codes of samples where mode 0 is compressed: how much each slice of the core takes part in a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.arrays import Array, as_float64, cast_like, from_numpy, to_numpy
from hntf.estimators.base import Input, checked_code
from hntf.layers import NNLSLayer
from hntf.maps import Dense, ModeProduct


def core_slices(core: Array, factors: Sequence[Array], modes: Sequence[int], reference: Any) -> Array:
    """Return what each slice of a core stands for, flattened: `(r_1, d_2 ⋯ d_N)`, in the backend of `reference`.

    `factors` are those of the compressed `modes` above mode 0.
    """
    slices = from_numpy(to_numpy(core), reference)
    if modes:
        slices = ModeProduct([from_numpy(to_numpy(A), reference) for A in factors], modes).apply(slices)
    return slices.reshape(len(slices), -1)


def slice_codes(slices: Array, given: Input) -> Array:
    """Return the codes of samples, `(n, r_1)`."""
    record = NNLSLayer(Dense(slices.T)).solve(given.data.as_matrix())
    return cast_like(record.S / given.scale, given.prototype)


def data_of_slice_codes(S: Array, slices: Array, level: int, feature_shape: tuple[int, ...]) -> Array:
    """Return the data that codes `(n, r_1)` of a level stand for, `(n, d_2, …, d_N)`."""
    S = checked_code(S, len(slices), level)
    return cast_like((as_float64(S) @ slices).reshape(-1, *feature_shape), S)
