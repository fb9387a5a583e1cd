"""Plot of a selection of ranks: errors against the number of components, with what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hntf.plot.axes import color, new_axes

if TYPE_CHECKING:
    from hntf.selection import RankSelection

PREDICTIONS = ("held-out", "bi-cross-validation", "thinning")


def ranks(selection: RankSelection, *, ax: Any = None) -> Any:
    """Draw the prediction errors of all numbers of components with their standard errors, and the errors of the fits.

    A criterion that decides and is no error, such as BIC, has an axis of its own on the right.

    Parameters
    ----------
    selection : RankSelection
        The result of `hntf.select_ranks`.
    ax : matplotlib Axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(6.4, 4.0) if ax is None else ax
    table = selection.table
    labels = [str(rank) for rank in table["rank"]]
    numeric = all(isinstance(rank, int) for rank in table["rank"])
    x = np.array(table["rank"] if numeric else range(len(labels)), dtype=float)
    for name in [name for name in table.columns if name in PREDICTIONS or name == "error"]:
        y = _numbers(table[name])
        if name == "error":
            ax.plot(x, y, ":", color="0.5", label="relative error of a fit of all data")
            continue
        bars = _numbers(table[f"{name} standard error"])
        ax.errorbar(x, np.sqrt(y) if name != "thinning" else y, bars / (2 * np.sqrt(y)) if name != "thinning" else bars,
                    fmt="o-", ms=4, capsize=3, label=f"{name} error")  # fmt: skip
    best = selection.best[0] if isinstance(selection.best, tuple) and numeric else selection.best
    if best is not None:
        ax.axvline(
            best if numeric else labels.index(str(best)), color=color(5), lw=1, label=f"recommended: {selection.best}"
        )
    if not numeric:
        ax.set_xticks(x, labels, rotation=45)
    ax.set(
        xlabel="components", ylabel="relative error", title=selection.reason.split(". ")[0].rstrip(".").split(": ")[0]
    )
    lines, names = ax.get_legend_handles_labels()
    decides = next(iter(selection.criteria), None)
    if decides in table.columns and decides not in PREDICTIONS:
        right = ax.twinx()
        lines += right.plot(x, _numbers(table[decides]), "s-", ms=4, color=color(1))
        names.append(f"{decides} (right axis)")
        right.set_ylabel(decides)
    ax.legend(lines, names, frameon=False)
    return ax


def _numbers(column: Sequence[Any]) -> np.ndarray:
    """Return a column of the table, with NaN where a rank was not tried."""
    return np.array([np.nan if value is None else value for value in column], dtype=float)
