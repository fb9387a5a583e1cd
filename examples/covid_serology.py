"""COVID-19 serology: patterns of antibodies over antigens and receptors, and how they follow the course of the illness.

The tensor, shipped with TensorLy, holds how strongly the serum of 438 people binds 6 antigens of the virus, seen by 11
receptors, on a logarithmic scale. The patterns are learned from half of the people, without their state; the codes of the other
half are found from their serum alone. Six patterns gather in three.

Reference: Zohar, Loos, Fischinger et al. (2020), *Compromised humoral functional evolution tracks with SARS-CoV-2 mortality*,
Cell; see `tensorly.datasets.load_covid19_serology`.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from tensorly.datasets import load_covid19_serology

import hntf

RANKS = (6, 3)
STATES = ("Negative", "Mild", "Moderate", "Severe", "Deceased")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/covid_serology.png"))
    arguments = parser.parse_args()

    data = load_covid19_serology()
    # Binding adds up on its own scale, not on the logarithm's.
    X = np.exp(np.asarray(data.tensor))
    state, antigens, receptors = (np.asarray(ticks, dtype=str) for ticks in data.ticks)
    train, test = train_test_split(np.arange(len(X)), train_size=0.5, stratify=state, random_state=0)
    start = time.perf_counter()
    model = hntf.NeuralNTF(RANKS, random_state=0).fit(X[train])
    errors = " / ".join(f"{e:.3f}" for e in model.reconstruction_err_)
    print(f"{len(X)} samples × {len(antigens)} antigens × {len(receptors)} receptors, {len(train)} to learn the patterns: "
          f"relative error {errors} of {RANKS} patterns, {time.perf_counter() - start:.1f} s")  # fmt: skip

    codes = model.transform(X[test], level=1)
    means = np.array([codes[state[test] == s].mean(axis=0) for s in STATES])
    patterns = model.inverse_transform(np.eye(RANKS[1]), level=1)
    print(f"mean code of new samples by pattern, relative: {', '.join(STATES)}")
    for pattern in range(RANKS[1]):
        antigen, receptor = np.unravel_index(np.argmax(patterns[pattern]), patterns[pattern].shape)
        ill = roc_auc_score(state[test] != "Negative", codes[:, pattern])
        print(
            f"pattern {pattern + 1}: {np.round(means[:, pattern] / means[:, pattern].max(), 2)}, most in "
            f"{receptors[receptor]} to {antigens[antigen]}; ranks the ill above the others in {ill:.0%} of pairs"
        )

    figure, axes = plt.subplots(1, 1 + RANKS[1], figsize=(15, 4), layout="constrained")
    for pattern in range(RANKS[1]):
        axes[0].bar(
            np.arange(5) + 0.25 * pattern, means[:, pattern] / means[:, pattern].max(), width=0.25, label=pattern + 1
        )
        image = axes[1 + pattern].imshow(patterns[pattern], aspect="auto", cmap="magma_r")
        axes[1 + pattern].set_title(f"pattern {pattern + 1}")
        axes[1 + pattern].set_xticks(range(len(receptors)), receptors, rotation=60, ha="right", fontsize=7)
        axes[1 + pattern].set_yticks(range(len(antigens)), antigens, fontsize=7)
        figure.colorbar(image, ax=axes[1 + pattern])
    axes[0].set_xticks(np.arange(5) + 0.25, STATES, rotation=30)
    axes[0].set_ylabel("mean code of new samples, relative")
    axes[0].legend(title="pattern")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=120)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
