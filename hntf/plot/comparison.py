"""Plot of a comparison of models: their errors, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hntf.plot.axes import color, new_axes

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
        ax.errorbar(levels, errors, spread, fmt="o-", ms=4, capsize=3, color=color(i), label=name)
        if "held-out error" in table.columns:
            ax.plot(
                levels,
                [row["held-out error"] for row in of_model],
                "x--",
                color=color(i),
                label=f"{name}, held out",
            )
    ax.set_xticks(sorted(set(table["level"])))
    ax.set(xlabel="level, from the finest", ylabel="relative error", ylim=(0, None))
    ax.legend(frameon=False)
    return ax
