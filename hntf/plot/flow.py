"""Plot of a tree of topics with all parents: boxes as high as shares, bands as wide as the mass that flows."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.plot.axes import SMALL, axes_and_size, color, in_lines
from hntf.trees import TopicTree

BOX, GAP = 0.06, 0.012
"""The width of a box and the gap between two of them, in units of the distance of levels and of the height of the picture."""

FAINT = 0.02
"""The fraction of a topic's mass below which a band is left out."""


def flow(tree: TopicTree, *, n_words: int = 3, ax: Any = None) -> Any:
    """Draw how the topics of every level gather into those above, coarsest on the left.

    A topic is as high as its share of the level; a band is as wide as the part of the finer topic that it carries to the coarser
    one, so that a topic that belongs to several is seen to. Bands have the colour of the coarsest topic that gets most.

    Parameters
    ----------
    tree : TopicTree
        The tree, as returned by `model.tree(feature_names)`.
    n_words : int
        Maximum number of words beside a box.
    ax : matplotlib Axes, optional
        The axes to draw on; by default those of a new figure of suitable size.

    Returns
    -------
    matplotlib Axes
    """
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    levels = tree.levels[::-1]
    ax, width, whole = axes_and_size(ax, 3.4 * len(levels) + 1.2, max(3.0, 0.34 * len(levels[-1]) + 1.0))
    root_of: dict[tuple[int, int], int] = {}
    for i, root in enumerate(tree.roots):
        for topic in root.topics():
            root_of[topic.level, topic.index] = i
    place: dict[tuple[int, int], tuple[float, float]] = {}
    for x, topics in enumerate(levels):
        order = [topic for topic in tree if topic.level == topics[0].level]
        free = 1.0 - GAP * (len(order) - 1)
        top = 0.0
        for topic in order:
            height = topic.share * free
            place[topic.level, topic.index] = (top, height)
            shade = color(root_of[topic.level, topic.index])
            ax.add_patch(Rectangle((x, top), BOX, height, facecolor=shade, lw=0))
            words = topic.name or " ".join(topic.words[:n_words])
            label = in_lines(f"{topic.share:.0%} {words}", (0.98 - 1.25 * BOX) * width / len(levels), height * whole)
            ax.text(x + BOX * 1.25, top + height / 2, label, va="center", fontsize=SMALL)
            top += height + GAP
    for x, topics in enumerate(levels[1:], start=1):
        filled: dict[int, float] = {}
        incoming = {parent.index: 0.0 for parent in levels[x - 1]}
        for topic in topics:
            for parent, part in topic.parents:
                incoming[parent] += part * topic.share
        for topic in [topic for topic in tree if topic.level == topics[0].level]:
            start, height = place[topic.level, topic.index]
            for parent, part in topic.parents:
                if part < FAINT:
                    continue
                y0, parent_height = place[topic.level + 1, parent]
                left = parent_height * part * topic.share / incoming[parent]
                y = y0 + filled.get(parent, 0.0)
                filled[parent] = filled.get(parent, 0.0) + left
                right = height * part
                ends = (x - 1 + BOX, x)
                middle = float(np.mean(ends))
                points = [(ends[0], y), (middle, y), (middle, start), (ends[1], start), (ends[1], start + right),
                          (middle, start + right), (middle, y + left), (ends[0], y + left), (ends[0], y)]  # fmt: skip
                codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
                shade = color(root_of[topic.level + 1, parent])
                ax.add_patch(PathPatch(Path(points, codes), facecolor=shade, alpha=0.25, lw=0, zorder=0))
                start += right
    ax.set(xlim=(-0.02, len(levels) - 0.1), ylim=(1.0, 0.0))
    ax.set_axis_off()
    return ax
