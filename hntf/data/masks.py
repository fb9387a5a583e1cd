"""What masks and weights of dense and of sparse data have in common."""

from __future__ import annotations

from numbers import Number
from typing import Any

from hntf.arrays import Array, broadcast_to, is_torch, to_numpy
from hntf.data.sparse_arrays import in_scipy, is_entries

ALL_HIDDEN = "X must have observed entries: the mask or the weights hide all of them"


def as_masks(mask: Any) -> tuple[Any, ...]:
    """Return what may be no mask, one, or several, as a tuple; sparse matrices among them are those of SciPy."""
    if mask is None:
        return ()
    if isinstance(mask, list) and not all(
        hasattr(each, "shape") or isinstance(each, Number | list | tuple) for each in mask
    ):
        # Names and hold-outs are no rows of an array.
        return tuple(mask)
    masks = mask if isinstance(mask, tuple) and not is_entries(mask) else (mask,)
    return tuple(in_scipy(each, "mask") for each in masks)


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
