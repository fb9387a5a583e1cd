"""Hashes of coordinates, and those of the weights of every slice of a mode, which tell slices that are equal, or proportional.

The hash of a slice is the sum of hashes of all entries that are not zero, by their place and all their digits, so that no entry
hides another one, however large it is; sums of blocks and parts are those of the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.threads import over_rows

DROPPED_BITS = 20
"""Number of the last binary digits of a weight that are rounded away where a factor may have changed them."""


def hash_states(seed: int, index: Any) -> np.ndarray:
    """Return the state of the hash for every tuple of coordinates, by the finalizer of SplitMix64."""
    state = np.array(seed, np.uint64)
    with np.errstate(over="ignore"):
        for coordinates in index:
            state = state + np.asarray(coordinates).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def hashes_of_rows(values: np.ndarray, places: np.ndarray, factors: np.ndarray | None) -> np.ndarray:
    """Return the hashes of the rows of `values`, or of those divided by `factors`; `places` are the states of the columns."""
    from hntf.data.compiled import hash_rows

    bits, hashes = _bits(values, None if factors is None else factors[:, None]), np.zeros(len(values), np.uint64)
    over_rows(lambda first, last: hash_rows(bits, places, hashes, first, last), len(bits), 4 * bits.shape[1])
    return hashes


def hashes_of_entries(
    values: np.ndarray, places: np.ndarray, bounds: np.ndarray, factors: np.ndarray | None
) -> np.ndarray:
    """Return the hashes of the rows whose entries lie between `bounds`, in order; `places` are the states of their columns."""
    from hntf.data.compiled import hash_entries

    of_entry = None if factors is None else np.repeat(factors, np.diff(bounds))
    bits, hashes = _bits(values, of_entry), np.zeros(len(bounds) - 1, np.uint64)
    work = 4 * len(bits) // max(1, len(hashes))
    over_rows(lambda first, last: hash_entries(bits, places, bounds, hashes, first, last), len(hashes), work)
    return hashes


def hashes_of_sums(
    low_rank: np.ndarray, values: np.ndarray, places: np.ndarray, bounds: np.ndarray, factors: np.ndarray | None
) -> np.ndarray:
    """Return the hashes of slices that are given by a row of a factor and entries; both are compared, since their sum may cancel.

    `values`, `places` and `bounds` are those of `hashes_of_entries`.
    """
    components = hash_states(0, (np.arange(low_rank.shape[1]),))
    return hashes_of_rows(low_rank, components, factors) + hashes_of_entries(values, places, bounds, factors)


def _bits(values: np.ndarray, factors: np.ndarray | None) -> np.ndarray:
    """Return the digits of numbers as integers, of those divided by factors without the last ones."""
    if factors is None:
        return np.ascontiguousarray(values, np.float64).view(np.uint64)
    bits = np.ascontiguousarray(values / factors).view(np.uint64)
    bits += np.uint64(2 ** (DROPPED_BITS - 1))
    bits >>= np.uint64(DROPPED_BITS)
    return bits
