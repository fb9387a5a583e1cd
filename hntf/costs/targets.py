"""Labels of samples, as users pass them and as losses use them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import column_or_1d

from hntf.arrays import Array, as_float64, backend_of, from_numpy, in_backend_of, is_torch, to_numpy
from hntf.validation import check_boolean, check_real_array

UNKNOWN = -1
"""The label of a sample whose class is not known, as in scikit-learn."""


class Labels(NamedTuple):
    """Labels of samples.

    Attributes
    ----------
    Y : array, `(n, p)`
        One-hot, soft or multiple labels; rows of unknown samples are zero.
    known : array, `(n, 1)` or `(n, p)`
        1 where the labels of a sample, or a single label of it, are known, 0 elsewhere.
    classes : array, `(p,)`
        The class of each column.
    """

    Y: Array
    known: Array
    classes: np.ndarray

    def take(self, rows: Array) -> Labels:
        """Return the labels of the samples with the given indices."""
        return Labels(self.Y[rows], self.known[rows], self.classes)

    def like(self, reference: Array) -> Labels:
        """Return the labels in the backend and on the device of an array."""
        Y, known = in_backend_of([self.Y, self.known], reference)
        return Labels(Y, known, self.classes)


def concatenated(parts: Sequence[tuple[Array, Labels]]) -> tuple[Array, Labels]:
    """Return the codes and the labels of several parts, stacked."""
    if len(parts) == 1:
        return parts[0]
    tl = backend_of(parts[0][0])
    Y, known = (tl.concatenate([labels[i] for _, labels in parts]) for i in range(2))
    return tl.concatenate([S for S, _ in parts]), Labels(Y, known, parts[0][1].classes)


def is_unknown(label: Any) -> bool:
    """Return whether a class label means unknown: -1 (`"-1"` among strings in NumPy), NaN, None or pandas' NA."""
    if label is None or type(label).__name__ in (
        "NAType",
        "NaTType",
    ):  # comparisons with pandas' NA have no truth value
        return True
    return label == UNKNOWN or label == str(UNKNOWN) or label != label  # noqa: PLR0124


def as_labels(y: Any, n: int, reference: Array, *, mask: Any = None, classes: Any = None, some: bool = True) -> Labels:
    """Return the checked labels of samples, in the backend of `reference`.

    Parameters
    ----------
    y : array, `(n,)` or `(n, p)`
        Class labels, with -1, NaN or None for unknown ones; or a nonnegative matrix of soft or multiple labels.
    n : int
        Number of samples.
    reference : array
        An array in the backend and on the device of the result.
    mask : bool array, `(n,)` or, for a matrix `y`, `(n, p)`, optional
        True where a label is known. Labels that are -1, NaN or None are unknown whatever the mask.
    classes : array, `(p,)`, optional
        All classes, sorted; by default those that occur in `y`.
    some : bool
        Whether at least one label must be known.

    Raises
    ------
    TypeError, ValueError
        If `y` or `mask` has the wrong length or order, or no label is known; if a matrix has negative entries, or NaN in some but
        not all entries of a row (a row of NaN is an unknown sample).
    """
    if mask is not None:
        mask = to_numpy(mask) if is_torch(mask) else np.asarray(mask)
        mask = mask[:, 0] if mask.ndim == 2 and mask.shape[1] == 1 else mask
        mask = check_boolean(mask, "label_mask", _mask_shape(mask, y, n), "one a sample, or that of a matrix y").astype(
            bool
        )
    if is_torch(y):
        y = to_numpy(y)
    elif not isinstance(y, np.ndarray):
        # As objects, because NumPy would turn the -1 of unknown labels among strings into a string.
        y = np.asarray(y, dtype=object)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"y must have shape ({n},) or ({n}, p), one row a sample of X; got {y.shape}")
    of_kind = _one_hot if y.ndim == 1 else _soft
    Y, known, classes = of_kind(y, mask, classes)
    if some and not known.any():
        raise ValueError("y must hold at least one known label, got none (-1 stands for unknown)")
    return Labels(from_numpy(Y, reference), from_numpy(known * 1.0, reference), classes)


def _one_hot(y: np.ndarray, mask: np.ndarray | None, classes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return class labels as a one-hot matrix, the mask of known samples, `(n, 1)`, and the classes."""
    labels = y.tolist()
    known = np.array([not is_unknown(label) for label in labels], dtype=bool)
    if mask is not None:
        known &= mask
    names = np.array([label for label, is_known in zip(labels, known, strict=True) if is_known])
    if classes is None:
        classes, index = np.unique(names, return_inverse=True)
    else:
        index = _index_in(names, classes)
    Y = np.zeros((len(labels), len(classes)))
    Y[known, index] = 1.0
    return Y, known[:, None], classes


def _soft(y: np.ndarray, mask: np.ndarray | None, classes: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a matrix of labels with zeros for unknown ones, the mask of known ones, `(n, 1)` or `(n, p)`, and the classes."""
    y = as_float64(check_real_array(y, "y", entries=False))
    known = ~np.isnan(y).all(axis=1, keepdims=True)
    if mask is not None:
        known = known & (mask[:, None] if mask.ndim == 1 else mask)
    Y = np.where(known, y, 0.0)
    if np.isnan(Y).any():
        raise ValueError(
            "y must be NaN in a whole row, for an unknown sample; for single labels that are unknown pass "
            "label_mask=~np.isnan(y)"
        )
    check_real_array(Y, "y", nonnegative=True)
    classes = np.arange(y.shape[1]) if classes is None else classes
    if len(classes) != y.shape[1]:
        raise ValueError(f"y must have a column for each of {len(classes)} classes, got {y.shape[1]}")
    return Y, known, classes


def _mask_shape(mask: np.ndarray, y: Any, n: int) -> tuple[int, ...]:
    """Return the shape that a label mask must have: that of the labels if both have order 2, otherwise `(n,)`."""
    return (n,) if mask.ndim != 2 or np.ndim(y) != 2 else tuple(np.shape(y))


def _index_in(names: np.ndarray, classes: Any) -> np.ndarray:
    """Return the index of every name in the sorted classes."""
    if len(names) == 0:
        return np.empty(0, int)
    index = np.searchsorted(classes, names)
    wrong = np.array(classes)[np.minimum(index, len(classes) - 1)] != names
    if wrong.any():
        raise ValueError(f"y must hold classes that were named before, {list(classes)}; got {names[wrong][0]!r}")
    return index
