"""Why a fit holds BLAS to one thread: an epoch inside the fitting loop with and without its choice.

python benchmarks/threads.py
"""

import time
import warnings
from contextlib import nullcontext
from unittest.mock import patch

from sklearn.feature_extraction.text import TfidfVectorizer

import hntf
from hntf.datasets import load_docstrings


def main() -> None:
    vectorizer = TfidfVectorizer(stop_words="english", min_df=5, max_df=0.3, token_pattern=r"(?u)\b[a-zA-Z]{3,}\b")
    X = vectorizer.fit_transform(load_docstrings().texts)

    def milliseconds_an_iteration() -> float:
        model = hntf.NeuralNMF((20, 8, 3), random_state=0, init="nndsvdar", max_iter=40, tol=1e-3)
        start = time.perf_counter()
        model.fit(X)
        return (time.perf_counter() - start) / model.n_iter_ * 1e3

    warnings.simplefilter("ignore")  # forty iterations are not meant to converge
    milliseconds_an_iteration()
    for _ in range(3):
        held = milliseconds_an_iteration()
        with patch("hntf.fitting.loop.blas_threads_for", lambda *_: nullcontext()):
            free = milliseconds_an_iteration()
        print(f"an iteration: {held:.1f} ms with BLAS held to one thread, {free:.1f} ms with its default")


if __name__ == "__main__":
    main()
