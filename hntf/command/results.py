"""Writes codes to files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas

from hntf.arrays import to_numpy


def write_codes(path: Path, codes: Any, columns: list[str], names: Any) -> None:
    """Write codes, one row a sample: .npy as an array, .csv, .tsv and .parquet as a table with names."""
    kind = path.suffix.lower()
    if kind == ".npy":
        np.save(path, to_numpy(codes))
        return
    frame = pandas.DataFrame(to_numpy(codes), columns=columns)
    frame.insert(0, "sample", range(len(frame)) if names is None else list(names))
    if kind == ".parquet":
        frame.to_parquet(path, index=False)
    elif kind in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")
    else:
        raise ValueError(f"codes are written to .csv, .tsv, .parquet or .npy, got {path}")
