"""Blocks of samples as they are stored, dense or sparse: cut, and joined."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse


def rows_between(rows: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return those of some rows that lie in a block, counted from its first one."""
    return rows[(rows >= start) & (rows < stop)] - start


def rows_of(block: Any, rows: np.ndarray) -> Any:
    """Return some samples of a block."""
    return scipy.sparse.csr_array(block)[rows] if scipy.sparse.issparse(block) else block[rows]


def ends_of(block: Any) -> bytes:
    """Return a digest of the first and the last sample of a block."""
    ends = rows_of(block, np.array([0, -1]))
    arrays = (ends.indices, ends.data) if scipy.sparse.issparse(ends) else (ends,)
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def joined(blocks: Sequence[Any]) -> Any:
    """Return blocks as one."""
    if any(map(scipy.sparse.issparse, blocks)):
        return scipy.sparse.vstack([scipy.sparse.csr_array(block) for block in blocks], format="csr")
    return np.concatenate(blocks)
