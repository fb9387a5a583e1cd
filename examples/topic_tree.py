"""The main job: topics and supertopics of real text, in one call.

Takes the docstrings of NumPy, SciPy and scikit-learn, which are installed with hntf, fits three levels of topics together,
prints the tree and each level's error, and writes a picture, an interactive page and the model.
"""

import argparse
import time
from pathlib import Path

import hntf
from hntf.datasets import load_docstrings
from hntf.topics import TopicModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[20, 8, 3], help="topics of each level, finest first")
    parser.add_argument("--random-state", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("output/topic_tree.png"))
    arguments = parser.parse_args()

    documents = load_docstrings()
    start = time.perf_counter()
    model = TopicModel(tuple(arguments.ranks), random_state=arguments.random_state)
    model.fit(documents.texts, names=documents.names)
    seconds = time.perf_counter() - start
    packages = ", ".join(sorted(set(documents.packages)))
    print(f"{len(documents.texts)} docstrings of {packages}, {len(model.words_)} words, fitted in {seconds:.1f} s "
          "(the first fit on a machine compiles)")  # fmt: skip

    tree = model.tree()
    print(f"\n{tree}\n")
    for rank, error in zip(arguments.ranks, model.hierarchy_.reconstruction_err_, strict=True):
        print(f"{rank:4d} topics: relative error {error:.3f}")

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    hntf.plot.flow(tree).figure.savefig(arguments.output, dpi=90)
    page, stored = arguments.output.with_suffix(".html"), arguments.output.with_suffix(".safetensors")
    tree.to_html(page, title="Docstrings of NumPy, SciPy and scikit-learn")
    model.save(stored)
    print(f"the picture of the tree is in {arguments.output}, a page to explore in {page}, the model in {stored}")


if __name__ == "__main__":
    main()
