"""Plot of the tree of topics as nested boxes, with the supertopics on the left."""

from __future__ import annotations

from typing import Any

from hntf.plot.axes import SMALL, axes_and_size, color, in_lines
from hntf.trees import Topic, TopicTree

ROW_HEIGHT, COLUMN_WIDTH = 0.42, 4.2
"""Height of a topic of the finest level and width of a level, in inches."""


def tree(topics: TopicTree, *, n_words: int = 5, ax: Any = None) -> Any:
    """Draw the tree of topics with one column per level, coarsest first.

    The topics that a topic gathers are to the right of its box.

    Parameters
    ----------
    topics : TopicTree
        The tree, as returned by `model.tree(feature_names)`.
    n_words : int
        Maximum number of words per box.
    ax : matplotlib Axes, optional
        The axes to draw on; by default those of a new figure of suitable size.

    Returns
    -------
    matplotlib Axes
        The axes with the plot. Save the figure with `ax.figure.savefig(path)`.
    """
    levels = max(root.level for root in topics.roots)
    rows = sum(_rows(root) for root in topics.roots)
    ax, width, height = axes_and_size(ax, COLUMN_WIDTH * levels, ROW_HEIGHT * rows + 0.4)
    unit = width / levels, height / rows
    ax.set(xlim=(0, levels), ylim=(rows, 0))
    ax.set_axis_off()
    top = 0
    for i, root in enumerate(topics.roots):
        _draw(ax, root, levels, top, color(i), n_words, unit)
        top += _rows(root)
    return ax


def _rows(topic: Topic) -> int:
    return sum(1 for _ in topic.leaves())


def _draw(ax: Any, topic: Topic, levels: int, top: int, color: str, n_words: int, unit: tuple[float, float]) -> None:
    """Draw a topic and those that it gathers; `unit` is the width of a level and the height of a topic of the finest, in inches."""
    from matplotlib.patches import Rectangle

    left, height = levels - topic.level, _rows(topic)
    ax.add_patch(
        Rectangle((left + 0.01, top + 0.04), 0.98, height - 0.08, facecolor=color, alpha=0.16 + 0.2 * topic.share)
    )
    words = topic.name or " ".join(topic.words[:n_words])
    label = in_lines(f"{topic.share:.1%}  {words}", 0.9 * unit[0], 0.92 * height * unit[1])
    ax.text(left + 0.03, top + height / 2, label, va="center", fontsize=SMALL, clip_on=True)
    for child in topic.children:
        _draw(ax, child, levels, top, color, n_words, unit)
        top += _rows(child)
