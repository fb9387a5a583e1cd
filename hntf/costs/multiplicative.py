"""Multiplicative updates: a factor times the ratio of the negative to the positive part of the gradient of a cost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any

from hntf.arrays import Array, backend_of


def multiplier(negative: Array, positive: Array) -> Array:
    """Return `negative/positive`, the factor of a multiplicative update; 0 where both are, so that nothing depends on the entry."""
    return negative / backend_of(negative).where(positive > 0, positive, 0 * positive + 1)


def multiplicative_update(
    terms: Sequence[Any], S: Array, factors: Sequence[Array], mode: int, l1: float, l2: float
) -> Array:
    """Return the code (mode 0) or the first factor (1) after a multiplicative update on the sum of several terms.

    References
    ----------
    Lee, Seung (2001), *Algorithms for non-negative matrix factorization*, NIPS.
    """
    U = S if mode == 0 else factors[0]
    parts = [term.split_gradient(S, A, mode) for term, A in zip(terms, factors, strict=True)]
    negative, positive = (reduce(add, side) for side in zip(*parts, strict=True))
    return U * multiplier(negative, positive + 0 * U + l1 + l2 * U)
