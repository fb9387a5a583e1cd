"""Coherence of topics: whether their words occur together in documents; and diversity, whether topics differ in their words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import to_numpy
from hntf.metrics.inputs import check_fitted
from hntf.validation import check_choice, check_entries, check_number, check_real_array

SMOOTHING = 1e-12
"""What is added to probabilities of pairs, as gensim does, so that pairs that never occur have a logarithm."""

MEASURES = ("npmi", "c_v", "umass")


def coherence(components: Any, X: Any, *, measure: str = "npmi", n_words: int = 10, per_topic: bool = False) -> Any:
    r"""Return the coherence of topics over documents, the mean over topics.

    - `"npmi"`: the mean normalised pointwise mutual information of the pairs of the heaviest words,
      `log(p(i, j) / (p(i) p(j))) / −log p(i, j)` (Bouma 2009), with `p(i, j)` larger by 1e-12, as in gensim, so that the value
      of words that are never together is near −1 and not undefined; −1 for a word that never occurs.
    - `"c_v"`: the mean cosine of the vectors of these of each word, and of all words together (Röder, Both, Hinneburg 2015);
      0 for a word that never occurs.
    - `"umass"`: the mean of `log((D(i, j) + 1) / D(j))` with `j` the heavier word (Mimno et al. 2011).

    Probabilities are fractions of the documents in which words occur: the windows of text that Röder et al. slide over documents
    are whole documents here, because a matrix of documents does not know the order of words.

    Parameters
    ----------
    components : array, `(k, m)`, or estimator
        The weights of the words in each topic; of a fitted estimator those of the finest level.
    X : array or sparse matrix, `(n, m)`
        The documents; a word occurs where an entry is positive.
    measure : {"npmi", "c_v", "umass"}
        The measure.
    n_words : int
        Number of words per topic, at least 2.
    per_topic : bool
        Whether to return one value for each topic: NaN for one with fewer than two words, which the mean leaves out.

    Returns
    -------
    float, or array, `(k,)`

    References
    ----------
    Röder, Both, Hinneburg (2015), *Exploring the space of topic coherence measures*, WSDM.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> X = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]])
    >>> hntf.metrics.coherence(np.array([[1.0, 0.9, 0.0]]), X, n_words=2)
    1.0
    """
    check_choice(measure, "measure", MEASURES)
    check_number(n_words, "n_words", low=2, integer=True)
    words = _heaviest(_weights(components), n_words)
    if not scipy.sparse.issparse(X):
        X = to_numpy(check_real_array(X, "X", orders=(2,), entries=False, may_be_empty=True))
    documents = scipy.sparse.csc_array(X)
    check_entries(np.append(documents.data, 0.0), "X", nonnegative=True)
    occurs = documents > 0
    if occurs.shape[1] <= max((j for topic in words for j in topic), default=0):
        raise ValueError(f"X must have a column for every word of the components, got {occurs.shape[1]} columns")
    if not occurs.shape[0]:
        raise ValueError("X must have documents, got none")
    scores = np.array(
        [
            _of_topic(occurs[:, list(topic)].toarray().astype(float), measure) if len(topic) > 1 else np.nan
            for topic in words
        ]
    )
    return scores if per_topic else float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan


def _of_topic(occurs: np.ndarray, measure: str) -> float:
    n = len(occurs)
    together = occurs.T @ occurs
    single = np.diagonal(together)
    pairs = list(combinations(range(len(single)), 2))
    if measure == "umass":
        return float(np.mean([np.log((together[i, j] + 1.0) / max(single[i], 1.0)) for i, j in pairs]))
    joint = together / n + SMOOTHING
    p = np.maximum(single, SMOOTHING) / n
    npmi = np.log(joint / np.outer(p, p)) / -np.log(np.minimum(joint, 1.0 - SMOOTHING))
    absent = (single == 0)[:, None] | (single == 0)
    if measure == "npmi":
        # A word that never occurs goes with no other: the limit for pairs that are never together.
        npmi[absent] = -1.0
        return float(np.mean([min(npmi[i, j], 1.0) for i, j in pairs]))
    npmi[absent] = 0.0
    whole = npmi.sum(axis=0)
    norms = np.linalg.norm(npmi, axis=1) * np.linalg.norm(whole)
    return float(np.mean(npmi @ whole / np.where(norms > 0, norms, 1.0)))


def diversity(components: Any, *, n_words: int = 25) -> float:
    """Return the fraction of different words among the heaviest words of all topics (Dieng, Ruiz, Blei 2020).

    Parameters
    ----------
    components : array, `(k, m)`, or estimator
        As in `coherence`.
    n_words : int
        Number of words per topic.

    References
    ----------
    Dieng, Ruiz, Blei (2020), *Topic modeling in embedding spaces*, TACL 8.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.metrics.diversity(np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]]), n_words=2)
    0.75
    """
    check_number(n_words, "n_words", low=1, integer=True)
    words = _heaviest(_weights(components), n_words)
    total = sum(map(len, words))
    return len({word for topic in words for word in topic}) / total if total else 0.0


def _weights(components: Any) -> np.ndarray:
    if hasattr(components, "fit"):
        components = check_fitted(components, "components").components_[0]
        if isinstance(components, list):
            raise TypeError("components must be those of a matrix, (k, m), got an estimator of a tensor")
    if scipy.sparse.issparse(components):
        components = components.toarray()
    array = np.asarray(components, dtype=float)
    if array.ndim != 2:
        raise ValueError(f"components must have shape (k, m), got order {array.ndim}")
    check_entries(np.append(array, 0.0), "components")
    return array


def _heaviest(weights: np.ndarray, n_words: int) -> list[Sequence[int]]:
    """Return the positions of the heaviest words of every topic, without those of weight 0."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :n_words]
    return [[int(j) for j in row if topic[j] > 0] for row, topic in zip(order, weights, strict=True)]
