"""Samples with the same weights, which are one problem with one Gram matrix: where hidden entries are few, most samples are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from hntf.arrays import host_view
from hntf.least_squares.gram_blocks import EqualRows
from hntf.torch.reading import is_concrete
from hntf.torch.scaling import exponents_of_seen

FEWEST_TOGETHER = 512
"""Number of samples from which a problem of their own costs less than a Gram matrix for each."""


def equal_samples(X: Tensor, weights: Tensor) -> tuple[list[np.ndarray], np.ndarray] | None:
    """Return which rows of weights `(n, m)` are equal, by groups, and all others.

    None if too few are equal, if the weights are differentiated or cannot be read, or if the products of their roots with the
    samples could leave the range of numbers.
    """
    if not is_concrete(weights) or torch.jit.is_tracing() or len(weights) < FEWEST_TOGETHER:
        return None
    if weights.requires_grad or forward_ad.unpack_dual(weights).tangent is not None:
        return None
    host = host_view(weights)
    if host is None or exponents_of_seen(X, weights) != (None, None):
        return None
    _, groups, others = EqualRows.of_rows(host)
    large = [rows for rows in groups if len(rows) >= FEWEST_TOGETHER]
    few = [rows for rows in groups if len(rows) < FEWEST_TOGETHER]
    return (large, np.sort(np.concatenate([others, *few]))) if large else None


def rows_of(x: object, rows: np.ndarray, n: int) -> object:
    """Return the rows of what has one for every sample, and anything else unchanged."""
    return x[torch.from_numpy(rows)] if isinstance(x, Tensor) and x.ndim == 2 and len(x) == n else x


def weighted(x: Tensor, weights: Tensor) -> Tensor:
    """Return samples, or a dictionary as its transpose, times the roots of weights `(m,)`; hidden entries may be anything."""
    seen = x.where(weights > 0, 0.0)
    return seen if bool(((weights == 0) | (weights == 1)).all()) else seen * weights.sqrt()


def in_order(parts: list[Tensor], rows: list[np.ndarray]) -> Tensor:
    """Return parts of the samples as one tensor, in the order of the samples."""
    return torch.cat(parts)[torch.from_numpy(np.argsort(np.concatenate(rows)))]
