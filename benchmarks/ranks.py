"""How often `select_ranks` finds planted ranks and levels, and how long it takes.

    python benchmarks/ranks.py [--draws 20] [--text]

The matrix of nested blocks at several noise levels from `candidates="auto"`; flat data; noise alone; the tensor of nested blocks;
then 30 rank triples in 10 folds on the matrix. With `--text`, 1 to 20 components of the docstrings.
"""

import argparse
import time
from collections import Counter

import numpy as np

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor


def nested(noise):
    return lambda seed: make_hierarchical_blocks(random_state=seed, noise=noise).X


def tensor(noise):
    return lambda seed: make_hierarchical_tensor(random_state=seed, noise=noise).X


def flat(seed):
    rng = np.random.default_rng(seed)
    X = rng.gamma(0.5, size=(90, 9)) @ rng.gamma(0.5, size=(9, 87))
    return np.maximum(X + 0.3 * rng.standard_normal(X.shape), 0.0)


def gamma_noise(seed):
    X = make_hierarchical_blocks(random_state=seed, noise=0.0).X
    return (X + 0.5) * np.random.default_rng(seed).gamma(4.0, 0.25, size=X.shape)


def poisson(seed):
    X = make_hierarchical_blocks(random_state=seed, noise=0.0).X
    return np.random.default_rng(seed).poisson(X + 0.2).astype(float)


CASES = {
    "nested blocks, noise 0.15": nested(0.15),
    "nested blocks, noise 1": nested(1.0),
    "nested blocks, noise 2": nested(2.0),
    "nested blocks, gamma noise": gamma_noise,
    "nested blocks, Poisson counts": poisson,
    "flat, rank 9": flat,
    "noise alone, uniform": lambda seed: np.random.default_rng(seed).random((90, 87)),
    "noise alone, exponential": lambda seed: np.random.default_rng(seed).exponential(size=(90, 87)),
    "tensor, noise 0.1": tensor(0.1),
    "tensor, noise 0.4": tensor(0.4),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--text", action="store_true")
    arguments = parser.parse_args()
    for name, draw in CASES.items():
        start, found = time.perf_counter(), Counter()
        for seed in range(arguments.draws):
            found[hntf.select_ranks(draw(seed), random_state=seed, n_jobs=2).best] += 1
        print(
            f"{name}: {dict(found.most_common())}; {(time.perf_counter() - start) / arguments.draws:.1f} s each",
            flush=True,
        )
    triples = [(a, b, c) for a in range(7, 13) for b in (3, 4, 5) for c in (2, 3) if b > c]
    for jobs in (1, 2):
        start = time.perf_counter()
        best = hntf.select_ranks(nested(0.15)(0), triples, n_folds=10, random_state=0, n_jobs=jobs).best
        print(
            f"{len(triples)} triples, 10 folds, {jobs} processes: {best} in {time.perf_counter() - start:.1f} s",
            flush=True,
        )
    if arguments.text:
        text()


def text() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        stop_words="english", min_df=5, max_df=0.3, token_pattern=r"[a-zA-Z]{3,}", sublinear_tf=True
    )
    X = vectorizer.fit_transform(hntf.datasets.load_docstrings().texts)
    for jobs in (1, 2):
        start = time.perf_counter()
        selection = hntf.select_ranks(X, range(1, 21), hntf.NMF, random_state=0, n_jobs=jobs)
        print(
            f"docstrings, 1 to 20 components, {jobs} processes: {time.perf_counter() - start:.0f} s\n{selection}",
            flush=True,
        )


if __name__ == "__main__":
    main()
