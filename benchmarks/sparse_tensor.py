"""Sparse tensors: a sweep of `NCPD` against reading the entries once a mode, against TensorLy, and how time grows.

    python benchmarks/sparse_tensor.py [--entries 10000000]

Coordinates are uniform, values exponential, rank 10. "Reading" sums the coordinates and the value of every entry in compiled code,
once a mode, on all cores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numba import njit, prange

import hntf
from hntf.data import Data
from hntf.fitting.updates.alternating import AlternatingCP

SHAPE = (100_000, 10_000, 1_000)
RANK = 10


@njit(parallel=True, cache=True)
def read(others: np.ndarray, values: np.ndarray) -> float:
    total = 0.0
    for e in prange(len(values)):
        total += values[e] * (others[e, 0] + others[e, 1])
    return total


def draw(entries: int, shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    rng = np.random.default_rng(0)
    return np.array([rng.integers(0, d, entries) for d in shape]), rng.exponential(size=entries), shape


def fastest(work: Callable[[], object], repeats: int = 15) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def sweep_of(data: Data) -> AlternatingCP:
    rng = np.random.default_rng(0)
    descent = AlternatingCP.from_features(data, [rng.random((d, RANK)) for d in data.shape[1:]])
    descent.step()
    return descent


def measure(entries: int) -> None:
    start = time.perf_counter()
    data = hntf.as_data(draw(entries))
    made = time.perf_counter() - start
    descent = sweep_of(data)
    groups = [data.coordinates.groups((mode,)) for mode in range(3)]  # type: ignore[attr-defined]
    read(groups[0].others, data.values)  # type: ignore[attr-defined]
    reading = fastest(lambda: [read(of_mode.others, data.values) for of_mode in groups])  # type: ignore[attr-defined]
    sweep = fastest(descent.step)
    products = fastest(lambda: [data.mttkrp(descent.factors, mode) for mode in range(3)])
    print(
        f"{data.n_entries:>10,} entries: sweep {sweep:.3f} s, of which MTTKRP {products:.3f}; reading {reading:.3f} s: "
        f"{sweep / reading:.1f} times; the data object took {made:.1f} s"
    )


def against_tensorly(entries: int = 100_000) -> None:
    import sparse
    import tensorly as tl
    from tensorly.contrib.sparse.cp_tensor import unfolding_dot_khatri_rao

    index, values, shape = draw(entries, (1000, 500, 200))
    data = hntf.as_data((index, values, shape))
    rng = np.random.default_rng(0)
    factors = [rng.random((d, RANK)) for d in shape]
    X = sparse.COO(index, values, shape=shape)
    tensors = [sparse.COO.from_numpy(U) for U in factors]
    weights = tl.tensor(np.ones(RANK))
    theirs = fastest(lambda: [unfolding_dot_khatri_rao(X, (weights, tensors), mode) for mode in range(3)], 3)
    ours = fastest(lambda: [data.mttkrp(factors, mode) for mode in range(3)])
    print(f"MTTKRP of {entries:,} entries in {shape}: TensorLy's sparse backend {theirs / ours:.0f} times our time")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=10_000_000)
    largest = parser.parse_args().entries
    for entries in (largest // 100, largest // 10, largest):
        measure(entries)
    against_tensorly()
