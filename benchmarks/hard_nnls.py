"""NNLS for 2,000 right-hand sides against a loop over `scipy.optimize.nnls` where columns are many, dependent or nearly so.

    python benchmarks/hard_nnls.py

Goals: nowhere slower than the loop and at least 5 times faster on two cores, with residuals as small; 512 well-conditioned columns
in less than 16 times the time of 256.
"""

import numpy as np
import scipy.optimize
from timing import seconds

import hntf

RIGHT_HAND_SIDES, LOOPED = 2_000, 100


def spikes(rng, k, count=5):
    """Return codes with `count` entries each."""
    S = np.zeros((k, RIGHT_HAND_SIDES))
    for s in S.T:
        s[rng.choice(k, count, replace=False)] = rng.random(count) + 0.1
    return S


def noisy(rng, A, noise, count=5):
    """Return `A` and data of sparse codes with noise."""
    B = A @ spikes(rng, A.shape[1], count)
    return A, B + noise * rng.standard_normal(B.shape)


def gaussian(rng):
    return rng.standard_normal((100, 200)), rng.standard_normal((100, RIGHT_HAND_SIDES))


def uniform(rng, m=100, k=512):
    return rng.random((m, k)), rng.random((m, RIGHT_HAND_SIDES))


def deconvolution(rng):
    t = np.arange(100)
    return noisy(rng, np.exp(-0.5 * ((t[:, None] - t) / 3) ** 2), 1e-2)


def vandermonde(rng):
    return noisy(rng, np.vander(np.linspace(0, 1, 60), 20, increasing=True), 1e-3)


def of_condition_1e9(rng, m, k):
    U, V = (np.linalg.qr(rng.standard_normal((n, k)))[0] for n in (m, k))
    return (U * np.logspace(0, -9, k)) @ V.T


def condition_1e9(rng):
    return noisy(rng, of_condition_1e9(rng, 100, 50), 1e-3)


def relaxation(rng):
    return noisy(rng, np.exp(-np.linspace(0.01, 0.8, 80)[:, None] / np.geomspace(0.005, 2, 100)), 1e-2, count=3)


def hilbert(rng):
    i = np.arange(1, 16)
    A = 1 / (i[:, None] + i - 1)
    return A, A @ rng.random((15, RIGHT_HAND_SIDES))


PROBLEMS = {
    "Gaussian, more columns than rows": gaussian,
    "uniform, more columns than rows": uniform,
    "deconvolution": deconvolution,
    "Vandermonde": vandermonde,
    "condition number 1e9": condition_1e9,
    "T2 relaxation": relaxation,
    "Hilbert, consistent": hilbert,
    "well-conditioned": lambda rng: uniform(rng, 600, 256),
    "well-conditioned, twice as many": lambda rng: uniform(rng, 600, 512),
}


WITH_HIDDEN_ENTRIES = ("deconvolution", "Vandermonde", "condition number 1e9", "T2 relaxation")
"""Problems that are solved with three tenths of the entries hidden, too, so that no two right-hand sides share a Gram matrix."""


def loop(A, B, roots):
    """Return the solutions of SciPy, with the roots of weights or None; NaN where it reaches its maximum of iterations."""
    X = np.full((A.shape[1], B.shape[1]), np.nan)
    for j, b in enumerate(B.T):
        try:
            w = None if roots is None else roots[:, j]
            X[:, j] = scipy.optimize.nnls(*((A, b) if w is None else (A * w[:, None], b * w)))[0]
        except RuntimeError:
            continue
    return X


def compare(name, A, B, W=None):
    """Print a line on one problem, with weights or without, and return our seconds."""
    some, roots = B[:, :LOOPED], None if W is None else np.sqrt(W[:, :LOOPED])
    reference, X = loop(A, some, roots), hntf.nnls(A, B, weights=W)[:, :LOOPED]
    failed = np.isnan(reference[0])
    scale = 1.0 if roots is None else roots
    norms, theirs, ours = (
        np.linalg.norm(scale * R, axis=0)[~failed] for R in (some, some - A @ reference, some - A @ X)
    )
    looped, solved = seconds(lambda: loop(A, some, roots), lambda: hntf.nnls(A, B, weights=W))
    print_line(name, A.shape, looped, solved, ((ours - theirs) / norms).max(), failed.sum())
    return solved


OF_EVERY_ONE = {
    "well-conditioned, each its own": lambda rng: rng.random((60, 30)),
    "condition 1e9, each its own": lambda rng: of_condition_1e9(rng, 60, 30),
    "Gaussian, each its own": lambda rng: rng.standard_normal((30, 60)),
    "rank 3, each its own": lambda rng: rng.random((30, 3)) @ rng.random((3, 8)),
}
"""Dictionaries that every right-hand side has one of."""


def compare_batch(name, rng, draw):
    """Print a line on a batch of problems with a dictionary and a right-hand side each."""
    A = np.stack([draw(rng) for _ in range(RIGHT_HAND_SIDES)])
    B = (A @ rng.random((*A.shape[::2], 1)))[..., 0] + 1e-2 * rng.standard_normal(A.shape[:2])

    def looped():
        return np.stack([loop(a, b[:, None], None)[:, 0] for a, b in zip(A[:LOOPED], B[:LOOPED], strict=True)])

    reference, X = looped(), hntf.nnls(A, B)[:LOOPED]
    failed = np.isnan(reference[:, 0])
    theirs, ours = (np.linalg.norm((A[:LOOPED] @ S[..., None])[..., 0] - B[:LOOPED], axis=1) for S in (reference, X))
    excess = ((ours - theirs) / np.linalg.norm(B[:LOOPED], axis=1))[~failed].max()
    print_line(name, A.shape[1:], *seconds(looped, lambda: hntf.nnls(A, B)), excess, failed.sum())


def print_line(name, shape, looped, solved, excess, failed):
    """Print times of a right-hand side, and how good the solutions are."""
    looped, solved = looped / LOOPED, solved / RIGHT_HAND_SIDES
    print(
        f"{name:36} {shape[0]:4d} × {shape[1]:3d} {looped * 1e6:8.0f} µs {solved * 1e6:6.0f} µs {looped / solved:6.1f} "
        f"{excess:10.1e} {failed:6d}",
        flush=True,
    )


def main() -> None:
    print(f"{'':36} {'A':>10} {'scipy loop':>11} {'hntf':>9} {'ratio':>6} {'excess':>10} {'failed':>6}")
    rng = np.random.default_rng(0)
    problems = {name: problem(rng) for name, problem in PROBLEMS.items()}
    *_, half, whole = [compare(name, *problem) for name, problem in problems.items()]
    for name in WITH_HIDDEN_ENTRIES:
        A, B = problems[name]
        compare(f"{name}, hidden entries", A, B, 1.0 * (rng.random(B.shape) < 0.7))
    for name, draw in OF_EVERY_ONE.items():
        compare_batch(name, rng, draw)
    print(f"512 columns take {whole / half:.1f} times as long as 256")
    print(
        "Times are for one right-hand side. excess: the largest excess of the residual's norm over SciPy's, relative to that of\n"
        f"the data; failed: of {LOOPED} right-hand sides, those where SciPy reaches its maximum of iterations"
    )


if __name__ == "__main__":
    main()
