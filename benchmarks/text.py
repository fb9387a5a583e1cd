"""The docstring corpus: levels trained together against level by level and the truncated-SVD bound, for several seeds.

python benchmarks/text.py
"""

import time

import numpy as np
from scipy.sparse.linalg import svds
from sklearn.feature_extraction.text import TfidfVectorizer

import hntf
from hntf.datasets import load_docstrings

RANKS = (20, 8, 3)


def main() -> None:
    vectorizer = TfidfVectorizer(stop_words="english", min_df=5, max_df=0.3, token_pattern=r"(?u)\b[a-zA-Z]{3,}\b")
    X = vectorizer.fit_transform(load_docstrings().texts)
    total = (X.data**2).sum()
    squares = np.sort(svds(X, max(RANKS), return_singular_vectors=False))[::-1] ** 2
    print(
        f"{X.shape[0]} × {X.shape[1]}, {X.nnz} nonzeros; bound",
        [f"{np.sqrt(1 - squares[:k].sum() / total):.4f}" for k in RANKS],
    )
    hntf.NeuralNMF(RANKS, max_iter=1, tol=1e3).fit(X)
    for seed in range(5):
        for name, options in (("level by level", {"init": "sequential", "tol": 1e3}), ("together", {})):
            start = time.perf_counter()
            model = hntf.NeuralNMF(RANKS, random_state=seed, **options).fit(X)
            seconds = time.perf_counter() - start
            print(
                f"seed {seed} {name:>15} {model.reconstruction_err_.round(4)} {seconds:5.2f}s {model.n_iter_} iterations"
            )


if __name__ == "__main__":
    main()
