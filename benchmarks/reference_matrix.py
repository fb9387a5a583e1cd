"""The slides' synthetic matrix: every level's error against the truncated-SVD bound, for many seeds, with defaults.

    python benchmarks/reference_matrix.py

Goal: all three levels within 1 % of the bound for each of 20 values of `random_state`, at most 1 s each.
"""

import time

import numpy as np

import hntf
from hntf.datasets import make_hierarchical_blocks

RANKS = (9, 4, 2)


def main() -> None:
    hntf.NeuralNMF(RANKS).fit(make_hierarchical_blocks(random_state=0).X)
    print(f"{'draw':>4} {'worst ratio to the bound, by level':>36} {'slowest':>8} {'within 1 %':>10}")
    for draw in range(5):
        X = make_hierarchical_blocks(random_state=draw).X
        squares = np.linalg.svd(X, compute_uv=False) ** 2
        bound = np.array([np.sqrt(squares[k:].sum() / squares.sum()) for k in RANKS])
        ratios, times = [], []
        for seed in range(20):
            start = time.perf_counter()
            model = hntf.NeuralNMF(RANKS, random_state=seed).fit(X)
            times.append(time.perf_counter() - start)
            ratios.append(model.reconstruction_err_ / bound)
        worst = np.max(ratios, axis=0)
        within = np.sum(np.all(np.array(ratios) <= 1.01, axis=1))
        print(f"{draw:4d} {np.array2string(worst, precision=4):>36} {max(times):7.2f}s {within:7d}/20")


if __name__ == "__main__":
    main()
