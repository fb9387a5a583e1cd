"""Checkpoints: the state of a running fit in one file, from which the same fit goes on after it was cut off.

A fit draws its starts again, from the generator of random numbers that the checkpoint holds, and then takes over the state of every
descent. The file is a safetensors file whose metadata hold the rest as JSON; it is replaced as a whole, so that at any moment there
is a complete one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hntf.arrays import from_numpy, is_torch, to_numpy
from hntf.storage import REFUSED, is_array, packed, replace_file, unpacked

FORMAT = 1
GENERATORS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)
}
"""The generators of random numbers whose state a checkpoint holds."""

LARGEST = 1e150
"""Number from which squares overflow; data are fitted in moderate units."""

OF_DATA = ("norm_squared", "sums")
"""Entries of a signature that are sums over the data."""

AGREES = 1e-12
"""Relative difference of numbers of two data sets below which they are the same up to the order of sums."""


class Checkpoint:
    """The state of a fit in a file.

    Parameters
    ----------
    path : str or Path
        The file.
    every : int
        Number of iterations after which it is written.
    signature : dict
        What the fit is: the estimator with its parameters, and numbers of the data. A file with another signature is refused.
    content : bytes or None
        The content of the file, None if there is none.
    writes : bool
        Whether this process writes.

    Raises
    ------
    ValueError
        If the file is not a whole checkpoint, or belongs to another fit; it is left as it is.
    """

    def __init__(
        self, path: Any, every: int, signature: dict[str, Any], content: bytes | None, *, writes: bool = True
    ) -> None:
        self.path = Path(path)
        self.every = every
        self.writes = writes
        self._state: dict[str, Any] = {"signature": signature, "generator": None, "stages": []}
        self._next = 0
        if content is not None:
            self._state = self._read(content, signature)

    def _read(self, content: bytes, signature: dict[str, Any]) -> dict[str, Any]:
        try:
            state = unpacked(content, FORMAT)
            known, stages = state["signature"], state["stages"]
            well_formed = isinstance(stages, list) and all(isinstance(stage["runs"], list) for stage in stages)
            well_formed = well_formed and all("final" in stage for stage in stages) and "generator" in state
        except REFUSED as error:
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}: {error}") from error
        if not well_formed or not isinstance(known, dict):
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}, which is none")
        for name, value in signature.items():
            if not _agree(known.get(name), value):
                raise ValueError(
                    f"checkpoint must belong to this fit, but {self.path} has {_difference(name, known.get(name), value)}; "
                    "give another path, or remove the file to begin anew"
                )
        return state

    def generator(self, random_state: np.random.RandomState) -> np.random.RandomState:
        """Return the generator as it was when the fit began."""
        saved = self._state["generator"]
        if saved is None:
            self._state["generator"] = random_state.get_state(legacy=False)
            return random_state
        try:
            generator = np.random.RandomState(GENERATORS[saved["bit_generator"]]())
            generator.set_state(saved)
        except REFUSED as error:
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}: {error}") from error
        return generator

    def stage(self) -> Stage:
        """Return the state of the next stage of the fit."""
        stages = self._state["stages"]
        if self._next == len(stages):
            stages.append({"runs": [], "final": None})
        self._next += 1
        return Stage(self, stages, self._next - 1)

    def save(self) -> None:
        """Replace the file."""
        if not self.writes:
            return
        replace_file(self.path, packed(self._state, FORMAT))


class Stage:
    """The states of the runs of one stage of a fit: those of its starts, and that of the best one where it is continued."""

    def __init__(self, checkpoint: Checkpoint, stages: list[dict[str, Any]], index: int) -> None:
        self._checkpoint = checkpoint
        self._stages, self._index = stages, index
        self._state = stages[index]

    @property
    def every(self) -> int:
        """Number of iterations after which the checkpoint is written."""
        return self._checkpoint.every

    def of_run(self, index: int | None) -> Any:
        """Return the state of a start, or of the continued run for None; None if it was not reached."""
        if index is None:
            return self._state["final"]
        return self._state["runs"][index] if index < len(self._state["runs"]) else None

    def keep(self, index: int | None, state: dict[str, Any]) -> None:
        """Write the state of a run; where it has gone on, what came after it in the fit no longer holds and is dropped."""
        before = self.of_run(index)
        if before is None or before["n_iter"] != state["n_iter"]:
            del self._stages[self._index + 1 :]
            if index is not None:
                del self._state["runs"][index + 1 :]
                self._state["final"] = None
        if index is None:
            self._state["final"] = state
        else:
            self._state["runs"][index : index + 1] = [state]
        self._checkpoint.save()


def take_over(holder: Any, names: Sequence[str], state: Any, *, nonnegative: Sequence[str] = ()) -> None:
    """Set attributes to those of a saved state, in the kind and shape that they have; some of them have no negative entries."""
    for name in names:
        try:
            taken = _like(state[name], getattr(holder, name))
            if name in nonnegative:
                _check_nonnegative(taken)
        except REFUSED as error:
            raise ValueError(f"checkpoint must hold the state of this fit, but not of its {name}: {error!r}") from error
        setattr(holder, name, taken)


def _check_nonnegative(x: Any) -> None:
    for each in x if isinstance(x, list | tuple) else [x]:
        if is_array(each) and 0 not in each.shape and float(each.min()) < 0:
            raise ValueError(f"it has a negative entry, {float(each.min()):g}")


def attributes(holder: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the state in these attributes."""
    return {name: getattr(holder, name) for name in names}


def _like(saved: Any, current: Any) -> Any:
    """Return a saved value in the kind of the current one."""
    if is_torch(current) or isinstance(current, np.ndarray):
        if not isinstance(saved, np.ndarray) or saved.shape != tuple(current.shape):
            raise ValueError(f"it has shape {np.shape(saved)}, not {tuple(current.shape)}")
        expected = to_numpy(current).dtype
        if saved.dtype.kind != expected.kind or (saved.dtype.kind == "f" and saved.dtype != expected):
            raise ValueError(f"it is of type {saved.dtype}, not {current.dtype}")
        if saved.dtype.kind == "f" and not (np.abs(saved) < LARGEST).all():
            raise ValueError("it is not finite, or too large")
        return from_numpy(np.array(saved), current)
    if isinstance(current, tuple):
        return type(current)(*(_like(a, b) for a, b in zip(saved, current, strict=True)))
    if isinstance(current, list):
        if not isinstance(saved, list):
            raise ValueError(f"it is {saved!r}, not a list")
        if current and is_array(current[0]):
            return [_like(a, b) for a, b in zip(saved, current, strict=True)]
        if (current and not saved) or not all(isinstance(x, int | float) and math.isfinite(x) for x in saved):
            raise ValueError("it is empty, or its entries are no finite numbers")
        return saved
    if isinstance(current, float) and not isinstance(saved, int | float):
        raise ValueError(f"it is {saved!r}, not a number")
    if isinstance(current, int) and type(saved) is not type(current):
        raise ValueError(f"it is {saved!r}, not of type {type(current).__name__}")
    if isinstance(current, int) and saved < 0:
        raise ValueError(f"it is {saved}, below 0")
    return saved


def described(x: Any) -> Any:
    """Return what tells parameters apart, as nested lists and texts: arrays, and the factors of fitted estimators, by a digest."""
    if hasattr(x, "factors_"):
        x = [type(x).__name__, x.factors_]
    if is_array(x):
        array = np.ascontiguousarray(to_numpy(x))
        return [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    if hasattr(x, "factors") and not isinstance(x, type):
        x = [type(x).__name__, getattr(x, "weights", getattr(x, "core", None)), list(x.factors)]
    if isinstance(x, dict):
        return [[key, described(value)] for key, value in x.items()]
    return [described(item) for item in x] if isinstance(x, list | tuple) else repr(x)


def _difference(name: str, known: Any, value: Any) -> str:
    """Return in words where an entry of a signature differs: of parameters, which ones."""
    if name in OF_DATA:
        return "other data, labels, mask or weights"
    if name != "parameters" or not _are_parameters(known) or [key for key, _ in known] != [key for key, _ in value]:
        return f"{name} {known!r}, not {value!r}"
    pairs = [(key, a, b) for (key, a), (_, b) in zip(known, value, strict=True) if not _agree(a, b)]
    return "other parameters: " + ", ".join(f"{key}={a}, not {b}" for key, a, b in pairs)


def _are_parameters(x: Any) -> bool:
    """Return whether a stored value is a list of names of parameters with their values."""
    return isinstance(x, list) and all(
        isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in x
    )


def _agree(a: Any, b: Any) -> bool:
    """Return whether two values of a signature are the same, numbers up to rounding."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= AGREES * max(abs(a), abs(b))
    if is_array(a) or is_array(b):
        return False
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_agree, a, b))
    return a == b
