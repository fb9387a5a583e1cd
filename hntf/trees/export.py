"""A tree of topics as dictionaries, a graph and a table."""

from __future__ import annotations

import csv
import io
from typing import Any

from hntf.trees.topic import Topic, TopicTree


def as_dict(tree: TopicTree) -> dict[str, Any]:
    """Return the tree as dictionaries, lists, texts and numbers."""
    return {
        "mode": tree.mode,
        "modes": {str(mode): name for mode, name in tree.modes.items()},
        "errors": tree.errors,
        "notes": tree.notes,
        "topics": [_topic(topic) for level in tree.levels for topic in level],
    }


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "level": topic.level,
        "index": topic.index,
        "name": topic.name,
        "share": topic.share,
        "stability": topic.stability,
        "edge_stability": topic.edge_stability,
        "words": {str(mode): [list(pair) for pair in words] for mode, words in topic.weights.items()},
        "telling": {str(mode): [list(pair) for pair in words] for mode, words in topic.telling.items()},
        "parents": [list(pair) for pair in topic.parents],
        "samples": [list(pair) for pair in topic.samples],
    }


def as_graph(tree: TopicTree) -> Any:
    """Return a directed graph from coarser to finer topics."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError("graphs need networkx: pip install networkx") from error
    graph = networkx.DiGraph()
    for topic in tree:
        graph.add_node((topic.level, topic.index), label=topic.label, share=topic.share, words=list(topic.words))
    for topic in tree:
        for parent, weight in topic.parents:
            graph.add_edge((topic.level + 1, parent), (topic.level, topic.index), weight=weight)
    return graph


COLUMNS = ("level", "index", "name", "share", "parent", "parent_weight", "words", "telling_words", "samples")
"""The columns of a table of topics."""


def as_csv(tree: TopicTree, mode: int | None = None, *, header: bool = True) -> str:
    """Return a table with one row a topic, with the mode in front where it is given."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    front = [] if mode is None else [mode]
    columns = [] if mode is None else ["mode"]
    if header:
        writer.writerow([*columns, *COLUMNS])
    for level in tree.levels:
        for topic in level:
            parent, weight = topic.parents[0] if topic.parents else ("", "")
            telling = [word for words in topic.telling.values() for word, _ in words]
            samples = " | ".join(name for name, _ in topic.samples)
            words, telling_words = " ".join(topic.words), " ".join(telling)
            row = [
                *front,
                topic.level,
                topic.index,
                topic.name,
                topic.share,
                parent,
                weight,
                words,
                telling_words,
                samples,
            ]
            writer.writerow(row)
    return file.getvalue()
