"""Coupled data: a tensor and a matrix that share a mode, factorized together.

`NeuralNTF((4,)).fit(X, Y)` finds patterns of a tensor `X` (samples × …) and of a matrix `Y` (samples × …) with the same codes of
the samples: `X ≈ S ∘ (A_1, A_2)` and `Y ≈ S B`, with `supervision_weight` for the part of `Y`. This is coupled matrix–tensor
factorization (Acar, Kolda, Dunlavy 2011). What `Y` holds of a sample that was measured in `X` alone follows from its code.

Here the mass spectra of mixtures, `Y`, share the samples with their fluorescence, `X`; both are drawn from four substances, two of
which look alike in fluorescence. Real measurements of this kind do not ship with any package, so this is a demonstration.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import hntf

N_SAMPLES, K = 60, 4


def peaks(centres, width, grid):
    return np.exp(-((grid - np.asarray(centres)[:, None]) ** 2) / (2 * width**2))


def draw(rng):
    amounts = rng.gamma(1.0, size=(N_SAMPLES, K))
    excitation = peaks([0.25, 0.27, 0.6, 0.8], 0.08, np.linspace(0, 1, 20))
    emission = peaks([0.3, 0.31, 0.5, 0.75], 0.1, np.linspace(0, 1, 30))
    masses = sum(peaks(rng.random(K), 0.015, np.linspace(0, 1, 80)) * rng.random((K, 1)) for _ in range(3))
    X = np.einsum("nk,ki,kj->nij", amounts, excitation, emission)
    Y = amounts @ masses
    return amounts, X + 0.4 * rng.random(X.shape), Y + 0.15 * rng.random(Y.shape)


def recovery(codes, amounts):
    """Return the correlations of the amounts with the codes that fit them best."""
    correlations = np.corrcoef(codes.T, amounts.T)[: codes.shape[1], codes.shape[1] :]
    return correlations.max(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/coupled_data.png"))
    arguments = parser.parse_args()

    amounts, X, Y = draw(np.random.default_rng(0))
    seen = np.arange(N_SAMPLES) < 40  # mass spectra of the last 20 samples are not known
    known = np.where(seen[:, None], Y, np.nan)
    rows = {
        "fluorescence alone": hntf.NCPD(K, random_state=0).fit(X).codes_[0],
        "both, coupled": (coupled := hntf.NeuralNTF((K,), supervision_weight=1.0, random_state=0).fit(X, known)).codes_[
            0
        ],
    }
    print(
        "correlation of the amounts of the four substances with their codes (the first two look alike in fluorescence):"
    )
    for name, codes in rows.items():
        print(f"  {name:20} {recovery(codes, amounts).round(3)}")
    predicted = coupled.transform(X[~seen]) @ coupled.classifier_
    error = np.linalg.norm(predicted - Y[~seen]) / np.linalg.norm(Y[~seen])
    mean = np.linalg.norm(Y[seen].mean(axis=0) - Y[~seen]) / np.linalg.norm(Y[~seen])
    print(f"mass spectra of the 20 samples without one: relative error {error:.3f}; the mean of the others {mean:.3f}")

    figure, axes = plt.subplots(1, 2, figsize=(11, 3.4), layout="constrained")
    for axis, (name, codes) in zip(axes, rows.items(), strict=True):
        correlations = np.corrcoef(codes.T, amounts.T)[:K, K:]
        for i in range(K):
            best = int(np.argmax(correlations[:, i]))
            scale = amounts[:, i].max() / codes[:, best].max()
            axis.plot(amounts[:, i], scale * codes[:, best], ".", color=hntf.plot.axes.color(i), label=f"substance {i}")
        axis.set(title=name, xlabel="true amount", ylabel="code, scaled")
    axes[0].legend(frameon=False)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
