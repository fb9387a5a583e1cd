"""How Numba compiles the kernels of the library: without the global interpreter lock, and cached on disk.

A product and a sum may be one instruction everywhere. `reordered_` functions may add in any order, too, for which the compiler uses
wide registers, and a `reduction` knows that its numbers are finite. A `step` makes no array, so that no references to arrays are
counted, which would take a good part of the time of a short function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any], flags: tuple[str, ...] = ("contract",), **options: Any) -> Any:
    """Compile a function that may make arrays."""
    return njit(nogil=True, cache=True, error_model="numpy", fastmath=set(flags), **options)(function)


def step(function: Callable[..., Any], flags: tuple[str, ...] = ("contract",)) -> Any:
    """Compile a function that makes no array and assigns to no slice."""
    return kernel(function, flags, _nrt=False)


def reordered_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that may make arrays, and add in any order."""
    return kernel(function, ("contract", "reassoc"))


def reordered_step(function: Callable[..., Any]) -> Any:
    """Compile a function that makes no array, and may add in any order."""
    return step(function, ("contract", "reassoc"))


def reduction(function: Callable[..., Any]) -> Any:
    """Compile a function whose sums and maxima of finite numbers may be taken in any order."""
    return step(function, ("contract", "reassoc", "nnan", "nsz"))
