"""Builds the tree of topics of a fitted model: shares, words, parents and samples of every component."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hntf.arrays import Array, to_numpy
from hntf.models import Model
from hntf.trees.topic import Topic, TopicTree, Weighted

N_SAMPLES = 5
"""The number of samples that are kept with a topic."""


def topic_tree(
    model: Model,
    sums: Sequence[Array],
    names: dict[int, list[str]],
    mode: int | None,
    n_words: int,
    *,
    codes: Sequence[Array] | None = None,
    sample_names: Sequence[str] | None = None,
) -> TopicTree:
    """Build the tree of a fitted model.

    Parameters
    ----------
    model : Model
        The fitted model.
    sums : list of arrays, `(1, k_l)`
        The sums of the codes of the samples, in the backend and on the device of the model.
    names : dict
        The names of the entries of every mode that is shown.
    mode : int or None
        The mode whose tree is built, where every mode has its own.
    n_words : int
        Maximum number of words per topic and mode.
    codes : list of arrays, `(n, k_l)`, optional
        The codes of the samples, which are required for mode 0; without them no samples are shown.
    sample_names : sequence of str, optional
        The names of the samples, by default their numbers.

    Raises
    ------
    ValueError
        If every mode has its own gathering matrices and `mode` is None, or mode 0 is shown and there are no codes.
    """
    last = len(sums) - 1
    of_modes = isinstance(model.memberships(last), list)
    if mode is None and of_modes and last > 0:
        order = len(model.memberships(last))
        if order > 2:
            raise ValueError(
                f"mode must be from 0 to {order - 1}, or 'all': every mode gathers its components for itself"
            )
        mode = 1
    if 0 in names and codes is None:
        raise ValueError("mode must be from 1: the tree of the samples needs their codes, and this model has none")
    at = None if mode is None else mode % len(model.profiles(0, sums[0]))
    masses = [np.abs(to_numpy(model.masses(level, S, at))) for level, S in enumerate(sums)]
    shares = [mass / (mass.sum() or 1.0) for mass in masses]
    gathered = [to_numpy(model.gathered_masses(level, sums[level], at)) for level in range(1, last + 1)]
    words = [_words(model, level, (codes or sums)[level], names, n_words, shares[level]) for level in range(last + 1)]
    samples: list[list[Weighted]] = [[[] for _ in mass] for mass in masses]
    if codes is not None:
        samples = [_samples(model, level, S, sample_names) for level, S in enumerate(codes)]

    def topic(level: int, index: int) -> Topic:
        children: list[Topic] = []
        if level > 0:
            parents = np.argmax(gathered[level - 1], axis=1)
            children = [topic(level - 1, int(child)) for child in np.flatnonzero(parents == index)]
        heaviest, telling = ({i: of_mode[index] for i, of_mode in kind.items()} for kind in words[level])
        return Topic(
            level + 1,
            index,
            float(shares[level][index]),
            [word for of_mode in heaviest.values() for word, _ in of_mode],
            _by_share(children),
            weights=heaviest,
            telling=telling,
            parents=_parents(gathered[level][index]) if level < last else [],
            samples=samples[level][index],
        )

    return TopicTree(_by_share([topic(last, index) for index in range(len(masses[last]))]), mode=at)


def _words(
    model: Model, level: int, code: Array, names: dict[int, list[str]], n_words: int, shares: np.ndarray
) -> tuple[dict[int, list[Weighted]], dict[int, list[Weighted]]]:
    """Return, by mode and component, the features with the largest weights and those that tell the component apart."""
    profiles = model.profiles(level, code)
    heaviest, telling = {}, {}
    for mode, of_mode in names.items():
        positive = np.maximum(to_numpy(profiles[mode]), 0.0)
        sums = positive.sum(axis=1, keepdims=True)
        fractions = positive / (sums + (sums == 0))
        heaviest[mode] = [_largest(row, row, of_mode, n_words) for row in fractions]
        typical = shares @ fractions
        ratios = fractions / (typical + (typical == 0))
        divergences = fractions * np.log(np.where(ratios > 0, ratios, 1.0))
        telling[mode] = [
            _largest(terms, row, of_mode, n_words) for terms, row in zip(divergences, fractions, strict=True)
        ]
    return heaviest, telling


def _samples(model: Model, level: int, code: Array, names: Sequence[str] | None) -> list[Weighted]:
    """Return, for every component, the samples in which it is largest with the fraction of the sample that it carries."""
    amounts = np.abs(to_numpy(code * model.unit_sums(level)))
    totals = amounts.sum(axis=1)
    found = []
    for column in amounts.T:
        largest = [i for i in np.argsort(-column, kind="stable")[:N_SAMPLES] if column[i] > 0]
        found.append(
            [(str(names[i]) if names is not None else f"sample{i}", float(column[i] / totals[i])) for i in largest]
        )
    return found


def _largest(order_by: np.ndarray, weights: np.ndarray, names: Sequence[str], n_words: int) -> Weighted:
    candidates = np.argsort(-order_by, kind="stable")[:n_words]
    return [(names[i], float(weights[i])) for i in candidates if order_by[i] > 0]


def _parents(masses: np.ndarray) -> list[tuple[int, float]]:
    """Return the components to which a component contributes, with the fractions of its mass, in decreasing order."""
    fractions = np.abs(masses) / (np.abs(masses).sum() or 1.0)
    # The parent that is shown comes first: it is chosen by the signed masses.
    order = sorted(range(len(masses)), key=lambda i: (i != int(np.argmax(masses)), -fractions[i]))
    return [(i, float(fractions[i])) for place, i in enumerate(order) if fractions[i] > 0 or place == 0]


def _by_share(topics: list[Topic]) -> list[Topic]:
    return sorted(topics, key=lambda topic: -topic.share)
