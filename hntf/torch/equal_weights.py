"""Samples with the same weights, which are one problem with one Gram matrix: where hidden entries are few, most samples are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from hntf.arrays import host_view, row_digests
from hntf.least_squares.gram_blocks import FEWEST_EQUAL, EqualRows
from hntf.torch.scaling import is_concrete


def equal_samples(weights: Tensor) -> EqualRows | None:
    """Return which rows of weights `(n, m)` are equal, None if they are differentiated or cannot be read, or too few are equal."""
    if len(weights) < FEWEST_EQUAL or weights.requires_grad or not is_concrete(weights):
        return None
    if forward_ad.unpack_dual(weights).tangent is not None:
        return None
    host = host_view(weights)
    if host is None:
        return None
    found = EqualRows.of_keys(row_digests(host)[:, None])
    return found if found.groups else None


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
