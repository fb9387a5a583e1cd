"""Plot of a comparison of models: their errors, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hntf.plot.axes import color, marker, new_axes

if TYPE_CHECKING:
    from hntf.selection.comparison import Comparison


def comparison(table: Comparison, *, ax: Any = None) -> Any:
    """Draw the error of every model over its levels, with standard deviations where there are several fits.

    Parameters
    ----------
    table : Comparison
        The result of `hntf.compare`.
    ax : matplotlib Axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(6.4, 4.0) if ax is None else ax
    rows = list(table)
    for i, name in enumerate(dict.fromkeys(table["model"])):
        of_model = [row for row in rows if row["model"] == name]
        levels, errors = [row["level"] for row in of_model], [row["error"] for row in of_model]
        spread = [row.get("error ±", 0.0) for row in of_model]
        ax.errorbar(levels, errors, spread, fmt=f"{marker(i)}-", ms=4, capsize=3, color=color(i), label=name)
        if "held-out error" in table.columns:
            held_out = [row["held-out error"] for row in of_model]
            ax.plot(levels, held_out, f"{marker(i)}--", ms=4, mfc="none", color=color(i))
    if "held-out error" in table.columns:
        ax.plot([], [], "o--", ms=4, mfc="none", color="0.5", label="held out")
    ax.set_xticks(sorted(set(table["level"])))
    ax.set(xlabel="level, from the finest", ylabel="relative error", ylim=(0, None))
    # Beside the axes, the names of many models hide nothing.
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
