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


def condition_1e9(rng):
    U, V = (np.linalg.qr(rng.standard_normal((n, 50)))[0] for n in (100, 50))
    return noisy(rng, (U * np.logspace(0, -9, 50)) @ V.T, 1e-3)


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
    """Print a line on one problem, with weights or without, and return our seconds for a right-hand side."""
    some, roots = B[:, :LOOPED], None if W is None else np.sqrt(W[:, :LOOPED])
    reference, X = loop(A, some, roots), hntf.nnls(A, B, weights=W)[:, :LOOPED]
    failed = np.isnan(reference[0])
    scale = 1.0 if roots is None else roots
    norms, theirs, ours = (
        np.linalg.norm(scale * R, axis=0)[~failed] for R in (some, some - A @ reference, some - A @ X)
    )
    looped, solved = seconds(lambda: loop(A, some, roots), lambda: hntf.nnls(A, B, weights=W))
    looped, solved = looped / LOOPED, solved / RIGHT_HAND_SIDES
    print(
        f"{name:32} {A.shape[0]:4d} × {A.shape[1]:3d} {looped * 1e6:8.0f} µs {solved * 1e6:6.0f} µs {looped / solved:6.1f} "
        f"{((ours - theirs) / norms).max():10.1e} {failed.sum():6d}",
        flush=True,
    )
    return solved


def main() -> None:
    print(f"{'':32} {'A':>10} {'scipy loop':>11} {'hntf':>9} {'ratio':>6} {'excess':>10} {'failed':>6}")
    rng = np.random.default_rng(0)
    problems = {name: problem(rng) for name, problem in PROBLEMS.items()}
    *_, half, whole = [compare(name, *problem) for name, problem in problems.items()]
    for name in WITH_HIDDEN_ENTRIES:
        A, B = problems[name]
        compare(f"{name}, hidden entries", A, B, 1.0 * (rng.random(B.shape) < 0.7))
    print(f"512 columns take {whole / half:.1f} times as long as 256")
    print(
        "Times are for one right-hand side. excess: the largest excess of the residual's norm over SciPy's, relative to that of\n"
        f"the data; failed: of {LOOPED} right-hand sides, those where SciPy reaches its maximum of iterations"
    )


if __name__ == "__main__":
    main()
