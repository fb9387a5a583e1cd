"""The tree that a hierarchy spans: which topics gather under which supertopic, with their words and shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Topic:
    """A component of one level.

    Attributes
    ----------
    level, index : int
        Level from 1, the finest, and position of the component in it.
    share : float
        Part of the level's model that the component carries. The shares of a level add up to 1; those of children need not
        add up to their parent's, whose level is another model.
    words : list of str
        The features of largest weight, heaviest first.
    children : list of Topic
        The components one level finer that this one gathers more than any other does, largest share first.
    """

    level: int
    index: int
    share: float
    words: list[str]
    children: list[Topic] = field(default_factory=list)

    def leaves(self) -> Iterator[Topic]:
        """Yield the finest topics below, or the topic itself."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.leaves()

    def _lines(self, prefix: str, branch: str, continuation: str) -> Iterator[str]:
        yield f"{prefix}{branch}{self.share:6.1%}  {' '.join(self.words)}"
        for i, child in enumerate(self.children, start=1):
            last = i == len(self.children)
            yield from child._lines(prefix + continuation, "└─ " if last else "├─ ", "   " if last else "│  ")


@dataclass(frozen=True)
class TopicTree:
    """The topics of the last level, each with the finer ones below it; printing it draws the tree.

    Attributes
    ----------
    roots : list of Topic
        The components of the last level, largest share first.
    """

    roots: list[Topic]

    def __str__(self) -> str:
        return "\n".join(line for root in self.roots for line in root._lines("", "", ""))


def topic_tree(
    factors: Sequence[np.ndarray],
    codes: Sequence[np.ndarray],
    components: Sequence[np.ndarray],
    feature_names: Sequence[str],
    n_words: int,
) -> TopicTree:
    """Build the tree of a fitted hierarchy.

    Parameters
    ----------
    factors : list of arrays, `(k_{l−1}, k_l)`
    codes : list of arrays, `(n, k_l)`
    components : list of arrays, `(k_l, m)`
    feature_names : sequence of str, `m` of them
    n_words : int
        Most words a topic shows.
    """
    masses = [code.sum(axis=0) * rows.sum(axis=1) for code, rows in zip(codes, components, strict=True)]
    shares = [mass / (mass.sum() or 1.0) for mass in masses]

    def topic(level: int, index: int) -> Topic:
        weights = components[level][index]
        heaviest = [i for i in np.argsort(-weights, kind="stable")[:n_words] if weights[i] > 0]
        children: list[Topic] = []
        if level > 0:
            # What a finer component gives to each coarser one, in the mass that each coarser one carries.
            parents = np.argmax(factors[level] * codes[level].sum(axis=0), axis=1)
            children = [topic(level - 1, int(child)) for child in np.flatnonzero(parents == index)]
        words = [str(feature_names[i]) for i in heaviest]
        return Topic(level + 1, index, float(shares[level][index]), words, _by_share(children))

    last = len(factors) - 1
    return TopicTree(_by_share([topic(last, index) for index in range(len(components[last]))]))


def _by_share(topics: list[Topic]) -> list[Topic]:
    return sorted(topics, key=lambda topic: -topic.share)
