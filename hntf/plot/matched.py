"""Plot of the components of two models beside each other."""

from __future__ import annotations

from typing import Any

from hntf.metrics import factor_match_score
from hntf.metrics.inputs import factor_matrices
from hntf.metrics.matching import unit
from hntf.plot.axes import SMALL, AxesGrid, color, new_grid


def matched(first: Any, second: Any, *, names: tuple[str, str] = ("first", "second")) -> AxesGrid:
    """Draw the components of two decompositions over each other, matched as well as they can be, with columns of unit norm.

    Parameters
    ----------
    first, second : estimator, CPTensor, or sequence of arrays, `(d_i, k)`
        The decompositions; of a fitted estimator the finest level.
    names : (str, str)
        What they are called.

    Returns
    -------
    AxesGrid
        A row for every component of the first, a column for every mode. The title is the factor match score.
    """
    F, G = factor_matrices(first, "first"), factor_matrices(second, "second")
    score, partners = factor_match_score(F, G, return_permutation=True)
    k = F[0].shape[1]
    grid = new_grid(k, len(F), 3.0 * len(F) + 0.6, max(2.2, 1.2 * k + 0.8))
    for mode, (U, V) in enumerate(zip(map(unit, F), map(unit, G), strict=True)):
        for j in range(k):
            ax = grid[j][mode]
            ax.plot(U[:, j], color=color(0), label=names[0])
            if partners[j] >= 0:
                ax.plot(V[:, partners[j]], "--", color=color(1), label=names[1])
            ax.set_yticks([])
            ax.margins(x=0)
            if j < k - 1:
                ax.tick_params(labelbottom=False)
            if mode == 0:
                ax.set_ylabel(f"{j} / {partners[j]}" if partners[j] >= 0 else f"{j} / –", rotation=0, ha="right")
            if j == 0:
                ax.set_title(f"mode {mode}", fontsize=10)
    grid[0][0].legend(frameon=False, fontsize=SMALL)
    grid.figure.suptitle(f"factor match score {score:.3f}")
    return grid
