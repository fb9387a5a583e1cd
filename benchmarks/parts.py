"""Samples in parts: memory and time of a fit of a file, two processes against one, and the overhead of many parts.

    python benchmarks/parts.py file [--gib 4]    # memory, and the time of a pass against reading and multiplying
    python benchmarks/parts.py overhead          # an evaluation in 100 parts against one part
    python benchmarks/parts.py workers           # two Dask workers against one, each on one core
    python benchmarks/parts.py ranks             # two ranks against one, each on one core

A pass is one evaluation of the loss of `NeuralNMF((20, 5))` with its gradient.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

FEATURES = 1024
RANKS = (20, 5)


def write(path: Path, gib: float) -> None:
    """Write data of low rank with noise in float64."""
    rng = np.random.default_rng(0)
    n = int(gib * 2**30 / 8 / FEATURES)
    H = rng.exponential(size=(RANKS[0], FEATURES))
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float64, shape=(n, FEATURES))
    for start in range(0, n, 2**14):
        rows = min(2**14, n - start)
        W = rng.exponential(size=(rows, RANKS[0])) * (rng.random((rows, RANKS[0])) < 0.3)
        out[start : start + rows] = W @ H + 0.1 * rng.random((rows, FEATURES))
    out.flush()


def objective_of(X: object) -> object:
    """Return the loss of a model over the samples, at a start."""
    from hntf.costs import Energy
    from hntf.estimators.inputs import as_input
    from hntf.fitting.initializers.levels import levels
    from hntf.fitting.objective import Objective
    from hntf.models.stack import dense_hierarchy

    parts = as_input(X, None, None, nonnegative=True, together=True).parts
    sample = parts.sample(5000, np.random.RandomState(0))
    return Objective(Energy(), dense_hierarchy(levels(sample, RANKS, np.random.RandomState(0))), parts)


def seconds_a_pass(objective: object, repeats: int = 3) -> float:
    x = objective.start  # type: ignore[attr-defined]
    objective(x)  # type: ignore[operator]
    times = []
    for i in range(repeats):
        start = time.perf_counter()
        objective(x * (1 + 0.001 * i))  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return min(times)


def reading_and_multiplying(path: Path) -> float:
    """Return the seconds for reading a file in blocks, and for the two products of an evaluation with each."""
    from hntf.fitting.parts.sources import NpyFile
    from hntf.threads import matmul

    A = np.random.default_rng(0).random((FEATURES, RANKS[0]))
    start = time.perf_counter()
    for block in NpyFile.of_path(path):
        C = matmul(block, A)
        matmul(block.T, C)
    return time.perf_counter() - start


def measure_file(path: Path) -> None:
    """Print the time of a pass and the largest memory of this process, which has fitted the file."""
    import hntf

    warnings.simplefilter("ignore")
    size = path.stat().st_size / 2**30
    baseline = min(reading_and_multiplying(path) for _ in range(2))
    a_pass = seconds_a_pass(objective_of(path))
    start = time.perf_counter()
    model = hntf.NeuralNMF(RANKS, max_iter=3, random_state=0).fit(path)
    fitted = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{size:.2f} GiB: a pass {a_pass:.2f} s, {a_pass / baseline:.2f} times reading and multiplying ({baseline:.2f} s); "
        f"a fit of {model.n_iter_} iterations {fitted:.1f} s; largest memory {memory:.2f} GiB"
    )


def file(gib: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for size in (gib / 4, gib):
            path = Path(folder) / f"{size}.npy"
            # In a process of its own: the largest memory of a process counts for its children, too.
            subprocess.run([sys.executable, __file__, "write", "--path", str(path), "--gib", str(size)], check=True)
            subprocess.run([sys.executable, __file__, "measure", "--path", str(path)], check=True)
            path.unlink()


def overhead() -> None:
    rng = np.random.default_rng(0)
    X = rng.random((20_000, 200))
    blocks = np.array_split(X, 100)
    one, many = (seconds_a_pass(objective_of(given), 10) for given in (X, blocks))
    print(f"blocks in turn: {1e3 * (many - one):.1f} ms in 100 parts over {1e3 * one:.1f} ms in memory")
    import dask.array

    with_dask = seconds_a_pass(objective_of(dask.array.from_array(X, chunks=(200, -1))), 10)
    print(f"Dask, threads: {1e3 * (with_dask - one):.1f} ms in 100 parts over {1e3 * one:.1f} ms in memory")


def on_one_core() -> None:
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")


def samples(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.exponential(size=(n, RANKS[0])) @ rng.exponential(size=(RANKS[0], FEATURES)) + rng.random((n, FEATURES))


def workers() -> None:
    import dask.array
    from distributed import Client, LocalCluster

    X, times = samples(60_000), []
    for n_workers in (1, 2):
        with (
            LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            addresses = list(client.scheduler_info()["workers"])
            for i, address in enumerate(addresses):
                client.run(to_one_core, i, workers=[address])
            given = dask.array.from_array(X, chunks=(7_500, -1)).persist()
            times.append(seconds_a_pass(objective_of(given)))
    print(f"Dask: one worker {times[0]:.2f} s a pass, two workers {times[1]:.2f} s: {times[0] / times[1]:.2f} times")


def to_one_core(worker: int) -> None:
    """Hold this process to one core, another one in each worker."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[worker % len(cores)]})


def rank() -> None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[dist.get_rank() % len(cores)]})
    X = np.array_split(samples(60_000), dist.get_world_size())[dist.get_rank()]
    taken = seconds_a_pass(objective_of(np.ascontiguousarray(X)))
    if dist.get_rank() == 0:
        print(f"{dist.get_world_size()} ranks: {taken:.3f} s a pass", flush=True)
    dist.destroy_process_group()


def ranks() -> None:
    on_one_core()
    for n in (1, 2):
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={n}", __file__, "rank"]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["file", "write", "measure", "overhead", "workers", "ranks", "rank"])
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--path", type=Path)
    options = parser.parse_args()
    if options.what == "file":
        file(options.gib)
    elif options.what == "write":
        write(options.path, options.gib)
    elif options.what == "measure":
        measure_file(options.path)
    else:
        {"overhead": overhead, "workers": workers, "ranks": ranks, "rank": rank}[options.what]()
