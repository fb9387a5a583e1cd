"""`NCPD` against `non_negative_parafac_hals` of TensorLy, from the same starting points.

    python benchmarks/ncpd.py

For each of five starts TensorLy runs with its defaults (100 iterations, tol 1e-8), and `NCPD` from the same start to its own
default tolerance; every run of ours is stopped by the clock where it first is within 1.001 of the best error of TensorLy's
five. Goal: in at most a third of TensorLy's time.
"""

import time

import numpy as np
import tensorly
from tensorly.cp_tensor import CPTensor
from tensorly.decomposition import non_negative_parafac_hals

import hntf
from hntf.fitting.loop import advance
from hntf.fitting.updates.alternating import UPDATES, AlternatingCP

STARTS = 5


def problem(rng, shape, rank):
    factors = [rng.random((d, rank)) for d in shape]
    X = tensorly.cp_to_tensor((None, factors))
    noise = rng.standard_normal(shape)
    return np.maximum(X + 0.05 * np.linalg.norm(X) / np.linalg.norm(noise) * noise, 0)


def theirs(X, rank, init):
    """Return the seconds and the relative error of a run of TensorLy."""
    start = CPTensor((np.ones(rank), [U.copy() for U in init]))
    begin = time.perf_counter()
    result = non_negative_parafac_hals(X, rank, init=start, n_iter_max=100, tol=1e-8)
    seconds = time.perf_counter() - begin
    return seconds, np.linalg.norm(X - tensorly.cp_to_tensor(result)) / np.linalg.norm(X)


def seconds_to_reach(X, init, solver, goal):
    """Return after how many seconds the error is at most `goal`, conversion of the data included, and the last error."""
    reached = []
    begin = time.perf_counter()

    def note(sweep, descent):
        if descent.error <= goal and not reached:
            reached.append(time.perf_counter() - begin)

    descent = AlternatingCP(hntf.as_data(X), [U.copy() for U in init], solver)
    advance(descent, max_iter=500, tol=1e-7, note=note)
    return reached[0] if reached else float("inf"), descent.error


def main() -> None:
    rng = np.random.default_rng(0)
    small = problem(rng, (10, 10, 10), 2)
    for solver in UPDATES:
        hntf.NCPD(2, solver=solver).fit(small)
    for shape, rank in (((150, 150, 150), 10), ((300, 300, 100), 20)):
        X = problem(rng, shape, rank)
        starts = [[rng.random((d, rank)) for d in shape] for _ in range(STARTS)]
        peer = [theirs(X, rank, init) for init in starts]
        best = min(error for _, error in peer)
        times = [seconds for seconds, _ in peer]
        print(f"{' × '.join(map(str, shape))}, rank {rank}: TensorLy {np.median(times):.2f} s, best error {best:.5f}")
        for solver in UPDATES:
            ours = [seconds_to_reach(X, init, solver, 1.001 * best) for init in starts]
            ratios = sorted(t / s for t, (s, _) in zip(times, ours, strict=True))
            print(f"    {solver}: {np.median([s for s, _ in ours]):.2f} s to 1.001 times that, "
                  f"{ratios[0]:.1f} to {ratios[-1]:.1f} times faster; ends at {min(e for _, e in ours):.5f}")  # fmt: skip


if __name__ == "__main__":
    main()
