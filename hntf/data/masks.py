"""What masks and weights of dense and of sparse data have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, is_torch

ALL_HIDDEN = "X must have observed entries: the mask or the weights hide all of them"


def of_entries(x: Array, name: str, X: Any) -> Array:
    """Return an array for all entries of `X`, which may be given for each sample or be the same along some modes."""
    shape = tuple(X.shape)
    aligned = x.reshape(-1, *[1] * (len(shape) - 1)) if x.ndim == 1 else x
    if aligned.ndim != len(shape) or any(a not in (1, b) for a, b in zip(aligned.shape, shape, strict=True)):
        raise ValueError(
            f"{name} must have the shape of X, {shape}, ({shape[0]},) for each sample, or an axis of length 1 where it is the "
            f"same for a whole mode; got {tuple(x.shape)}"
        )
    return aligned.expand(shape) if is_torch(aligned) else np.broadcast_to(aligned, shape)
