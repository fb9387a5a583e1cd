"""Checkpoints: the state of a running fit in one file, from which the same fit goes on after it was cut off.

A fit draws its starts again, from the generator of random numbers that the checkpoint holds, and then takes over the state of every
descent. The file is a safetensors file whose metadata hold the rest as JSON; it is replaced as a whole, so that at any moment there
is a complete one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from hntf.arrays import from_numpy, is_torch, to_numpy

FORMAT = 1
METADATA = "hntf"

AGREES = 1e-8
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
            state = _decoded(content)
            known, stages = state["signature"], state["stages"]
            well_formed = isinstance(stages, list) and all(isinstance(stage, dict) for stage in stages)
        except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}: {error}") from error
        if not well_formed or not isinstance(known, dict):
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}, which is none")
        for name, value in signature.items():
            if not _agree(known.get(name), value):
                raise ValueError(
                    f"checkpoint must belong to this fit, but {self.path} has {name} {known.get(name)!r}, not {value!r}; "
                    "give another path, or remove the file to begin anew"
                )
        return state

    def generator(self, random_state: np.random.RandomState) -> np.random.RandomState:
        """Return the generator as it was when the fit began."""
        saved = self._state["generator"]
        if saved is None:
            name, keys, *rest = random_state.get_state()
            self._state["generator"] = [name, keys, *rest]
            return random_state
        generator = np.random.RandomState()
        try:
            generator.set_state(tuple(saved))
        except (TypeError, ValueError, LookupError) as error:
            raise ValueError(f"checkpoint must be a whole checkpoint of hntf, got {self.path}: {error}") from error
        return generator

    def stage(self) -> Stage:
        """Return the state of the next stage of the fit."""
        stages = self._state["stages"]
        if self._next == len(stages):
            stages.append({"runs": [], "final": None})
        self._next += 1
        return Stage(self, stages[self._next - 1])

    def save(self) -> None:
        """Replace the file."""
        if not self.writes:
            return
        content = _encoded(self._state)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.partial")
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)


class Stage:
    """The states of the runs of one stage of a fit: those of its starts, and that of the best one where it is continued."""

    def __init__(self, checkpoint: Checkpoint, state: dict[str, Any]) -> None:
        self._checkpoint = checkpoint
        self._state = state

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
        """Write the state of a run."""
        if index is None:
            self._state["final"] = state
        else:
            self._state["runs"][index:] = [state]
        self._checkpoint.save()


def take_over(holder: Any, names: Sequence[str], state: Any) -> None:
    """Set attributes to those of a saved state, in the kind and shape that they have."""
    for name in names:
        try:
            setattr(holder, name, _like(state[name], getattr(holder, name)))
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"checkpoint must hold the state of this fit, but its {name} is missing") from error
        except ValueError as error:
            raise ValueError(f"checkpoint must hold the state of this fit, but not of its {name}: {error}") from error


def kept(holder: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return the state in these attributes."""
    return {name: getattr(holder, name) for name in names}


def _like(saved: Any, current: Any) -> Any:
    """Return a saved value in the kind of the current one."""
    if is_torch(current) or isinstance(current, np.ndarray):
        if not isinstance(saved, np.ndarray) or saved.shape != tuple(current.shape):
            raise ValueError(f"it has shape {np.shape(saved)}, not {tuple(current.shape)}")
        if saved.dtype.kind == "f" and not np.isfinite(saved).all():
            raise ValueError("it is not finite")
        return from_numpy(np.array(saved), current)
    if isinstance(current, tuple):
        return type(current)(*(_like(a, b) for a, b in zip(saved, current, strict=True)))
    if isinstance(current, list):
        if not isinstance(saved, list):
            raise ValueError(f"it is {saved!r}, not a list")
        of_arrays = bool(current) and _is_array(current[0])
        return [_like(a, b) for a, b in zip(saved, current, strict=True)] if of_arrays else saved
    if isinstance(current, float) and not isinstance(saved, int | float):
        raise ValueError(f"it is {saved!r}, not a number")
    if isinstance(current, int) and type(saved) is not type(current):
        raise ValueError(f"it is {saved!r}, not of type {type(current).__name__}")
    return saved


def _is_array(x: Any) -> bool:
    return is_torch(x) or isinstance(x, np.ndarray)


def _agree(a: Any, b: Any) -> bool:
    """Return whether two values of a signature are the same, numbers up to rounding."""
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= AGREES * max(abs(a), abs(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_agree, a, b))
    return a == b


def _encoded(state: dict[str, Any]) -> bytes:
    arrays: dict[str, np.ndarray] = {}

    def plain(x: Any) -> Any:
        if _is_array(x):
            name = f"array{len(arrays)}"
            arrays[name] = np.ascontiguousarray(to_numpy(x))
            return {"array": name}
        if isinstance(x, dict):
            return {"items": {key: plain(value) for key, value in x.items()}}
        if isinstance(x, list | tuple):
            return [plain(item) for item in x]
        return x.item() if isinstance(x, np.generic) else x

    text = json.dumps({"format": FORMAT, "state": plain(state)})
    return safetensors.numpy.save(arrays, metadata={METADATA: text})


def _decoded(content: bytes) -> dict[str, Any]:
    arrays = safetensors.numpy.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tree = json.loads(header["__metadata__"][METADATA])
    if tree["format"] != FORMAT:
        raise ValueError(f"its format is {tree['format']!r}, not {FORMAT}")

    def full(x: Any) -> Any:
        if isinstance(x, dict):
            return arrays[x["array"]] if "array" in x else {key: full(value) for key, value in x["items"].items()}
        return [full(item) for item in x] if isinstance(x, list) else x

    return full(tree["state"])
