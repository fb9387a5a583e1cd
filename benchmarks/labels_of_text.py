"""Classes of documents, of which 1, 10 and 50 % are known: `TopicModel` against classifiers of words, on three corpora.

    python benchmarks/labels_of_text.py [--draws 5] [--label-topics]

Accuracy on the documents whose class is not known, mean over draws of the known ones. The corpora are docstrings, the classes the
modules that they are from: NumPy, SciPy and scikit-learn; the standard library; NetworkX, Matplotlib, pandas, torch, Dask and
Polars. Classes of fewer than ten documents are left out.
"""

import argparse
import importlib
import inspect
import pkgutil
import sys
import time
import warnings
from collections import Counter

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from hntf.datasets import load_docstrings
from hntf.topics import TopicModel
from hntf.topics.words import WORD, vectorizer_for

FEWEST = 10
PACKAGES = ("networkx.algorithms", "networkx.generators", "networkx.classes", "matplotlib", "pandas.core", "torch", "torch.nn",
            "dask", "polars", "tensorly")  # fmt: skip
WITH_SIDE_EFFECTS = {
    "antigravity",
    "this",
    "idlelib",
    "turtledemo",
    "lib2to3",
    "tests",
    "testing",
    "__main__",
    "conftest",
}


def frequent(texts: list[str], labels: list[str]) -> tuple[list[str], np.ndarray]:
    counts = Counter(labels)
    kept = [i for i, label in enumerate(labels) if counts[label] >= FEWEST]
    return [texts[i] for i in kept], np.array([labels[i] for i in kept])


def of_modules(names: list[str], shortest: int) -> tuple[list[str], np.ndarray]:
    """Return the docstrings of the functions, classes and methods of modules, and the modules."""
    texts: list[str] = []
    labels: list[str] = []
    seen = set()
    for name in names:
        try:
            module = importlib.import_module(name)
        except Exception:
            continue
        members = [
            member for key, member in sorted(vars(module).items()) if not key.startswith("_") and callable(member)
        ]
        methods = [
            m for c in members if inspect.isclass(c) for key, m in vars(c).items() if callable(m) and key[0] != "_"
        ]
        for member in members + methods:
            text = inspect.getdoc(member) or ""
            home = str(getattr(member, "__module__", None) or name)
            same = home.split(".", maxsplit=1)[0].lstrip("_") == name.split(".")[0]
            if same and len(text) > shortest and text not in seen:
                seen.add(text)
                texts.append(text)
                labels.append(name)
    return frequent(texts, labels)


def submodules(package: str) -> list[str]:
    root = importlib.import_module(package)
    found = [module.name for module in pkgutil.iter_modules(root.__path__)]
    return [f"{package}.{name}" for name in found if not name.startswith("_") and name not in WITH_SIDE_EFFECTS]


def corpora():
    documents = load_docstrings()
    yield "NumPy, SciPy, scikit-learn", *frequent(documents.texts, documents.submodules)
    names = sorted(
        name for name in sys.stdlib_module_names if not name.startswith("_") and name not in WITH_SIDE_EFFECTS
    )
    yield "standard library", *of_modules(names, 150)
    yield "NetworkX, Matplotlib, pandas, torch, …", *of_modules([n for p in PACKAGES for n in submodules(p)], 200)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--label-topics", action="store_true", help="labels take part in the topics, too")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, texts, classes in corpora():
        parameters = {"stop_words": "english", "min_df": "auto", "max_df": "auto", "token_pattern": WORD}
        X = vectorizer_for(len(texts), {"sublinear_tf": True, **parameters}).fit_transform(texts)
        print(f"\n{name}: {X.shape[0]} documents, {X.shape[1]} words, {len(set(classes))} classes")
        for fraction in (0.01, 0.1, 0.5):
            found: dict[str, list[float]] = {}
            for draw in range(arguments.draws):
                order = np.random.default_rng(draw).permutation(len(texts))
                known, rest = np.split(order, [round(fraction * len(texts))])
                y = np.full(len(texts), None, dtype=object)
                y[known] = classes[known]
                start = time.perf_counter()
                model = TopicModel(random_state=draw, label_topics=arguments.label_topics).fit(texts, y)
                seconds = time.perf_counter() - start
                predicted = model.predict([texts[i] for i in rest])
                found.setdefault("TopicModel", []).append(float(np.mean(predicted == classes[rest])))
                found.setdefault("its seconds", []).append(seconds)
                found.setdefault("its weight of topics", []).append(model.classifier_.topic_weight)
                for other in (LinearSVC(), LogisticRegression(max_iter=300)):
                    accuracy = other.fit(X[known], classes[known]).score(X[rest], classes[rest])
                    found.setdefault(type(other).__name__, []).append(accuracy)
            print(
                f"  {fraction:4.0%}  " + "  ".join(f"{key} {np.mean(value):.3f}" for key, value in found.items()),
                flush=True,
            )


if __name__ == "__main__":
    main()
