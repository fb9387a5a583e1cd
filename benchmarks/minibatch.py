"""Training on batches against training on all samples at once, on 100,000 samples of 200 features.

    python benchmarks/minibatch.py

The data are 12 topics of three supertopics with noise. Shown are seconds of the whole fit, start included, and the loss of the
fitted model on all samples, relative to the data: the sum over the levels of the squared relative errors.

Goal: within 2 % of the loss of the fit on all samples, in less time.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import hntf

RANKS = (12, 3)


def topics(n: int, m: int, random_state: np.random.RandomState) -> np.ndarray:
    """Draw samples of 12 topics, most of a sample's from one of three groups of four."""
    components = random_state.gamma(0.2, size=(RANKS[0], m))
    groups = random_state.dirichlet([0.2] * RANKS[1], size=n).repeat(RANKS[0] // RANKS[1], axis=1)
    codes = groups * random_state.gamma(0.5, size=(n, RANKS[0]))
    return codes @ components + 0.02 * random_state.uniform(size=(n, m))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X = topics(arguments.samples, 200, np.random.RandomState(0))
    hntf.NeuralNMF(RANKS, max_iter=2).fit(X[:500])
    hntf.NeuralNMF(RANKS, max_iter=2, batch_size=100).fit(X[:500])
    reference = None
    for name, options in (
        ("all samples", {}),
        ("batches of 1000, Adam", {"batch_size": 1000}),
        ("batches of 250, Adam", {"batch_size": 250}),
        ("batches of 1000, SGD", {"batch_size": 1000, "solver": "sgd"}),
    ):
        start = time.perf_counter()
        model = hntf.NeuralNMF(RANKS, random_state=0, **options).fit(X)
        seconds = time.perf_counter() - start
        loss = float(np.sum(model.reconstruction_err_**2))
        reference = reference or (loss, seconds)
        errors = " / ".join(f"{error:.4f}" for error in model.reconstruction_err_)
        print(f"{name:24} {seconds:6.1f} s ({seconds / reference[1]:.2f}×), {model.n_iter_:3d} iterations, "
              f"loss {loss:.5f} ({loss / reference[0]:.4f}×), errors {errors}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
