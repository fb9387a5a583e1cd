"""What masks and weights of dense and of sparse data have in common."""

from __future__ import annotations

from numbers import Integral, Number
from typing import Any

from hntf.arrays import Array, broadcast_to, is_torch, to_numpy

ALL_HIDDEN = "X must have observed entries: the mask or the weights hide all of them"


ENTRIES = 3
"""Length of the tuple `(coordinates, values, shape)` of a sparse tensor."""


def is_entries(x: Any) -> bool:
    """Tell whether a tuple is a sparse tensor, `(coordinates, values, shape)`, and not nested lists of numbers or several masks."""
    if not (isinstance(x, tuple) and len(x) == ENTRIES and isinstance(x[2], tuple | list) and len(x[2])):
        return False
    is_shape = all(isinstance(d, Integral) and not isinstance(d, bool) for d in x[2])
    return is_shape and not (isinstance(x[0], tuple | list) and len(x[0]) and isinstance(x[0][0], Number))


def as_masks(mask: Any) -> tuple[Any, ...]:
    """Return what may be no mask, one, or several, as a tuple."""
    if mask is None:
        return ()
    if isinstance(mask, list) and not all(
        hasattr(each, "shape") or isinstance(each, Number | list | tuple) for each in mask
    ):
        # Names and hold-outs are no rows of an array.
        return tuple(mask)
    return mask if isinstance(mask, tuple) and not is_entries(mask) else (mask,)


def on_host(mask: Any) -> tuple[Any, ...]:
    """Return masks with NumPy arrays in place of tensors."""
    return tuple(to_numpy(each) if is_torch(each) else each for each in as_masks(mask))


def aligned(x: Array, name: str, X: Any) -> Array:
    """Return an array with the order of `X`, whose axes have their lengths there, or 1 where it is the same for a whole mode."""
    shape = tuple(X.shape)
    x_aligned = x.reshape(-1, *[1] * (len(shape) - 1)) if x.ndim == 1 else x
    if x_aligned.ndim != len(shape) or any(a not in (1, b) for a, b in zip(x_aligned.shape, shape, strict=True)):
        several = "; several masks are given as a tuple" if x.ndim > len(shape) else ""
        raise ValueError(
            f"{name} must have the shape of X, {shape}, ({shape[0]},) for each sample, or an axis of length 1 where it is the "
            f"same for a whole mode; got {tuple(x.shape)}{several}"
        )
    return x_aligned


def of_entries(x: Array, name: str, X: Any) -> Array:
    """Return an array for all entries of `X`, which may be given for each sample or be the same along some modes."""
    x, shape = aligned(x, name, X), tuple(X.shape)
    return broadcast_to(x, shape)
