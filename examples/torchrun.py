"""Samples on the ranks of torch.distributed: every process has its own, and all fit one model together.

Run it with `torchrun --nproc-per-node=2 examples/torchrun.py`; on several machines add `--nnodes` and `--rdzv-endpoint`, as for any
job of torch, and put the checkpoint where rank 0 finds it again. The fit is cut off after a few iterations here, and the same call
goes on from the checkpoint.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch.distributed as dist

import hntf

N_SAMPLES = 5_000
N_TOPICS, N_GROUPS, WORDS = 12, 4, 20
CUT_OFF = 10
"""Number of iterations after which the first fit is stopped."""


def samples_of(rank: int) -> np.ndarray:
    """Return the samples of a rank: mixtures of the topics of one group; the topics are the same on all ranks."""
    topics = np.kron(np.eye(N_TOPICS), np.ones(WORDS)) * np.random.default_rng(0).exponential(size=N_TOPICS * WORDS)
    rng = np.random.default_rng([1, rank])
    of_group = np.kron(np.eye(N_GROUPS), np.ones(N_TOPICS // N_GROUPS))
    mixtures = of_group[rng.integers(N_GROUPS, size=N_SAMPLES)] * rng.exponential(size=(N_SAMPLES, N_TOPICS))
    return mixtures @ topics + 0.05 * rng.random((N_SAMPLES, N_TOPICS * WORDS))


def fit(X: np.ndarray, checkpoint: Path) -> hntf.NeuralNMF:
    """Return the model of the samples of all ranks, after a fit that was cut off and went on."""
    model = hntf.NeuralNMF((N_TOPICS, N_GROUPS), random_state=0)
    # All ranks see the same iterations, so that all stop at the same one.
    model.set_params(callback=lambda progress: progress.n_iter == CUT_OFF)
    model.fit(X, checkpoint=checkpoint, every=5)
    model.set_params(callback=None)
    return model.fit(X, checkpoint=checkpoint, every=5)


def main() -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    folder = [tempfile.mkdtemp() if rank == 0 else None]
    dist.broadcast_object_list(folder)
    X = samples_of(rank)
    model = fit(X, Path(str(folder[0])) / "fit.safetensors")
    score = model.score(X)  # of the samples of all ranks: all of them call it
    codes = model.transform(X)  # of those of this rank

    if rank == 0:
        print(f"{dist.get_world_size()} ranks with {N_SAMPLES} samples each; {model.n_iter_} iterations")
        print(f"codes on this rank: {codes.shape}; score of all samples: {score:.3f}\n")
        print(f"{model.tree([f'word{i // WORDS}.{i % WORDS}' for i in range(X.shape[1])], n_words=3)}\n")
        for k, error in zip(model.n_components, model.reconstruction_err_, strict=True):
            print(f"{k:4d} topics: relative error {error:.3f}")
        shutil.rmtree(str(folder[0]))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
