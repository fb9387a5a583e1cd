"""Samples on a cluster: a Dask array whose chunks are made on two workers, and never come together.

Run it with `python examples/dask_cluster.py`. The two workers are processes of this machine; for a real cluster give the address
of its scheduler, `Client("tcp://…:8786")`, and data that the workers can read, for example `dask.array.from_zarr(…)`. The cluster
requires `pip install "hntf[parts]"`.
"""

from __future__ import annotations

import time

import dask.array
import numpy as np
from distributed import Client, LocalCluster

import hntf

N_CHUNKS, CHUNK = 8, 2_500
N_TOPICS, N_GROUPS, WORDS = 12, 4, 20
"""Every topic has words of its own, and belongs to one of the groups."""


def chunk(number: int) -> np.ndarray:
    """Return samples that mix the topics of one group, in words of which each topic has some of its own."""
    topics = np.kron(np.eye(N_TOPICS), np.ones(WORDS)) * np.random.default_rng(0).exponential(size=N_TOPICS * WORDS)
    rng = np.random.default_rng([1, number])
    of_group = np.kron(np.eye(N_GROUPS), np.ones(N_TOPICS // N_GROUPS))
    mixtures = of_group[rng.integers(N_GROUPS, size=CHUNK)] * rng.exponential(size=(CHUNK, N_TOPICS))
    return mixtures @ topics + 0.05 * rng.random((CHUNK, N_TOPICS * WORDS))


def data() -> dask.array.Array:
    """Return the samples of all chunks, none of which is made yet."""
    made = [dask.delayed(chunk)(number) for number in range(N_CHUNKS)]
    shape = (CHUNK, N_TOPICS * WORDS)
    return dask.array.concatenate([dask.array.from_delayed(each, shape, dtype=np.float64) for each in made])


def main() -> None:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        # The chunks stay on the workers, so that they are made once and not in every pass.
        X = data().persist()
        print(f"{X.shape[0]} samples with {X.shape[1]} features in {X.numblocks[0]} chunks on two workers")
        start = time.perf_counter()
        model = hntf.NeuralNMF((N_TOPICS, N_GROUPS), random_state=0).fit(X)
        print(f"fitted in {time.perf_counter() - start:.1f} s, {model.n_iter_} iterations\n")
        print(f"{model.tree([f'word{i // WORDS}.{i % WORDS}' for i in range(X.shape[1])], n_words=3)}\n")
        for rank, error in zip(model.n_components, model.reconstruction_err_, strict=True):
            print(f"{rank:4d} topics: relative error {error:.3f}")

        # The codes are a Dask array, too: they are computed on the workers, when they are needed.
        codes = model.codes_[-1]
        print(f"\ncodes: {codes}")
        largest = dask.array.bincount(codes.argmax(axis=1), minlength=N_GROUPS)
        print(f"samples by their largest topic: {largest.compute().tolist()}")


if __name__ == "__main__":
    main()
