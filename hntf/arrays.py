"""Backends of arrays, and the casts with which they enter and leave the core.

The array decides: NumPy arrays give NumPy arrays; torch tensors give tensors on their device and in their dtype. The core
computes in float64 whatever the data, because a Gram matrix squares the condition number. It uses the functions of a TensorLy
backend that `backend_of` returns, without touching TensorLy's global backend.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
from tensorly.backend import BackendManager

Array = Any
"""A `numpy.ndarray` or a `torch.Tensor`."""


_backends: dict[str, Any] = {}

DOUBLE = 8
"""Number of bytes of a number in double precision."""


def is_torch(x: object) -> TypeGuard[Any]:
    """Return whether `x` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def backend_of(x: Array) -> Any:
    """Return the TensorLy backend whose functions act on `x`."""
    name = "pytorch" if is_torch(x) else "numpy"
    if name not in _backends:
        _backends[name] = BackendManager.load_backend(name)
    return _backends[name]


def as_float64(x: Array) -> Array:
    """Return `x` in float64 and detached, in its backend and on its device; without a copy if it is float64 already."""
    if is_torch(x):
        return x.detach().double()
    return np.asarray(x, dtype=np.float64)


def cast_like(x: Array, reference: Array) -> Array:
    """Return the float64 array `x` in the backend and floating dtype of `reference`; for integers it stays float64.

    Values that overflow in half or single precision, or vanish in it altogether, are returned in the next wider one.
    """
    if is_torch(reference):
        x = x if is_torch(x) else from_numpy(x, reference)
        if not reference.dtype.is_floating_point:
            return x
        if reference.dtype.itemsize >= x.dtype.itemsize or not x.numel():
            return x.to(reference.dtype)
        torch = sys.modules["torch"]
        largest = float(abs(x).max())
        wider = (reference.dtype, torch.float32, torch.float64)
        return x.to(next(dtype for dtype in wider if fits(largest, torch.finfo(dtype))))
    dtype = getattr(reference, "dtype", np.dtype(np.float64))
    if dtype.kind != "f":
        return x
    if dtype.itemsize >= x.dtype.itemsize or not x.size:
        return x.astype(dtype.newbyteorder("="), copy=False)
    largest = float(abs(x).max())
    wider = (dtype.newbyteorder("="), np.dtype("f4"), np.dtype("f8"))
    return x.astype(next(t for t in wider if fits(largest, np.finfo(t))), copy=False)


def fits(largest: float, limits: Any) -> bool:
    """Tell whether the largest of some numbers neither overflows nor loses digits with these limits; what fits nowhere is left."""
    return limits.bits == 64 or not (largest > float(limits.max) or 0.0 < largest < float(limits.tiny))


def host_view(x: Array) -> np.ndarray | None:
    """Return a NumPy view of an array in CPU memory, without a copy; None for an array on another device."""
    if not is_torch(x):
        return x
    return _numpy_view(x) if x.device.type == "cpu" else None


def to_numpy(x: Array) -> np.ndarray:
    """Return `x` as a NumPy array, copied only if it is on another device than the CPU."""
    return _numpy_view(x) if is_torch(x) else np.asarray(x)


def _numpy_view(x: Any) -> np.ndarray:
    """Return a tensor as a NumPy array, also one that a transform of `torch.func` does not touch inside that transform."""
    torch = sys.modules["torch"]
    if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is None:
        return x.detach().cpu().resolve_neg().numpy()
    from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

    with temporarily_clear_interpreter_stack():
        return x.detach().cpu().resolve_neg().numpy()


def from_numpy(x: np.ndarray, reference: Array) -> Array:
    """Return the NumPy array `x` in the backend and on the device of `reference`, without a copy on the CPU."""
    if not is_torch(reference):
        return x
    return sys.modules["torch"].from_numpy(x).to(reference.device)


def in_backend_of(arrays: Sequence[Array], reference: Array) -> list[Array]:
    """Return arrays in the backend and on the device of `reference`; those that are there already are not copied."""
    return [x if _same_home(x, reference) else from_numpy(to_numpy(x), reference) for x in arrays]


def _same_home(x: Array, reference: Array) -> bool:
    if is_torch(x) and is_torch(reference):
        return x.device == reference.device
    return is_torch(x) == is_torch(reference)


def as_bool(x: Array) -> Array:
    """Return `x` as booleans, in its backend."""
    return x.detach().bool() if is_torch(x) else np.asarray(x, dtype=bool)


def broadcast_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Return `x` repeated to a shape, without a copy."""
    return x.expand(shape) if is_torch(x) else np.broadcast_to(x, shape)


def columns(x: Array, index: np.ndarray) -> Array:
    """Return the columns of a matrix with these indices, in C order."""
    return x[:, index] if is_torch(x) else np.take(x, index, axis=1)


def arange_like(n: int, reference: Array) -> Array:
    """Return the integers from 0 to `n − 1`, in the backend and on the device of `reference`."""
    if is_torch(reference):
        return sys.modules["torch"].arange(n, device=reference.device)
    return np.arange(n)


def identity_like(n: int, reference: Array) -> Array:
    """Return the identity matrix in float64, in the backend and on the device of `reference`."""
    return from_numpy(np.eye(n), reference)


def ones_like(shape: tuple[int, ...], reference: Array) -> Array:
    """Return ones in the backend and dtype and on the device of `reference`."""
    tl = backend_of(reference)
    return tl.ones(shape, **tl.context(reference))


def row_digests(x: np.ndarray) -> np.ndarray:
    """Return integers that are the same for equal rows of a matrix, and differ for nearly all others.

    They are sums of the digits of the entries, times random odd numbers.
    """
    x = np.ascontiguousarray(x if x.dtype.itemsize <= DOUBLE else x.astype(np.float64))
    # Digits of round numbers are zero but for the first ones, which a product of whole words would lose.
    words = x.view(f"u{min(x.dtype.itemsize, DOUBLE // 2)}")
    return words @ odd_numbers(words.shape[1])


def odd_numbers(n: int, seed: int = 0) -> np.ndarray:
    """Return random odd numbers, always the same ones."""
    return np.random.default_rng(seed).integers(2**63, size=n, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
