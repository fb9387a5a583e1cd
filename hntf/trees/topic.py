"""A topic with what it is made of, and the tree of them: what is drawn, printed, exported and put on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DIVIDED = 2 / 3
"""The fraction of a topic's mass in the parent that is shown below which its other parents are printed as well."""

CATCH_ALL = 0.6
"""The share of a level above which one topic of several is called a catch-all."""

Weighted = list[tuple[str, float]]
"""Names with their weights, in decreasing order."""


@dataclass
class Topic:
    """A component of one level.

    Attributes
    ----------
    level, index : int
        The level, from 1 for the finest, and the index of the component in it.
    share : float
        The fraction of the level's model that the component carries. The shares of a level sum to 1. The shares of children need
        not sum to that of their parent, which is a component of another level's model.
    words : list of str
        The features with the largest weights, in decreasing order; for a tensor those of all modes that are shown, mode by mode.
    children : list of Topic
        The components of the next finer level that contribute more to this topic than to any other, in decreasing order of share.
    weights : dict of int to list of (str, float)
        By mode, the features with the largest weights, as fractions of all weights of the topic in that mode.
    telling : dict of int to list of (str, float)
        By mode, the features that tell the topic apart from the others of its level: those with the largest terms
        `p log(p / q)` of the Kullback–Leibler divergence of its weights `p` from those `q` of the level.
    parents : list of (int, float)
        The components of the next coarser level to which it contributes, with the fraction of its mass, in decreasing order.
    samples : list of (str, float)
        The samples in which it is largest, with the fraction of each sample's model that it carries.
    name : str
        A name given by the user, or empty.
    stability : float or None
        How well the topic comes back in fits to other samples, from 0 to 1, if `TopicTree.add_stability` was told.
    edge_stability : float or None
        In which fraction of these fits it belongs to the same parent; None at the coarsest level.
    """

    level: int
    index: int
    share: float
    words: list[str]
    children: list[Topic] = field(default_factory=list)
    weights: dict[int, Weighted] = field(default_factory=dict)
    telling: dict[int, Weighted] = field(default_factory=dict)
    parents: list[tuple[int, float]] = field(default_factory=list)
    samples: Weighted = field(default_factory=list)
    name: str = ""
    stability: float | None = None
    edge_stability: float | None = None

    @property
    def label(self) -> str:
        """The name, or the words."""
        return self.name or " ".join(self.words)

    @property
    def short_label(self) -> str:
        """The name, or the first three words."""
        return self.name or " ".join(self.words[:3])

    def leaves(self) -> Iterator[Topic]:
        """Yield the topics of the finest level below this one, or the topic itself if there are none."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def topics(self) -> Iterator[Topic]:
        """Yield this topic and all below it."""
        yield self
        for child in self.children:
            yield from child.topics()


class TopicTree:
    """The topics of the last level with the finer topics below them; printing it draws the tree.

    Attributes
    ----------
    roots : list of Topic
        The components of the last level, in decreasing order of share.
    mode : int or None
        The mode whose tree it is, where every mode has its own.
    modes : dict of int to str
        The names of the modes whose features the topics show.
    errors : list of float
        The relative error of every level, finest first.

    Examples
    --------
    >>> import hntf
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> tree = hntf.NeuralNMF((4, 2), random_state=0).fit(X).tree(n_words=2)
    >>> print(tree.rename({(2, 0): "left", (2, 1): "right"}))
     68.5%  left
    ├─  46.1%  x85 x86
    └─  22.9%  x51 x53
     31.5%  right
    ├─  17.7%  x27 x33
    └─  13.3%  x3 x2
    >>> [(parent, round(part, 2)) for parent, part in tree.levels[0][0].parents]
    [(0, 0.98), (1, 0.02)]
    """

    def __init__(
        self,
        roots: list[Topic],
        *,
        mode: int | None = None,
        modes: Mapping[int, str] | None = None,
        errors: list[float] | None = None,
    ) -> None:
        self.roots = roots
        self.mode = mode
        self.modes = dict(modes or {})
        self.errors = list(errors or [])

    @property
    def levels(self) -> list[list[Topic]]:
        """The topics of every level, finest first, in the order of their indices."""
        topics = sorted(self, key=lambda topic: (topic.level, topic.index))
        n_levels = max(topic.level for topic in topics)
        return [[topic for topic in topics if topic.level == level] for level in range(1, n_levels + 1)]

    def __iter__(self) -> Iterator[Topic]:
        """Yield all topics, each one before those that it gathers."""
        for root in self.roots:
            yield from root.topics()

    def rename(self, names: Mapping[tuple[int, int], str]) -> TopicTree:
        """Name topics, by their level (from 1) and index, and return the tree; names are shown in place of the words.

        Raises
        ------
        ValueError
            If there is no topic of that level and index.
        """
        topics = {(topic.level, topic.index): topic for topic in self}
        for key, name in names.items():
            if key not in topics:
                raise ValueError(f"names must have keys (level, index) of topics of the tree, got {key!r}")
            topics[key].name = str(name)
        return self

    def add_stability(self, found: Any) -> TopicTree:
        """Show beside every topic how well it and the edge to its parent come back, as `hntf.stability(model, X)` found.

        Returns
        -------
        TopicTree
            The tree.

        Raises
        ------
        ValueError
            If the levels of `found` are not those of the tree.
        """
        sizes = [len(level) for level in self.levels]
        if [len(scores) for scores in found.components] != sizes:
            raise ValueError(
                f"found must be the stability of {sizes} components, got {[len(s) for s in found.components]}"
            )
        for level, scores in zip(self.levels, found.components, strict=True):
            for topic, score in zip(level, scores, strict=True):
                topic.stability = float(score)
        for level, scores in zip(self.levels, found.edges, strict=False):
            for topic in level:
                if topic.parents:
                    topic.edge_stability = float(scores[topic.index, topic.parents[0][0]])
        return self

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the tree: catch-all topics, with advice."""
        notes = []
        for level in self.levels:
            largest = max(level, key=lambda topic: topic.share)
            if len(level) > 1 and largest.share > max(CATCH_ALL, 1.6 / len(level)):
                notes.append(
                    f"the level of {len(level)} topics: one carries {largest.share:.0%} ({largest.short_label}). It is a catch-all "
                    "of what all samples have in common. Leave out features that nearly all samples have, ask for more topics "
                    "at this level, or for one level less."
                )
        return notes

    def __str__(self) -> str:
        by_level = self.levels
        lines = [line for root in self.roots for line in _lines(root, by_level, "", "", "")]
        return "\n".join([*lines, *(f"Note on {note}" for note in self.notes)])

    def __repr__(self) -> str:
        sizes = ", ".join(str(len(level)) for level in self.levels)
        return f"<TopicTree of {sizes} topics, finest first; print it, or save it with to_html(path)>"

    def _repr_html_(self) -> str:
        from hntf.trees.outline import outline

        return outline(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as dictionaries, lists, texts and numbers, as JSON takes them: every topic once, with its parents."""
        from hntf.trees.export import as_dict

        return as_dict(self)

    def to_networkx(self) -> Any:
        """Return a directed graph of networkx from coarser to finer topics, with `weight` on its edges: all parents of a topic.

        Nodes are `(level, index)`, with the attributes `label`, `share` and `words`.
        """
        from hntf.trees.export import as_graph

        return as_graph(self)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write a table with one row a topic, or return it as a text.

        Its columns are `level`, `index`, `name`, `share`, `parent`, `parent_weight`, `words`, `telling_words` and `samples`.
        """
        from hntf.trees.export import as_csv

        return _written(as_csv(self), path)

    def to_html(self, path: str | Path | None = None, *, title: str = "Topics") -> str | None:
        """Write one self-contained interactive page, or return it as a text.

        The page shows the tree, a topic's words and what tells it apart, all its parents, and its largest samples; topics can be
        searched by words and samples, and everything can be reached by the keyboard. It loads nothing from elsewhere.
        """
        from hntf.trees.page import page

        return _written(page([self], title), path)


class TopicForest:
    """The trees of all modes of a tensor, where every mode gathers its components for itself.

    Attributes
    ----------
    trees : dict of int to TopicTree
        The tree of every mode.
    """

    def __init__(self, trees: Mapping[int, TopicTree]) -> None:
        self.trees = dict(trees)

    def __getitem__(self, mode: int) -> TopicTree:
        return self.trees[mode]

    def __iter__(self) -> Iterator[TopicTree]:
        return iter(self.trees.values())

    def __len__(self) -> int:
        return len(self.trees)

    def __str__(self) -> str:
        return "\n\n".join(f"{tree.modes[mode]}\n{tree}" for mode, tree in self.trees.items())

    def _repr_html_(self) -> str:
        from hntf.trees.outline import outline

        return "".join(outline(tree) for tree in self)

    def __repr__(self) -> str:
        return f"<TopicForest of the trees of modes {', '.join(map(str, self.trees))}; print it, or save it with to_html(path)>"

    def rename(self, names: Mapping[int, Mapping[tuple[int, int], str]]) -> TopicForest:
        """Name topics of some modes, as `TopicTree.rename` does, and return the forest.

        Raises
        ------
        ValueError
            If there is no tree of that mode, or no topic of that level and index.
        """
        for mode, of_topics in names.items():
            if mode not in self.trees:
                raise ValueError(f"names must have modes of the forest as keys, {list(self.trees)}, got {mode!r}")
            self.trees[mode].rename(of_topics)
        return self

    def to_networkx(self) -> dict[int, Any]:
        """Return the graph of every mode, as `TopicTree.to_networkx` does."""
        return {mode: tree.to_networkx() for mode, tree in self.trees.items()}

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """Write the tables of all trees as `TopicTree.to_csv` does, with a column `mode` in front, or return them as a text."""
        from hntf.trees.export import as_csv

        return _written(
            "".join(as_csv(tree, mode, header=i == 0) for i, (mode, tree) in enumerate(self.trees.items())), path
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the trees as `TopicTree.to_dict` does, in a list `trees`."""
        return {"trees": [tree.to_dict() for tree in self]}

    def to_html(self, path: str | Path | None = None, *, title: str = "Topics") -> str | None:
        """Write one page as `TopicTree.to_html` does, with the modes side by side, or return it as a text."""
        from hntf.trees.page import page

        return _written(page(list(self), title), path)


def _written(text: str, path: str | Path | None) -> str | None:
    if path is None:
        return text
    Path(path).expanduser().write_text(text, encoding="utf-8")
    return None


def _lines(topic: Topic, levels: list[list[Topic]], prefix: str, branch: str, continuation: str) -> Iterator[str]:
    yield f"{prefix}{branch}{topic.share:6.1%}  {words_of(topic)}{_other_parents(topic, levels)}{_stability(topic)}"
    for i, child in enumerate(topic.children, start=1):
        last = i == len(topic.children)
        yield from _lines(child, levels, prefix + continuation, "└─ " if last else "├─ ", "   " if last else "│  ")


def words_of(topic: Topic) -> str:
    """Return the name of a topic or its words, those of the modes of a tensor set apart."""
    if topic.name or len(topic.weights) < 2:
        return topic.label
    return " | ".join(" ".join(word for word, _ in words) for words in topic.weights.values())


def _stability(topic: Topic) -> str:
    if topic.stability is None:
        return ""
    edge = "" if topic.edge_stability is None else f", edge {topic.edge_stability:.2f}"
    return f"  [stability {topic.stability:.2f}{edge}]"


def _other_parents(topic: Topic, levels: list[list[Topic]]) -> str:
    """Return where the rest of a topic's mass goes, if its parent does not get most of it."""
    if not topic.parents or topic.parents[0][1] >= DIVIDED:
        return ""
    (_, first), *others = topic.parents
    above = levels[topic.level]
    rest = ", ".join(f"{part:.0%} in {above[index].short_label}" for index, part in others[:2] if part >= 0.1)
    return f"  ({first:.0%} here, {rest})" if rest else f"  ({first:.0%} here)"
