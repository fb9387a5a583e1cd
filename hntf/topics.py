"""The tree of topics of a fitted hierarchy: which topics gather under which supertopic, with their words and shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hntf.arrays import Array, to_numpy
from hntf.models import Model
from hntf.validation import check_number


@dataclass(frozen=True)
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
        The features with the largest weights, in decreasing order.
    children : list of Topic
        The components of the next finer level that contribute more to this topic than to any other, in decreasing order of share.
    """

    level: int
    index: int
    share: float
    words: list[str]
    children: list[Topic] = field(default_factory=list)

    def leaves(self) -> Iterator[Topic]:
        """Yield the topics of the finest level below this one, or the topic itself if there are none."""
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
    """The topics of the last level with the finer topics below them; printing it draws the tree.

    Attributes
    ----------
    roots : list of Topic
        The components of the last level, in decreasing order of share.
    """

    roots: list[Topic]

    def __str__(self) -> str:
        return "\n".join(line for root in self.roots for line in root._lines("", "", ""))


def named_features(feature_names: Any, mode: int | None, shape: Sequence[int], seen: Any) -> dict[int, list[str]]:
    """Return the names of the entries of the modes that a tree shows, as a dictionary by mode.

    Parameters
    ----------
    feature_names : sequence of str, or of such sequences, or None
        The names that the user passed.
    mode : int or None
        The mode to show; by default all modes but that of the samples.
    shape : sequence of int
        The shape of the data, samples first.
    seen : sequence of str or None
        The names of the features seen in `fit`.

    Raises
    ------
    TypeError, ValueError
        If a mode is out of range or the names do not match the data.
    """
    order = len(shape)
    if mode is not None:
        check_number(mode, "mode", low=-order, integer=True)
        if mode >= order:
            raise ValueError(f"mode must be from {-order} to {order - 1}, got {mode}")
        shown, given = [mode % order], [feature_names]
    elif order == 2:
        shown, given = [1], [feature_names]
    else:
        shown = list(range(1, order))
        given = [None] * len(shown) if feature_names is None else list(feature_names)
        if len(given) != len(shown) or any(isinstance(names, str) for names in given):
            raise ValueError(
                f"feature_names must hold {len(shown)} sequences of names, one for every mode from 1 (None for numbers)"
            )
    names = {}
    for i, of_mode in zip(shown, given, strict=True):
        if of_mode is None:
            of_mode = seen if seen is not None and order == 2 and i == 1 else _numbers(i, order, shape[i])  # noqa: PLW2901
        names[i] = [str(name) for name in of_mode]
        if len(names[i]) != shape[i]:
            raise ValueError(
                f"feature_names must hold {shape[i]} names for the entries of mode {i}, got {len(names[i])}"
            )
    return names


def _numbers(mode: int, order: int, count: int) -> list[str]:
    prefix = {0: "sample", 1: "x" if order == 2 else "mode1:"}.get(mode, f"mode{mode}:")
    return [f"{prefix}{i}" for i in range(count)]


def topic_tree(
    model: Model, codes: Sequence[Array], names: dict[int, list[str]], mode: int | None, n_words: int
) -> TopicTree:
    """Build the tree of a fitted model.

    Parameters
    ----------
    model : Model
        The fitted model.
    codes : list of arrays, `(n, k_l)`
        The codes of the samples, in the backend and on the device of the model.
    names : dict
        The names of the entries of every mode that is shown.
    mode : int or None
        The mode whose tree is built, where every mode has its own.
    n_words : int
        Maximum number of words per topic and mode.

    Raises
    ------
    ValueError
        If every mode has its own gathering matrices and `mode` is None.
    """
    last = len(codes) - 1
    of_modes = isinstance(model.memberships(last), list)
    if mode is None and of_modes and last > 0:
        order = len(model.memberships(last))
        if order > 2:
            raise ValueError(f"mode must be from 0 to {order - 1}: every mode gathers its components for itself")
        mode = 1
    at = None if mode is None else mode % len(model.profiles(0, codes[0]))
    profiles = [{i: to_numpy(model.profiles(level, S)[i]) for i in names} for level, S in enumerate(codes)]
    masses = [np.abs(to_numpy(model.masses(level, S, at))) for level, S in enumerate(codes)]
    shares = [mass / (mass.sum() or 1.0) for mass in masses]
    parents = [
        np.argmax(to_numpy(model.gathered_masses(level, codes[level], at)), axis=1) for level in range(1, last + 1)
    ]

    def topic(level: int, index: int) -> Topic:
        children: list[Topic] = []
        if level > 0:
            children = [topic(level - 1, int(child)) for child in np.flatnonzero(parents[level - 1] == index)]
        words = [word for i in names for word in _heaviest(profiles[level][i][index], names[i], n_words)]
        return Topic(level + 1, index, float(shares[level][index]), words, _by_share(children))

    return TopicTree(_by_share([topic(last, index) for index in range(len(masses[last]))]))


def _heaviest(weights: np.ndarray, names: Sequence[str], n_words: int) -> list[str]:
    order = np.argsort(-weights, kind="stable")[:n_words]
    return [names[i] for i in order if weights[i] > 0]


def _by_share(topics: list[Topic]) -> list[Topic]:
    return sorted(topics, key=lambda topic: -topic.share)
