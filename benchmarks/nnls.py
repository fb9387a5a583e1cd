"""NNLS for 20,000 right-hand sides against a loop over `scipy.optimize.nnls` and against the product AᵀB alone; and for few.

    python benchmarks/nnls.py

Goals: at least 30 times the loop cold and 80 warm for 20 columns, 30 and 90 for 40, and at most 6 times the product.
"""

import numpy as np
import scipy.optimize
import torch
from timing import seconds

import hntf

ROWS, RIGHT_HAND_SIDES, LOOPED = 500, 20_000, 1_000


FEW = (1, 10, 50, 200)


def few(rng) -> None:
    """Print how much faster than the loop a single call is for a few right-hand sides."""
    print(f"\n{'times faster, NumPy and torch':32}" + "".join(f"{n:>12d}" for n in FEW))
    for m, k in ((30, 8), (200, 50), (500, 100)):
        A, ratios = rng.random((m, k)), []
        for n in FEW:
            B = rng.random((m, n))
            dictionary, samples = torch.tensor(A), torch.tensor(B.T.copy())
            looped, ours, of_torch = seconds(
                lambda A=A, B=B: [scipy.optimize.nnls(A, b) for b in B.T],
                lambda A=A, B=B: hntf.nnls(A, B),
                lambda dictionary=dictionary, samples=samples: hntf.torch.nnls(samples, dictionary),
                repeats=3,
            )
            ratios.append(f"{looped / ours:7.2f} {looped / of_torch:4.2f}")
        print(f"{m:6d} × {k:3d}{'':20}" + "".join(f"{ratio:>13}" for ratio in ratios))


def main() -> None:
    rng = np.random.default_rng(0)
    print(
        f"{'columns':>7} {'scipy loop':>11} {'product':>8} {'cold':>7} {'warm':>7} {'cold×':>6} {'warm×':>6} {'/product':>8}"
    )
    for k in (20, 40):
        A, B = rng.random((ROWS, k)), rng.random((ROWS, RIGHT_HAND_SIDES))
        X, info = hntf.nnls(A, B, return_info=True)
        reference = np.column_stack([scipy.optimize.nnls(A, b)[0] for b in B[:, :100].T])
        assert info.kkt_residual < 1e-12
        assert np.abs(X[:, :100] - reference).max() < 1e-10

        def loop(A=A, B=B):
            for j in range(LOOPED):
                scipy.optimize.nnls(A, B[:, j])

        support = info.support
        looped, product, cold, warm = seconds(
            loop,
            lambda A=A, B=B: A.T @ B,
            lambda A=A, B=B: hntf.nnls(A, B),
            lambda A=A, B=B, support=support: hntf.nnls(A, B, support=support),
        )
        looped *= RIGHT_HAND_SIDES / LOOPED
        print(
            f"{k:7d} {looped:10.2f}s {product * 1e3:6.1f}ms {cold * 1e3:5.1f}ms {warm * 1e3:5.1f}ms "
            f"{looped / cold:6.1f} {looped / warm:6.1f} {cold / product:8.2f}"
        )
    few(rng)


if __name__ == "__main__":
    main()
