"""Few labels: classes of documents of which 1 %, 10 % and half are known.

The documents are the docstrings of NumPy, SciPy and scikit-learn, the classes the submodules that they are from. Topics are found
from all documents, so they help most where few are labelled; with many labels the words alone do as well.
`benchmarks/labels_of_text.py` does the same on two more corpora, over several draws.
"""

import argparse
import warnings
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

import hntf
from hntf.datasets import load_docstrings
from hntf.topics import TopicModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/few_labels.png"))
    arguments = parser.parse_args()

    documents = load_docstrings()
    counts = Counter(documents.submodules)
    kept = [i for i, name in enumerate(documents.submodules) if counts[name] >= 10]
    texts = [documents.texts[i] for i in kept]
    classes = np.array([documents.submodules[i] for i in kept])
    X = TfidfVectorizer(stop_words="english", min_df=5, max_df=0.3, sublinear_tf=True).fit_transform(texts)
    print(f"{len(texts)} documents, {len(set(classes))} classes; accuracy on those whose class is not known:")
    fractions, found = (
        (0.01, 0.1, 0.5),
        {"topics and words": [], "words, LinearSVC": [], "words, LogisticRegression": []},
    )
    for fraction in fractions:
        known, rest = np.split(np.random.default_rng(0).permutation(len(texts)), [round(fraction * len(texts))])
        y = np.full(len(texts), None, dtype=object)
        y[known] = classes[known]
        model = TopicModel(random_state=0).fit(texts, y)
        found["topics and words"].append(np.mean(model.predict([texts[i] for i in rest]) == classes[rest]))
        for name, other in (("words, LinearSVC", LinearSVC()), ("words, LogisticRegression", LogisticRegression())):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found[name].append(other.fit(X[known], classes[known]).score(X[rest], classes[rest]))
        print(
            f"  {fraction:4.0%} known: " + ", ".join(f"{name} {accuracy[-1]:.3f}" for name, accuracy in found.items())
        )

    figure, axis = plt.subplots(figsize=(6, 3.8), layout="constrained")
    for i, (name, accuracies) in enumerate(found.items()):
        axis.plot(range(len(fractions)), accuracies, "o-", color=hntf.plot.axes.color(i), label=name)
    axis.set_xticks(range(len(fractions)), [f"{fraction:.0%}" for fraction in fractions])
    axis.set(xlabel="documents whose class is known", ylabel="accuracy on the others", ylim=(0, 1))
    axis.legend(frameon=False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
