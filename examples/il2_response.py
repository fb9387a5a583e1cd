"""IL-2 response: which cells answer to which ligands, at which doses; missing entries are left out.

The tensor, shipped with TensorLy, holds the answer (phosphorylated STAT5, 0 to 1) of 8 kinds of cells to 13 forms of the
cytokine at 12 doses and 4 times; 4 % of it is missing. Five patterns of answer gather in two; a pattern of either level is one
component of a CP decomposition, over all modes.

Reference: Farhat, Lu-Culligan, Melo et al. (2021), *Modeling cell-specific dynamics and regulation of the common gamma chain
cytokines*, Cell Reports; see `tensorly.datasets.load_IL2data`.
"""

import argparse
import time
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
    ligands, _, doses, cells = data.ticks
    print(
        f"{' × '.join(f'{d} {name}' for d, name in zip(X.shape, data.dims, strict=True))}, {np.isnan(X).mean():.1%} missing"
    )
    start = time.perf_counter()
    model = hntf.MultiHNTF(RANKS, random_state=0).fit(X, mask="nan")
    print(f"relative error {' / '.join(f'{e:.3f}' for e in model.reconstruction_err_)} of {RANKS} patterns, "
          f"{time.perf_counter() - start:.1f} s")  # fmt: skip

    by_ligand, _, by_dose, by_cell = (
        [level / level.max(axis=1, keepdims=True) for level in mode] for mode in zip(*model.components_, strict=True)
    )
    for pattern in range(RANKS[1]):
        strongest = [cells[i] for i in np.argsort(-by_cell[1][pattern])[:3]]
        ligand = ligands[int(np.argmax(by_ligand[1][pattern]))]
        print(
            f"pattern {pattern + 1}: strongest in {', '.join(strongest)}; half of the answer at "
            f"{half_dose(by_dose[1][pattern], doses):.2g} nM; most by {ligand}"
        )

    figure, axes = plt.subplots(2, 3, figsize=(13, 6), layout="constrained")
    for row, level in zip(axes, (0, 1), strict=True):
        for axis, (components, ticks) in zip(row, ((by_ligand, ligands), (by_cell, cells)), strict=False):
            axis.imshow(components[level], aspect="auto", cmap="magma_r", vmin=0, vmax=1)
            axis.set_xticks(range(len(ticks)), ticks, rotation=60, ha="right", fontsize=7)
            axis.set_yticks(range(RANKS[level]), range(1, RANKS[level] + 1))
            axis.set_ylabel(f"{RANKS[level]} patterns")
        row[2].semilogx(doses, by_dose[level].T)
        row[2].set(xlabel="dose (nM)", ylabel="answer, relative")
        row[2].legend(range(1, RANKS[level] + 1), title="pattern", fontsize=7)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=120)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
