"""Checks of the arguments of public functions, before any computation.

Every message names the argument, what was passed and what is allowed. Internal functions do not check again.
"""

from __future__ import annotations

import math
import numbers
import sys
import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_random_state

from hntf.arrays import Array, as_bool, is_torch


def _describe(x: object) -> str:
    return f"{type(x).__module__}.{type(x).__qualname__}"


def check_real_array(
    x: Any,
    name: str,
    *,
    orders: Sequence[int] | None = None,
    nonnegative: bool = False,
    entries: bool = True,
    may_be_empty: bool = False,
    hidden_by: str = "",
) -> Array:
    """Return `x` as a finite, real NumPy array or torch tensor; lists become NumPy arrays.

    With `entries=False` the entries are not checked here; the caller does so later. Axes are empty only if it `may_be_empty`.
    `hidden_by` says how NaN may be hidden.

    Raises
    ------
    TypeError
        If `x` is not an array of numbers.
    ValueError
        If `x` is complex, its order is not in `orders`, it has an empty axis, or it has entries that are NaN, infinite or, with
        `nonnegative`, negative.
    """
    if scipy.sparse.issparse(x):
        raise TypeError(f"{name} must be a dense array here, got {_describe(x)}; use {name}.toarray()")
    if not is_torch(x):
        x = _as_numeric(x, name)
    elif x.is_sparse or x.layout != _strided():
        raise TypeError(f"{name} must be a dense tensor, got one of layout {x.layout}; use {name}.to_dense()")
    elif x.is_complex():
        raise ValueError(f"Complex data not supported: {name} must hold real numbers, got {x.dtype}")
    elif x.requires_grad and sys.modules["torch"].is_grad_enabled():
        raise TypeError(
            f"{name} requires a gradient, which would be lost here; use hntf.torch, or pass {name}.detach()"
        )
    check_order(x, name, orders, may_be_empty=may_be_empty)
    if entries and 0 not in x.shape:
        check_entries(x, name, nonnegative=nonnegative, hidden_by=hidden_by)
    return x


def _strided() -> Any:
    import torch

    return torch.strided


def _as_numeric(x: Any, name: str) -> np.ndarray:
    if x is None:
        raise TypeError(f"{name} must be an array of real numbers, got None")
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; pass its data, and the mask as mask=")
    try:
        array = np.asarray(x)
    except ValueError as error:
        raise TypeError(f"{name} must be an array of real numbers, got {_describe(x)} of uneven lengths") from error
    if array.dtype.kind == "O":
        try:
            # pandas returns columns of nullable types as objects, with NA for missing values.
            missing = np.array([type(entry).__name__ == "NAType" for entry in array.ravel()], dtype=bool)
            array = np.where(missing.reshape(array.shape), np.nan, array).astype(np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{name} must be an array of real numbers, got {_describe(x)} of objects: {error}"
            ) from error
    check_real_dtype(array.dtype, name)
    return array


def check_real_dtype(dtype: np.dtype, name: str) -> None:
    """Raise `ValueError` for complex dtypes, `TypeError` for others that are not real numbers."""
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} must hold real numbers, got dtype {dtype}")
    if dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {dtype}")


def check_sparse(x: Any, name: str, *, nonnegative: bool = False, hidden_by: str = "") -> Any:
    """Return the SciPy sparse `x` if it is a finite real matrix without empty axes; raise as `check_real_array` does."""
    check_real_dtype(x.dtype, name)
    check_order(x, name, (2,))
    if x.nnz:
        check_entries(x.tocoo().data, name, nonnegative=nonnegative, hidden_by=hidden_by)
    return x


def check_order(x: Any, name: str, orders: Sequence[int] | None = None, *, may_be_empty: bool = False) -> None:
    """Raise `ValueError` if the order of `x` is not in `orders`, or one of its axes is empty and may not be."""
    if orders is not None and x.ndim not in orders:
        allowed = " or ".join(str(order) for order in orders)
        raise ValueError(f"{name} must have order {allowed}, got order {x.ndim} with shape {tuple(x.shape)}")
    if x.ndim == 0:
        raise ValueError(f"{name} must be an array, got the single number {x}")
    if 0 in tuple(x.shape) and not may_be_empty:
        kind = "sample(s)" if x.shape[0] == 0 else "feature(s)"
        raise ValueError(
            f"{name} must have no empty axis: 0 {kind} (shape={tuple(x.shape)}) while a minimum of 1 is required."
        )


def check_entries(x: Array, name: str, *, nonnegative: bool = False, hidden_by: str = "") -> None:
    """Raise `ValueError` if the dense array `x` has entries that are NaN, infinite or, with `nonnegative`, negative."""
    low, high = float(x.min()), float(x.max())
    if np.isnan(low) or np.isnan(high):
        instead = f", or leave them out with {hidden_by}" if hidden_by else ""
        raise ValueError(f"{name} contains NaN; impute missing entries{instead}")
    if np.isinf(low) or np.isinf(high):
        raise ValueError(f"{name} contains infinite entries; all must be finite")
    if nonnegative and low < 0:
        raise ValueError(f"Negative values in data: {name} contains entries down to {low:g}; all must be at least 0")


def check_same_home(arrays: dict[str, Any]) -> None:
    """Raise `TypeError` or `ValueError` if the named arrays belong to different backends or devices."""
    homes = {name: x.device if is_torch(x) else "numpy" for name, x in arrays.items() if x is not None}
    if len({home == "numpy" for home in homes.values()}) > 1:
        kinds = ", ".join(f"{name} is {'NumPy' if home == 'numpy' else 'torch'}" for name, home in homes.items())
        raise TypeError(f"all arrays must belong to one backend: {kinds}")
    if len(set(map(str, homes.values()))) > 1:
        places = ", ".join(f"{name} is on {home}" for name, home in homes.items())
        raise ValueError(f"all arrays must be on one device: {places}")


def check_shape(x: Any, name: str, shape: tuple[int, ...], why: str) -> None:
    """Raise `ValueError` unless `x` has the given shape; `why` explains the shape in the message."""
    if tuple(x.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)} ({why}), got {tuple(x.shape)}")


def check_boolean(x: Any, name: str, shape: tuple[int, ...] | None = None, why: str = "") -> Array:
    """Return `x` as a boolean array, of the given shape if there is one; zeros and ones are accepted as well."""
    array = x if is_torch(x) else np.asarray(x)
    if shape is not None:
        check_shape(array, name, shape, why)
    if not str(array.dtype).endswith("bool") and not bool(((array == 0) | (array == 1)).all()):
        raise ValueError(f"{name} must hold only True and False (or 1 and 0)")
    return array


def checked_support(support: Any, name: str, shape: tuple[int, ...], why: str, **beside: Any) -> Array | None:
    """Return a support as booleans of the given shape, in the backend of the named arrays beside it; None remains None."""
    if support is None:
        return None
    support = check_boolean(support, name, shape, why)
    check_same_home({**beside, name: support})
    return as_bool(support)


def check_number(value: Any, name: str, *, low: float = 0.0, integer: bool = False, strict: bool = False) -> None:
    """Raise `TypeError` if `value` is not a real number (or integer), `ValueError` if it is not finite or below `low`."""
    kind = numbers.Integral if integer else numbers.Real
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} must be {'an integer' if integer else 'a real number'}, got {value!r}")
    if not low <= float(value) < math.inf or (strict and value == low):
        finite = "" if math.isfinite(value) else " and finite"
        raise ValueError(f"{name} must be {'greater than' if strict else 'at least'} {low:g}{finite}, got {value!r}")


def checked_file(path: Any, name: str) -> Path:
    """Return the path of a file, which need not exist; raise `ValueError` if it is none."""
    if not isinstance(path, str | Path) or not str(path) or Path(path).is_dir():
        raise ValueError(f"{name} must be the path of a file, got {path!r}")
    return Path(path).expanduser().absolute()


def check_flag(value: Any, name: str) -> bool:
    """Return a flag as a bool; raise `TypeError` unless it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def mode_index(mode: Any, order: int, *, name: str = "mode") -> int:
    """Return a mode of data of this order as an index from 0; raise `TypeError` or `ValueError` if it is out of range."""
    check_number(mode, name, low=-order, integer=True)
    if mode >= order:
        raise ValueError(f"{name} must be from {-order} to {order - 1}, got {mode}")
    return int(mode) % order


def level_index(level: Any, levels: int, *, name: str = "level") -> int:
    """Return a level as an index from 0; raise `ValueError` if it is none of so many levels."""
    if not isinstance(level, numbers.Integral) or isinstance(level, bool) or not -levels <= int(level) < levels:
        raise ValueError(f"{name} must be an integer from {-levels} to {levels - 1}, got {level!r}")
    return int(level) % levels


def check_choice(value: Any, name: str, choices: Sequence[str]) -> None:
    """Raise `ValueError` unless `value` is one of the named `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_ranks(n_components: Any, name: str = "n_components", *, may_grow: bool = False) -> tuple[int, ...]:
    """Return the ranks of the levels as a tuple of integers; a single integer is one level.

    Raises
    ------
    TypeError
        If a rank is not an integer.
    ValueError
        If there is no level, a rank is below 1, or (unless `may_grow`) a level has more components than the level below it.
    """
    ranks = (n_components,) if isinstance(n_components, numbers.Integral) else n_components
    if isinstance(ranks, str) or not isinstance(ranks, Sequence | np.ndarray):
        raise TypeError(f"{name} must be an integer or a tuple with one integer a level, got {n_components!r}")
    if len(ranks) == 0:
        raise ValueError(f"{name} must name at least one level, got {n_components!r}")
    for rank in ranks:
        check_number(rank, f"each rank in {name}", low=1, integer=True)
    if not may_grow and any(upper > lower for lower, upper in pairwise(ranks)):
        raise ValueError(f"{name} must not grow from one level to the next, got {n_components!r}")
    return tuple(int(rank) for rank in ranks)


def check_rank(n_components: Any, name: str = "n_components") -> int:
    """Return the rank of a method with one level, given as an integer or as a tuple with one integer.

    Raises
    ------
    TypeError
        If the rank is not an integer.
    ValueError
        If there is not exactly one level, or the rank is below 1.
    """
    ranks = check_ranks(n_components, name)
    if len(ranks) != 1:
        raise ValueError(f"{name} must be an integer, as the method has one level; got {n_components!r}")
    return ranks[0]


def as_random_state(seed: Any) -> np.random.RandomState:
    """Return the `RandomState` for a seed: None, an integer, a `RandomState`, or a `Generator`, whose stream it continues."""
    if isinstance(seed, np.random.Generator):
        return np.random.RandomState(seed.bit_generator)
    try:
        return check_random_state(seed)
    except ValueError as error:
        raise ValueError(
            f"random_state must be None, an integer from 0 to 2**32 - 1, a RandomState or a Generator, got {seed!r}"
        ) from error


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user's code that called into this package, however deep the call stack."""
    package = str(Path(__file__).parent)
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
