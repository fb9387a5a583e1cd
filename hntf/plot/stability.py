"""Plot of the stability of components: their scores, level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hntf.plot.axes import SMALL, color, new_axes

if TYPE_CHECKING:
    from hntf.selection import Stability


def stability(found: Stability, *, ax: Any = None) -> Any:
    """Draw a bar with the score of each component, the levels beside each other, finest first.

    A dot is the score of the edge to its parent: the fraction of the fits that have it.

    Parameters
    ----------
    found : Stability
        The result of `hntf.stability`.
    ax : matplotlib Axes, optional
        The axes to draw on; by default those of a new figure.

    Returns
    -------
    matplotlib Axes
    """
    total = sum(map(len, found.components))
    ax = new_axes(max(4.8, 0.3 * total + 1.2), 3.6) if ax is None else ax
    start = 0
    ticks: list[int] = []
    labels: list[int] = []
    for level, scores in enumerate(found.components):
        x = [start + i for i in range(len(scores))]
        ax.bar(x, scores, color=color(level), label=f"level {level}")
        if level < len(found.parents):
            edges = [found.edges[level][i, parent] for i, parent in enumerate(found.parents[level])]
            ax.plot(x, edges, "o", color="black", markersize=4, label="edge to the parent" if level == 0 else None)
        ticks.extend(x)
        labels.extend(range(len(scores)))
        start += len(scores) + 1
    ax.set_xticks(ticks, labels)
    ax.set(ylim=(0, 1.03), xlabel="component", ylabel=f"mean similarity over {found.n_fits} fits")
    ax.legend(loc="lower right", fontsize=SMALL)
    return ax
