"""Plot of a selection of ranks: errors against the number of components, with what is recommended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hntf.plot.axes import color, new_axes

if TYPE_CHECKING:
    from hntf.selection import RankSelection
    from hntf.tables import Table

RELATIVE_ERRORS = ("held-out", "bi-cross-validation")
"""Criteria whose values are squares of relative errors."""

NAMES = {
    "thinning": "negative log-likelihood of a held-out count",
    "core-consistency": "core consistency (%)",
    "stability": "match of fits from other starts",
    "bic": "BIC",
    "bai-ng": "Bai and Ng's criterion",
}

LARGEST_CONSISTENCY = 105.0
"""The range of core consistencies that is shown, from its negative."""


def ranks(selection: RankSelection, *, ax: Any = None) -> Any:
    """Draw the prediction errors of all numbers of components with their standard errors, and the errors of the fits.

    A criterion that decides and is no relative error, such as BIC, has an axis of its own, on the right if there are errors.

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
    decides = next(iter(selection.criteria), None)
    errors = [name for name in RELATIVE_ERRORS if name in table.columns]
    for name in errors:
        root, bars = _root_and_bars(table, name)
        (line, *_) = ax.errorbar(x, root, bars, fmt="o-", ms=4, capsize=3, label=f"{name} error")
        folds = _numbers(table[f"{name} folds"])
        if (dropped := folds < np.nanmax(folds)).any():
            label = f"dropped after {np.nanmin(folds):.0f} folds"
            ax.plot(x[dropped], root[dropped], "o", ms=4, color=line.get_color(), mfc="white", zorder=3, label=label)
    if "error" in table.columns:
        ax.plot(x, _numbers(table["error"]), ":", color="0.5", label="relative error of a fit of all data")
    is_alone = decides in table.columns and not errors and "error" not in table.columns
    best = selection.best[0] if isinstance(selection.best, tuple) and numeric else selection.best
    if best is not None:
        ax.axvline(
            best if numeric else labels.index(str(best)), color=color(5), lw=1, label=f"recommended: {selection.best}"
        )
    if not numeric:
        ax.set_xticks(x, labels, rotation=45)
    title = "nothing is recommended" if best is None else f"{selection.best} recommended"
    ax.set(xlabel="components", ylabel="" if is_alone else "relative error", title=title)
    of_criterion = ax
    if decides in table.columns and decides not in errors:
        of_criterion = ax if is_alone else ax.twinx()
        deviations = f"{decides} standard error"
        of_criterion.errorbar(
            x,
            _numbers(table[decides]),
            _numbers(table[deviations]) if deviations in table.columns else None,
            fmt="s-",
            ms=4,
            capsize=3,
            color=color(1),
            label=decides if is_alone else f"{decides} (right axis)",
        )
        of_criterion.set_ylabel(NAMES.get(decides, decides))
        if decides == "core-consistency":  # far below zero with too many components
            of_criterion.set_ylim(max(of_criterion.get_ylim()[0], -LARGEST_CONSISTENCY), LARGEST_CONSISTENCY)
    lines, names = ax.get_legend_handles_labels()
    if of_criterion is not ax:
        on_the_right = of_criterion.get_legend_handles_labels()
        lines, names = lines + on_the_right[0], names + on_the_right[1]
    ax.legend(lines, names, frameon=False)
    return ax


def _root_and_bars(table: Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return relative errors from their squares, with standard errors to first order."""
    root = np.sqrt(_numbers(table[name]))
    return root, _numbers(table[f"{name} standard error"]) / np.where(root > 0, 2 * root, 1.0)


def _numbers(column: Sequence[Any]) -> np.ndarray:
    """Return a column of the table, with NaN where a rank was not tried."""
    return np.array([np.nan if value is None else value for value in column], dtype=float)
