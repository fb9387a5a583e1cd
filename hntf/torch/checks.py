"""Checks of the arguments of the torch functions, at their edge: what is wrong is named; traced entries are not read."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.masked import MaskedTensor

from hntf.least_squares.nnls_gram import INDEFINITE, is_singular
from hntf.torch.reading import is_finite, is_readable, unmapped, unwrapped
from hntf.validation import check_number

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def check_dense(name: str, x: Any) -> None:
    """Raise `TypeError` if an argument is not a dense tensor."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a torch tensor, got {type(x).__name__}")
    if isinstance(x, MaskedTensor):
        raise TypeError(f"{name} must be a plain tensor, got a masked one; pass its data, and its mask as weights")
    if x.is_nested:
        raise TypeError(f"{name} must be one dense tensor, got a nested tensor; pad or concatenate its parts")
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, got layout {x.layout}; call {name}.to_dense()")


def check_tensor(name: str, x: Any) -> None:
    """Raise `TypeError` if an argument is not a dense tensor of real floating-point numbers."""
    check_dense(name, x)
    if not x.dtype.is_floating_point or x.dtype.itemsize == 1:
        raise TypeError(f"{name} must hold real floating-point numbers of two bytes or more, got {x.dtype}")


def check_finite(name: str, x: Tensor, more: str = "") -> None:
    """Raise `ValueError` if entries that can be read are NaN or infinite."""
    if is_readable(x) and not is_finite(unwrapped(x)):
        raise ValueError(f"{name} must hold finite entries{more}")


def check_factor(name: str, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return a factor of a layer; raise `TypeError` or `ValueError` if it is no finite real matrix of its shape."""
    if x.is_complex():
        raise TypeError(f"factors must hold real numbers, got {x.dtype} for {name}")
    if tuple(x.shape) != shape:
        raise ValueError(f"factors must have the shapes of the layer, {shape} for {name}; got {tuple(x.shape)}")
    check_finite("factors", x, f", got NaN or infinite ones for {name}")
    return x


def check_problem(X: Any, A: Any, weights: Any) -> None:
    """Raise `TypeError` or `ValueError` if samples, dictionary and weights are none, or do not go together."""
    for name, x in (("X", X), ("A", A), *([] if weights is None else [("weights", weights)])):
        check_tensor(name, x)
    if X.ndim == 0 or X.shape[-1] == 0:
        raise ValueError(f"X must have features along its last axis, got shape {tuple(X.shape)}")
    if A.ndim < 2 or 0 in A.shape[-2:]:
        raise ValueError(f"A must have shape (m, k) or (…, m, k) without an empty axis, got {tuple(A.shape)}")
    if X.shape[-1] != A.shape[-2]:
        raise ValueError(f"X must have {A.shape[-2]} features, as A has rows; got shape {tuple(X.shape)}")
    if A.ndim > 2:
        try:
            torch.broadcast_shapes(A.shape[:-2], X.shape[:-2])
        except RuntimeError:
            raise ValueError(
                f"A must have leading dimensions that can be broadcast with those of X, {tuple(X.shape[:-2])}; "
                f"got {tuple(A.shape)}"
            ) from None
    if X.device != A.device:
        raise ValueError(f"X and A must be on one device, got {X.device} and {A.device}")
    if weights is not None:
        check_nonnegative("weights", weights)


def check_semidefinite(G: Tensor, rounding: float) -> bool:
    """Raise `ValueError` if a Gram matrix has a negative eigenvalue beyond rounding of its dtype; tell whether one is singular."""
    if is_readable(G) and bool(torch.isfinite(G := unmapped(G.detach())).all()):
        norms = torch.diagonal(G, dim1=-2, dim2=-1).clamp(min=0).sqrt()
        norms = norms.where(norms > 0, 1.0)
        values = torch.linalg.eigvalsh(G / (norms[..., :, None] * norms[..., None, :]))
        if bool((values[..., 0] < -max(INDEFINITE, rounding) * values.abs().amax(-1)).any()):
            raise ValueError(
                f"G must be positive semidefinite, got a negative eigenvalue, {float(values.min()):g} with unit columns"
            )
        return is_singular(values)
    return False


def checked_penalty(value: Any, name: str, shape: tuple[int, ...], X: Tensor) -> Tensor | None:
    """Return a checked penalty as a float64 tensor that can be broadcast to the code; None for the number 0."""
    if not isinstance(value, Tensor):
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number or a tensor, got {type(value).__name__}")
        check_number(value, name)
        return torch.tensor(float(value), dtype=torch.float64, device=X.device) if value else None
    if value.dtype in INTEGERS:
        value = value.double()
    check_tensor(name, value)
    check_nonnegative(name, value)
    return broadcast(value.double(), name, shape)


def check_nonnegative(name: str, x: Tensor) -> None:
    """Raise `ValueError` if entries that can be read are negative, infinite or NaN."""
    if not is_readable(x):
        return
    x = unwrapped(x.detach())
    wrong = x[~((x >= 0) & x.isfinite())]
    if len(wrong):
        raise ValueError(f"{name} must be at least 0 and finite, got an entry {float(wrong[0]):g}")


def checked_support(support: Any, shape: tuple[int, ...]) -> Tensor:
    """Return a support that can be broadcast to a shape; raise `TypeError` or `ValueError` if it is none."""
    if not isinstance(support, Tensor) or support.dtype != torch.bool:
        got = support.dtype if isinstance(support, Tensor) else type(support).__name__
        raise TypeError(f"support must be a bool tensor, got {got}")
    return broadcast(support, "support", shape)


def weights_of_entries(weights: Any, X: Tensor) -> Tensor:
    """Return weights, or a mask, for every entry of samples; raise `TypeError` or `ValueError` if their shape is another."""
    check_dense("weights", weights)
    return broadcast(weights, "weights", tuple(X.shape)).expand(X.shape)


def broadcast(x: Tensor, name: str, shape: tuple[int, ...]) -> Tensor:
    """Return a tensor that can be broadcast to a shape; raise `ValueError` if it cannot."""
    if x.ndim > len(shape) or any(a not in (1, b) for a, b in zip(x.shape[::-1], shape[::-1], strict=False)):
        raise ValueError(f"{name} must have a shape that can be broadcast to {tuple(shape)}, got {tuple(x.shape)}")
    return x
