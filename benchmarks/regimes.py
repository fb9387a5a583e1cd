"""Where does training the levels together help? All methods, on matrices and tensors, at growing noise, imbalance and depth.

    python benchmarks/regimes.py [--quick] [--output docs/regimes]

Every method is fitted to half of the samples with its defaults, from three seeds. Reported, as medians: the relative error of
every level, the accuracy on the other half of a logistic regression on the codes of the last and of all levels, the purity of
the hierarchy (the share of samples in the majority class of the component they weigh most; for each kind of labels at the level
with about as many components as there are classes), seconds a fit, and the ratio of every level's error to that of the best
single level of its rank, where the fit knows it. The results go into a table, `results.csv`, and plots.
"""

import argparse
import csv
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import MaxAbsScaler
from tensorly.datasets import load_covid19_serology, load_IL2data, load_indian_pines, load_kinetic

import hntf
from hntf.datasets import load_docstrings, make_hierarchical_blocks, make_hierarchical_tensor

SEEDS = (0, 1, 2)


class Problem(NamedTuple):
    """Data, ranks, and labels of the samples: one of all levels, or one a level, finest first."""

    name: str
    X: object
    ranks: tuple[int, ...]
    labels: list[np.ndarray]


class Result(NamedTuple):
    """One fit."""

    errors: np.ndarray
    accuracy_last: float
    accuracy_all: float
    purity: list[float]
    seconds: float
    ratios: np.ndarray


class LevelByItself:
    """An NMF of every rank by itself, on the data: what no hierarchy can be much better than, level by level."""

    def __init__(self, ranks: tuple[int, ...], seed: int) -> None:
        self.models = [hntf.NMF(rank, random_state=seed) for rank in ranks]

    def fit(self, X: object) -> "LevelByItself":
        """Fit every rank."""
        self.codes_ = [model.fit(X).codes_[0] for model in self.models]
        self.reconstruction_err_ = np.array([model.reconstruction_err_[0] for model in self.models])
        return self

    def transform(self, X: object, level: int) -> np.ndarray:
        """Return the codes of a level."""
        return self.models[level].transform(X)


MATRIX_METHODS: dict[str, Callable] = {
    "NMF of each rank": LevelByItself,
    "HierarchicalNMF": lambda ranks, seed: hntf.HierarchicalNMF(ranks, random_state=seed),
    "DeepNMF": lambda ranks, seed: hntf.DeepNMF(ranks, random_state=seed),
    "DeepSemiNMF": lambda ranks, seed: hntf.DeepSemiNMF(ranks, random_state=seed),
    "UnfoldedNMF": lambda ranks, seed: hntf.UnfoldedNMF(ranks[0], max_iter=100, random_state=seed),
    "MultilayerSparseCoding": lambda ranks, seed: hntf.MultilayerSparseCoding(ranks, max_iter=100, random_state=seed),
    "NeuralNMF": lambda ranks, seed: hntf.NeuralNMF(ranks, random_state=seed),
    "NeuralNMF, equal weights": lambda ranks, seed: hntf.NeuralNMF(ranks, level_weights=None, random_state=seed),
}
TENSOR_METHODS: dict[str, Callable] = {
    "HierarchicalNCPD": lambda ranks, seed: hntf.HierarchicalNCPD(ranks, random_state=seed),
    "MultilayerNTF": lambda ranks, seed: hntf.MultilayerNTF(ranks, random_state=seed),
    "MultiHNTF": lambda ranks, seed: hntf.MultiHNTF(ranks, random_state=seed),
    "NeuralNTF": lambda ranks, seed: hntf.NeuralNTF(ranks, random_state=seed),
    "NeuralNCPD": lambda ranks, seed: hntf.NeuralNCPD(ranks, random_state=seed),
    "NeuralNCPD, equal weights": lambda ranks, seed: hntf.NeuralNCPD(ranks, level_weights=None, random_state=seed),
}


def blocks(noise: float, imbalance: float = 1.0, ranks: tuple[int, ...] = (9, 4, 2)) -> Problem:
    """Draw 180 samples of the slides' matrix; the first class is `imbalance` times as frequent as the last."""
    clean = make_hierarchical_blocks(noise=0.0, random_state=0)
    random_state = np.random.RandomState(0)
    share = imbalance ** -np.linspace(0.0, 1.0, 9)[clean.classes]
    rows = random_state.choice(90, size=180, p=share / share.sum())
    X = clean.X[rows] + noise * random_state.uniform(size=(180, clean.X.shape[1]))
    labels = [clean.classes[rows], clean.groups[rows], clean.supergroups[rows]]
    return Problem(f"noise {noise:g}, imbalance {imbalance:g}, {len(ranks)} levels", X, ranks, labels)


def blocks_of_tensor(noise: float) -> Problem:
    """Draw the papers' tensor, its samples shuffled."""
    drawn = make_hierarchical_tensor(noise=noise, random_state=0)
    rows = np.random.RandomState(0).permutation(40)
    return Problem(
        f"tensor, noise {noise:g}",
        drawn.X[rows],
        (7, 4, 2),
        [drawn.groups[rows], drawn.groups[rows], drawn.supergroups[rows]],
    )


def sparse_factors() -> Problem:
    """Draw sparse factors without a hierarchy, whose levels conflict; the class of a sample is the topic it has most of."""
    rng = np.random.default_rng(0)
    S = rng.random((3000, 20)) * (rng.random((3000, 20)) < 0.15)
    topics = rng.random((20, 200)) * (rng.random((20, 200)) < 0.1)
    return Problem("sparse factors", S @ topics + 0.01 * rng.random((3000, 200)), (20, 8, 3), [np.argmax(S, axis=1)])


def digits() -> Problem:
    data = load_digits()
    return Problem("digits", data.data, (20, 10, 5), [data.target])


def text() -> Problem:
    corpus = load_docstrings()
    X = TfidfVectorizer(stop_words="english", min_df=5, max_df=0.3, token_pattern="[a-zA-Z]{3,}").fit_transform(
        corpus.texts
    )
    rows = np.random.RandomState(0).permutation(X.shape[0])
    return Problem(
        "docstrings", X[rows], (20, 8, 3), [np.asarray(corpus.submodules)[rows], np.asarray(corpus.packages)[rows]]
    )


def serology() -> Problem:
    data = load_covid19_serology()
    # Binding adds up on its own scale, not on the logarithm's.
    X = np.exp(np.asarray(data.tensor))
    rows = np.random.RandomState(0).permutation(len(X))
    return Problem("COVID serology", X[rows], (8, 4, 2), [np.asarray(data.ticks[0], dtype=str)[rows]])


def il2() -> Problem:
    """Responses of cells, a sample for each ligand and time; the labels tell one-armed from two-armed ligands."""
    data = load_IL2data()
    X = np.asarray(data.tensor).reshape(-1, *data.tensor.shape[2:])
    two_armed = np.repeat([str(ligand).endswith("(Biv)") for ligand in data.ticks[0]], data.tensor.shape[1])
    whole = ~np.isnan(X).any(axis=(1, 2))
    rows = np.random.RandomState(0).permutation(np.flatnonzero(whole))
    return Problem("IL-2 response", X[rows], (6, 3, 2), [two_armed[rows]])


def kinetic() -> Problem:
    """Fluorescence over emission, excitation and time; the samples have no labels."""
    X = np.maximum(np.asarray(load_kinetic().tensor, dtype=float), 0.0)
    return Problem("kinetic fluorescence", X[np.random.RandomState(0).permutation(len(X))], (6, 3, 2), [])


def pines() -> Problem:
    """Pixels of Indian pines whose crop is known, one in five, by crop."""
    data = load_indian_pines()
    # The sensor adds an offset of 1000 to every reflectance.
    X = np.maximum(np.asarray(data.tensor) - 1000.0, 0.0).reshape(-1, 200)
    crops = np.asarray(data.ticks[0]).reshape(-1)
    rows = np.random.RandomState(0).permutation(np.flatnonzero(crops > 0))[::5]
    return Problem("Indian pines", X[rows], (8, 4, 2), [crops[rows]])


def measure(make: Callable, problem: Problem, seed: int) -> Result:
    """Fit to the even samples and classify the odd ones by their codes."""
    X, ranks = problem.X, problem.ranks
    train, test = X[::2], X[1::2]
    start = time.perf_counter()
    model = make(ranks, seed).fit(train)
    seconds = time.perf_counter() - start
    levels = len(model.reconstruction_err_)
    codes = [[model.transform(part, level=level) for level in range(levels)] for part in (train, test)]

    def accuracy(*chosen: int) -> float:
        if not problem.labels:
            return np.nan
        finest = problem.labels[0]
        scaler = MaxAbsScaler()
        inner, outer = (np.concatenate([part[level] for level in chosen], axis=1) for part in codes)
        classifier = LogisticRegression(C=10.0, max_iter=2000).fit(scaler.fit_transform(inner), finest[::2])
        return classifier.score(scaler.transform(outer), finest[1::2])

    def purity(y: np.ndarray) -> float:
        nearest = int(np.argmin(np.abs(np.array(ranks[:levels]) - len(np.unique(y)))))
        return _purity(codes[0][nearest], y)

    purities = [purity(y[::2]) for y in problem.labels]
    ratios = getattr(model, "level_ratios_", np.full(levels, np.nan))
    return Result(model.reconstruction_err_, accuracy(levels - 1), accuracy(*range(levels)), purities, seconds, ratios)


def _purity(S: np.ndarray, y: np.ndarray) -> float:
    """Return the share of samples in the majority class of the component that they weigh most."""
    strongest = np.argmax(S / (S.max(axis=0) + (S.max(axis=0) == 0)), axis=1)
    return sum(np.unique(y[strongest == j], return_counts=True)[1].max() for j in np.unique(strongest)) / len(y)


def run(problems: list[Problem], methods: dict[str, Callable]) -> list[tuple[str, str, Result]]:
    """Return the median result of the seeds, for every problem and method, and print it."""
    results = []
    for problem in problems:
        for name, make in methods.items():
            fits = [measure(make, problem, seed) for seed in SEEDS]
            median = Result(*(np.median([fit[i] for fit in fits], axis=0) for i in range(len(Result._fields))))
            results.append((problem.name, name, median))
            errors = "/".join(f"{error:.3f}" for error in median.errors)
            purity = "/".join(f"{share:.2f}" for share in median.purity)
            ratios = "/".join(f"{ratio:.3f}" for ratio in median.ratios)
            print(
                f"{problem.name:34} {name:25} {errors:24} ratios {ratios:20} last {median.accuracy_last:.3f} "
                f"all {median.accuracy_all:.3f} purity {purity:15} {median.seconds:6.2f} s",
                flush=True,
            )
    return results


def plot(
    results: list[tuple[str, str, Result]], problems: list[str], values: list[float], label: str, path: Path
) -> None:
    """Plot error of the last level, accuracy and purity against what grows."""
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    methods = list(dict.fromkeys(name for problem, name, _ in results if problem in problems))
    parts = (
        ("error of the last level", lambda result: result.errors[-1]),
        ("accuracy on held-out samples, last codes", lambda result: result.accuracy_last),
        ("purity, mean of the levels", lambda result: np.mean(result.purity)),
    )
    for axis, (title, value) in zip(axes, parts, strict=True):
        for name in methods:
            found = {problem: result for problem, method, result in results if method == name}
            axis.plot(values, [value(found[problem]) for problem in problems], marker="o", markersize=3, label=name)
        axis.set(title=title, xlabel=label)
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=90)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the generators alone")
    parser.add_argument("--output", type=Path, default=Path("docs/regimes"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    arguments.output.mkdir(parents=True, exist_ok=True)
    noises, imbalances, tensor_noises = (0.15, 1.0, 2.0, 4.0, 8.0), (1.0, 4.0, 16.0, 64.0), (0.1, 0.4, 1.0, 2.0)
    depths = ((9,), (9, 2), (9, 4, 2), (9, 6, 4, 2), (9, 7, 5, 4, 3, 2))
    series = {
        "noise": ([blocks(noise) for noise in noises], noises, MATRIX_METHODS),
        "imbalance": ([blocks(1.0, imbalance) for imbalance in imbalances], imbalances, MATRIX_METHODS),
        "depth": ([blocks(1.0, 1.0001, ranks) for ranks in depths], [len(ranks) for ranks in depths], MATRIX_METHODS),
        "tensor_noise": ([blocks_of_tensor(noise) for noise in tensor_noises], tensor_noises, TENSOR_METHODS),
    }
    results = []
    for name, (problems, values, methods) in series.items():
        found = run(problems, methods)
        plot(
            found,
            [problem.name for problem in problems],
            list(values),
            name.replace("_", " "),
            arguments.output / f"{name}.png",
        )
        results += found
    if not arguments.quick:
        results += run([sparse_factors(), digits(), text(), pines()], MATRIX_METHODS)
        results += run([serology(), il2(), kinetic()], TENSOR_METHODS)
    with (arguments.output / "results.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["data", "method", "errors", "accuracy of the last codes", "of all codes", "purity", "seconds", "ratios"]
        )
        for problem, method, result in results:
            errors, purity = ("/".join(f"{x:.4f}" for x in part) for part in (result.errors, result.purity))
            accuracies = [f"{result.accuracy_last:.3f}", f"{result.accuracy_all:.3f}"]
            ratios = "/".join("" if np.isnan(ratio) else f"{ratio:.3f}" for ratio in result.ratios)
            table.writerow([problem, method, errors, *accuracies, purity, f"{result.seconds:.2f}", ratios])


if __name__ == "__main__":
    main()
