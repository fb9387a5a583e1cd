"""Hierarchies against known labels, and against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from hntf.arrays import to_numpy
from hntf.costs.targets import is_unknown
from hntf.metrics.inputs import codes_by_level
from hntf.tables import Table
from hntf.validation import check_real_array


def purity(labels: Any, clusters: Any) -> float:
    """Return the fraction of samples whose label is the most frequent one of their cluster; unknown labels (-1, None) do not count.

    Parameters
    ----------
    labels, clusters : arrays, `(n,)`
        The known labels, and the clusters; or for `clusters` a code `(n, k)`, whose largest entry is the cluster.

    Examples
    --------
    >>> import hntf
    >>> hntf.metrics.purity([0, 0, 1, 1], [5, 5, 5, 7])
    0.75
    """
    known = is_known(labels)
    if not known.any():
        raise ValueError("labels must hold known ones, got none (-1, None and NaN stand for unknown)")
    found = as_clusters(clusters)
    if found.shape != known.shape:
        raise ValueError(f"labels and clusters must be of the same samples, got {len(known)} and {len(found)}")
    table = contingency_matrix(as_clusters(np.asarray(labels, object)[known]), found[known])
    return float(table.max(axis=0).sum() / table.sum())


def level_agreement(codes: Any, labels: Sequence[Any]) -> Table:
    """Return how well the levels of a hierarchy agree with known labels of several levels.

    Parameters
    ----------
    codes : estimator, or sequence of arrays
        A fitted hierarchy, or its clusters `(n,)` or codes `(n, k_l)` by level, finest first.
    labels : sequence of arrays, `(n,)`
        The known labels by level.

    Returns
    -------
    Table
        For every pair of a level and of labels: normalised mutual information (arithmetic mean), adjusted Rand index, purity.

    Examples
    --------
    >>> import hntf
    >>> print(hntf.metrics.level_agreement([[0, 1, 2, 2], [0, 0, 1, 1]], [["a", "a", "b", "b"]]))
    level  labels    nmi    ari  purity
        0       0  0.800  0.571   1.000
        1       0  1.000  1.000   1.000
    """
    levels = [as_clusters(S) for S in codes_by_level(codes, "codes")]
    check_levels(labels, "labels")
    rows = []
    for i, y in enumerate(labels):
        if any(np.shape(y) != c.shape for c in levels):
            raise ValueError(
                f"labels must hold (n,) labels of the {len(levels[0])} samples for every level, got shape {np.shape(y)}"
            )
        known = is_known(y)
        for level, c in enumerate(levels):
            of_known = as_clusters(np.asarray(y, object)[known]), c[known]
            scores = normalized_mutual_info_score(*of_known), adjusted_rand_score(*of_known), purity(*of_known)
            rows.append((level, i, *scores))
    if not rows:
        raise ValueError("labels must hold the labels of at least one level, and codes at least one level")
    rows.sort()
    return Table(
        dict(zip(("level", "labels", "nmi", "ari", "purity"), map(list, zip(*rows, strict=True)), strict=True))
    )


def hierarchical_f_score(labels: Sequence[Any], predicted: Sequence[Any]) -> float:
    r"""Return the hierarchical F score of predicted classes of several levels.

    .. math:: hP = \frac{\sum_i |C_i ∩ \hat C_i|}{\sum_i |\hat C_i|}, \quad hR = \frac{\sum_i |C_i ∩ \hat C_i|}{\sum_i |C_i|},
              \quad hF = \frac{2 hP\, hR}{hP + hR}

    with the classes of a sample at all levels, known and predicted. Where the known class of a level is unknown (-1 or None), what
    is predicted there does not count.

    Parameters
    ----------
    labels, predicted : sequences of arrays, `(n,)`
        Known and predicted classes by level, in the same order.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or no class is known.

    References
    ----------
    Kiritchenko, Matwin, Famili (2005), *Functional annotation of genes using hierarchical text categorization*, BioLINK.

    Examples
    --------
    >>> import hntf
    >>> hntf.metrics.hierarchical_f_score([["x", "y"], ["a", "a"]], [["x", "z"], ["a", "a"]])
    0.75
    """
    for name, x in (("labels", labels), ("predicted", predicted)):
        check_levels(x, name)
    if len(labels) != len(predicted):
        raise ValueError(f"predicted must have as many levels as labels, {len(labels)}, got {len(predicted)}")
    common = known = claimed = 0
    for of_level, of_predicted in zip(labels, predicted, strict=True):
        y, z = np.asarray(of_level, object), np.asarray(of_predicted, object)
        if y.shape != z.shape or y.ndim != 1:
            raise ValueError(
                f"labels and predicted must hold (n,) classes for every level, got {y.shape} and {z.shape}"
            )
        has_y = is_known(y)
        both = has_y & is_known(z)
        common += int((y[both] == z[both]).sum())
        known += int(has_y.sum())
        claimed += int(both.sum())
    check_any_known(known > 0, "labels")
    return 2.0 * common / (known + claimed)


def tree_similarity(first: Any, second: Any) -> float:
    r"""Return how similarly two hierarchies relate samples: the correlation of the numbers of levels at which pairs are together.

    This is the cophenetic correlation of two trees (Sokal, Rohlf 1962), over all pairs of samples: 1 for the same hierarchy,
    whatever the order of its components, and about 0 for unrelated ones. Hierarchies may have different numbers of levels.

    Parameters
    ----------
    first, second : estimator, or sequence of arrays
        Fitted hierarchies of the same samples, or their clusters `(n,)` or codes `(n, k_l)` by level.

    References
    ----------
    Sokal, Rohlf (1962), *The comparison of dendrograms by objective methods*, Taxon 11.

    Examples
    --------
    >>> import hntf
    >>> tree = [[0, 1, 2, 3], [0, 0, 1, 1]]
    >>> round(hntf.metrics.tree_similarity(tree, [[3, 2, 1, 0], [1, 1, 0, 0]]), 12)
    1.0
    """
    a, b = (
        [as_clusters(S) for S in codes_by_level(tree, name)] for tree, name in ((first, "first"), (second, "second"))
    )
    n = len(a[0])
    if n < 2:
        raise ValueError(f"first and second must be hierarchies of at least two samples, got {n}")
    if any(len(c) != n for c in (*a, *b)):
        raise ValueError("first and second must be hierarchies of the same samples")
    pairs = n * (n - 1) / 2
    sums = [_pairs_together(x) for x in a], [_pairs_together(y) for y in b]
    # The sums over pairs of products of indicators are sums over contingency tables: nothing has the size of all pairs.
    products = {
        "aa": sum(_pairs_together(x, y) for x in a for y in a),
        "ab": sum(_pairs_together(x, y) for x in a for y in b),
        "bb": sum(_pairs_together(x, y) for x in b for y in b),
    }
    mean_a, mean_b = sum(sums[0]) / pairs, sum(sums[1]) / pairs
    covariance = products["ab"] / pairs - mean_a * mean_b
    variances = (products["aa"] / pairs - mean_a**2) * (products["bb"] / pairs - mean_b**2)
    return float(covariance / variances**0.5) if variances > 0 else float(mean_a == mean_b)


def _pairs_together(x: np.ndarray, y: np.ndarray | None = None) -> float:
    """Return the number of pairs of samples that are in the same cluster, in both of two clusterings."""
    counts = np.bincount(x) if y is None else contingency_matrix(x, y).ravel()
    counts = counts.astype(float)
    return float((counts * (counts - 1) / 2).sum())


def check_levels(x: Any, name: str) -> None:
    """Raise `TypeError` if an argument is no sequence of what belongs to levels."""
    if not isinstance(x, Sequence | np.ndarray) or isinstance(x, str):
        raise TypeError(f"{name} must be a sequence with an array for every level, got {type(x).__name__}")


def is_known(labels: Any) -> np.ndarray:
    """Return which labels are known: not -1, None, NaN or pandas' NA."""
    return np.array([not is_unknown(label) for label in np.asarray(labels, object).ravel()], bool)


def check_any_known(is_any_known: bool, name: str) -> None:
    """Raise `ValueError` if no class is known."""
    if not is_any_known:
        raise ValueError(f"{name} must hold known classes, got none (-1, None and NaN stand for unknown)")


def as_clusters(x: Any) -> np.ndarray:
    """Return clusters as integers: `(n,)` as they are, and of a code `(n, k)` the largest entry of every sample.

    Samples whose code is zero are a cluster of their own.
    """
    x = x.toarray() if scipy.sparse.issparse(x) else x
    array = to_numpy(x) if hasattr(x, "ndim") else np.asarray(x)
    if array.ndim == 2:
        if not array.shape[1]:
            raise ValueError(f"codes must have at least one component, got shape {array.shape}")
        codes = to_numpy(check_real_array(array, "codes"))
        return np.where((codes != 0).any(axis=1), np.argmax(codes, axis=1), codes.shape[1])
    if array.ndim != 1:
        raise ValueError(f"clusters must have shape (n,), or be codes of shape (n, k); got order {array.ndim}")
    if (array.dtype.kind == "f" and np.isnan(array).any()) or (array.dtype.kind == "O" and not all(is_known(array))):
        raise ValueError("clusters must hold one for every sample, got None, NaN or NA")
    if array.dtype.kind == "O":
        # Strings beside numbers have no order.
        numbers: dict[Any, int] = {}
        return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in array.tolist()], dtype=int)
    return np.unique(array, return_inverse=True)[1].reshape(-1)
