"""The main job: topics and supertopics of real text, in one call.

Takes the docstrings of NumPy, SciPy and scikit-learn, which are installed with hntf, fits three levels of topics together,
prints the tree and each level's error, and draws the picture of it.
"""

import argparse
import time
from pathlib import Path

from sklearn.feature_extraction.text import TfidfVectorizer

import hntf
from hntf.datasets import load_docstrings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[20, 8, 3], help="topics of each level, finest first")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("output/topic_tree.png"))
    arguments = parser.parse_args()

    documents = load_docstrings()
    vectorizer = TfidfVectorizer(stop_words="english", min_df=5, max_df=0.3, token_pattern=r"(?u)\b[a-zA-Z]{3,}\b")
    X = vectorizer.fit_transform(documents.texts)
    print(
        f"{X.shape[0]} docstrings of {', '.join(sorted(set(documents.packages)))}, {X.shape[1]} words, {X.nnz} nonzeros"
    )

    model = hntf.NeuralNMF(tuple(arguments.ranks), random_state=arguments.random_state)
    start = time.perf_counter()
    model.fit(X)
    seconds = time.perf_counter() - start

    tree = model.tree(vectorizer.get_feature_names_out())
    print(f"\n{tree}\n")
    for rank, error in zip(model.n_components, model.reconstruction_err_, strict=True):
        print(f"{rank:4d} topics: relative error {error:.3f}")
    print(f"fitted in {seconds:.1f} s, {model.n_iter_} iterations (the first fit on a machine compiles)")

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    hntf.plot.tree(tree).figure.savefig(arguments.output, dpi=120)
    print(f"the picture of the tree is in {arguments.output}")


if __name__ == "__main__":
    main()
