"""Blocks of samples as they are stored, dense or sparse, matrices or tensors: cut, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import odd_numbers, row_digests
from hntf.data.sparse_arrays import is_sparse_tensor


def rows_between(rows: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Return those of some rows that lie in a block, counted from its first one."""
    return rows[(rows >= start) & (rows < stop)] - start


def rows_of(block: Any, rows: np.ndarray) -> Any:
    """Return some samples of a block."""
    return scipy.sparse.csr_array(block)[rows] if scipy.sparse.issparse(block) else block[rows]


def digest_of(block: Any) -> bytes:
    """Return a digest of the entries of a block and of the order of its samples."""
    if scipy.sparse.issparse(block):
        matrix = scipy.sparse.csr_array(block)
        return b"".join(_digest(x[:, None]) for x in (matrix.data, matrix.indices, matrix.indptr))
    if is_sparse_tensor(block):
        return b"".join(_digest(x[:, None]) for x in (block.data, *block.coords))
    return _digest(block.reshape(len(block), -1))


def _digest(rows: np.ndarray) -> bytes:
    return np.asarray(odd_numbers(len(rows), seed=1) @ row_digests(rows)).tobytes()


def joined(blocks: Sequence[Any]) -> Any:
    """Return blocks as one."""
    if any(map(scipy.sparse.issparse, blocks)):
        return scipy.sparse.vstack([scipy.sparse.csr_array(block) for block in blocks], format="csr")
    return np.concatenate(blocks)
