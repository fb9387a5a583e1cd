"""Writes codes to files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from hntf.arrays import to_numpy

KINDS = (".csv", ".tsv", ".parquet", ".npy")
"""The kinds of files to which codes are written."""


def check_codes_path(path: Path | None) -> None:
    """Raise `ValueError` if codes cannot be written to a path."""
    if path is not None and path.suffix.lower() not in KINDS:
        raise ValueError(f"codes are written to {', '.join(KINDS)}, got {path}")
    if path is not None and not path.expanduser().parent.is_dir():
        raise ValueError(f"{path} is not in a folder that exists")


def write_codes(path: Path | None, codes: Any, columns: list[str], names: Any) -> None:
    """Write codes, one row a sample, as an array or a table with names; without a path, print a table."""
    kind = ".csv" if path is None else path.suffix.lower()
    if path is not None and kind == ".npy":
        np.save(path, to_numpy(codes))
        return
    frame = pandas.DataFrame(to_numpy(codes), columns=columns)
    frame.insert(0, "sample", range(len(frame)) if names is None else list(names))
    if kind == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        shown: dict[str, Any] = {} if path is not None else {"float_format": "%.6g"}
        frame.to_csv(sys.stdout if path is None else path, index=False, sep="\t" if kind == ".tsv" else ",", **shown)
