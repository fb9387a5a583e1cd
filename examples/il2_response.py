"""IL-2 response: which cells answer to which ligands, at which doses and times; missing entries are left out.

The tensor, shipped with TensorLy, holds the answer (phosphorylated STAT5, 0 to 1) of 8 kinds of cells to 13 forms of the
cytokine at 12 doses and 4 times; 4 % of it is missing. Five patterns of answer gather in two; a pattern of either level is one
component of a CP decomposition, over all four modes. The picture shows the two patterns along every mode, and how the five
gather in them.

Reference: Farhat, Lu-Culligan, Melo et al. (2021), *Modeling cell-specific dynamics and regulation of the common gamma chain
cytokines*, Cell Reports; see `tensorly.datasets.load_IL2data`.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_IL2data

import hntf

RANKS = (5, 2)


def half_dose(profile, doses):
    """Return the lowest dose that gets half of the strongest answer."""
    return min(dose for dose, value in zip(doses, profile, strict=True) if value >= profile.max() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/il2_response.png"))
    arguments = parser.parse_args()

    data = load_IL2data()
    X = np.asarray(data.tensor)
    ligands, hours, doses, cells = data.ticks
    shape = " × ".join(f"{d} {name}" for d, name in zip(X.shape, data.dims, strict=True))
    print(f"{shape}, {np.isnan(X).mean():.1%} missing")
    model = hntf.MultiHNTF(RANKS, random_state=0).fit(X, mask="nan")
    print(f"relative errors {' / '.join(f'{e:.3f}' for e in model.reconstruction_err_)} with {RANKS} patterns")

    upper = [profile / profile.max(axis=1, keepdims=True) for profile in model.components_[1]]
    by_ligand, by_hour, by_dose, by_cell = upper
    for i in range(RANKS[1]):
        strongest = ", ".join(cells[j] for j in np.argsort(-by_cell[i])[:3])
        print(
            f"pattern {i}: strongest in {strongest}; half of the answer at {half_dose(by_dose[i], doses):.2g} nM; "
            f"most by {ligands[int(np.argmax(by_ligand[i]))]}, after {hours[int(np.argmax(by_hour[i]))]} h"
        )
    tree = model.tree(
        [[f"{h} h" for h in hours], [f"{d:.2g} nM" for d in doses], cells], n_words=2, sample_names=ligands
    )
    print(f"\nhow patterns gather (hour | dose | cell):\n{tree}")

    figure, axes = plt.subplots(1, 5, figsize=(17, 4.2), layout="constrained", width_ratios=[1.5, 0.8, 1.2, 1.1, 1.3])
    colors = hntf.plot.axes.COLORS
    for axis, profile, ticks, name in ((axes[0], by_ligand, ligands, "ligand"), (axes[3], by_cell, cells, "cell")):
        for i in range(RANKS[1]):
            axis.barh(np.arange(len(ticks)) + 0.4 * i, profile[i], height=0.38, color=colors[i], label=f"pattern {i}")
        axis.set_yticks(np.arange(len(ticks)) + 0.2, ticks, fontsize=8)
        axis.set(title=name, xlabel="answer, relative")
        axis.invert_yaxis()
    axes[0].legend(frameon=False, fontsize=8)
    for axis, profile, ticks, name in ((axes[1], by_hour, hours, "time (h)"), (axes[2], by_dose, doses, "dose (nM)")):
        for i in range(RANKS[1]):
            axis.plot(ticks, profile[i], "o-", color=colors[i])
        axis.set(title=name, ylim=(0, 1.05))
    axes[2].set_xscale("log")
    hntf.plot.memberships(model, 1, ax=axes[4])
    axes[4].set(title="how five patterns gather in two", xlabel="pattern", ylabel="finer pattern")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
