"""Nested state in one safetensors file: arrays, and everything else as JSON in the metadata; nothing in it can be executed.

A file is replaced as a whole, so that at any moment there is a complete one.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from hntf.arrays import is_torch, to_numpy

METADATA = "hntf"
"""The entry of the metadata that holds the JSON."""

REFUSED = (
    safetensors.SafetensorError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""What a file that does not hold what it should raises."""


def is_array(x: Any) -> bool:
    """Return whether `x` is an array of NumPy or a tensor of torch."""
    return is_torch(x) or isinstance(x, np.ndarray)


def packed(state: Any, format: int) -> bytes:
    """Return the content of a file with a state: nested lists, tuples and dictionaries of arrays, texts, numbers and None."""
    arrays: dict[str, np.ndarray] = {}

    def plain(x: Any) -> Any:
        if is_array(x):
            array = to_numpy(x)
            if array.dtype.kind in "OUS":
                return {"texts": _plain_labels(array), "dtype": "object" if array.dtype.kind == "O" else "str"}
            name = f"array{len(arrays)}"
            arrays[name] = np.ascontiguousarray(array)
            return {"array": name}
        if isinstance(x, dict):
            return {"items": {key: plain(value) for key, value in x.items()}}
        if isinstance(x, tuple):
            return {"tuple": [plain(item) for item in x]}
        if isinstance(x, list):
            return [plain(item) for item in x]
        return x.item() if isinstance(x, np.generic) else x

    tree = plain(state)
    text = json.dumps({"format": format, "digest": digest(tree, arrays), "state": tree})
    return safetensors.numpy.save(arrays, metadata={METADATA: text})


def digest(tree: Any, arrays: dict[str, np.ndarray]) -> str:
    """Return a digest of a state by which a file that was damaged is known."""
    hashed = hashlib.sha256(json.dumps(tree).encode())
    for name in sorted(arrays):
        hashed.update(np.ascontiguousarray(arrays[name]).data)
    return hashed.hexdigest()


def unpacked(content: bytes, format: int, *, signed: bool = True) -> Any:
    """Return the state in the content of a file; one of `REFUSED` is raised where it holds none of this format.

    `signed` says that there must be a digest; otherwise it is compared if there is one.
    """
    arrays = safetensors.numpy.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tree = json.loads(header["__metadata__"][METADATA])
    if tree["format"] != format:
        raise ValueError(f"its format is {tree['format']!r}, not {format}")
    if (signed or "digest" in tree) and tree["digest"] != digest(tree["state"], arrays):
        raise ValueError("it is damaged: its numbers are not those that were written")

    def full(x: Any) -> Any:
        if isinstance(x, dict):
            if "texts" in x:
                return _texts(x["texts"], x["dtype"])
            if "tuple" in x:
                return tuple(map(full, x["tuple"]))
            return arrays[x["array"]] if "array" in x else {key: full(value) for key, value in x["items"].items()}
        return [full(item) for item in x] if isinstance(x, list) else x

    return full(tree["state"])


def _plain_labels(array: np.ndarray) -> list[Any]:
    """Return names or labels as JSON keeps them; raise `TypeError` for those of a type that it does not know."""
    labels = [label.item() if isinstance(label, np.generic) else label for label in array.tolist()]
    for label in labels:
        if label is not None and not isinstance(label, str | bool | int | float):
            raise TypeError(f"labels and names of type {type(label).__name__} cannot be stored; use texts or numbers")
    return labels


def _texts(texts: Any, dtype: str) -> np.ndarray:
    if not isinstance(texts, list) or not all(text is None or isinstance(text, str | int | float) for text in texts):
        raise ValueError("its texts are no list of texts and numbers")
    return np.array(texts, dtype=object if dtype == "object" else str)


def write(path: str | Path, state: Any, format: int) -> None:
    """Write a file with a state, in place of one that is there; raise if the path is not that of a file in a folder that exists."""
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"path must be the path of a file, got the folder {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must be in a folder that exists, got {path}")
    replace_file(path, packed(state, format))


LONGEST_WRITE = 60.0
"""Seconds after which a file that is still partial was left by a process that was killed."""


def read_if_there(path: Path) -> bytes | None:
    """Return the content of a file, None if there is none; remove what killed processes have left beside it."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.partial"):
        if time.time() - partial.stat().st_mtime > LONGEST_WRITE:
            partial.unlink(missing_ok=True)
    return path.read_bytes() if path.exists() else None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole: the old one stays until the new one is complete on the disk."""
    # Another process may write the same file.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
