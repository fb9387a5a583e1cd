"""What masks and weights of dense and of sparse data have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, is_torch

ALL_HIDDEN = "X must have observed entries: the mask or the weights hide all of them"


def as_masks(mask: Any) -> tuple[Any, ...]:
    """Return what may be no mask, one, or several, as a tuple."""
    return mask if isinstance(mask, tuple) else () if mask is None else (mask,)


def aligned(x: Array, name: str, X: Any) -> Array:
    """Return an array with the order of `X`, whose axes have their lengths there, or 1 where it is the same for a whole mode."""
    shape = tuple(X.shape)
    x_aligned = x.reshape(-1, *[1] * (len(shape) - 1)) if x.ndim == 1 else x
    if x_aligned.ndim != len(shape) or any(a not in (1, b) for a, b in zip(x_aligned.shape, shape, strict=True)):
        raise ValueError(
            f"{name} must have the shape of X, {shape}, ({shape[0]},) for each sample, or an axis of length 1 where it is the "
            f"same for a whole mode; got {tuple(x.shape)}"
        )
    return x_aligned


def of_entries(x: Array, name: str, X: Any) -> Array:
    """Return an array for all entries of `X`, which may be given for each sample or be the same along some modes."""
    x, shape = aligned(x, name, X), tuple(X.shape)
    return x.expand(shape) if is_torch(x) else np.broadcast_to(x, shape)
