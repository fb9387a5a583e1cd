"""Labels of samples, as a user gives them and as losses take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hntf.arrays import Array, as_float64, from_numpy, is_torch, to_numpy
from hntf.validation import check_real_array

UNKNOWN = -1
"""The label of a sample whose class is not known, as in scikit-learn."""


class Labels(NamedTuple):
    """Labels of samples.

    Attributes
    ----------
    Y : array, `(n, p)`
        One-hot, or soft or multiple labels; rows of unknown samples are zero.
    known : array, `(n, 1)`
        1 where the labels of a sample are known, 0 elsewhere.
    classes : array, `(p,)`
        What the columns stand for.
    """

    Y: Array
    known: Array
    classes: np.ndarray


def is_unknown(label: Any) -> bool:
    """Tell whether a class label stands for unknown: -1, NaN or None."""
    return label is None or label == UNKNOWN or label != label  # noqa: PLR0124


def as_labels(y: Any, n: int, reference: Array) -> Labels:
    """Return class labels `(n,)`, -1, NaN or None where unknown, or a nonnegative matrix `(n, p)`, in the backend of `reference`.

    Raises
    ------
    TypeError, ValueError
        If `y` has another length or order, or no label is known; if a matrix has negative entries or NaN in part of a row. A row
        of NaN is unknown.
    """
    if is_torch(y):
        y = to_numpy(y)
    elif not isinstance(y, np.ndarray):
        # As objects: NumPy would turn the -1 of unknown labels among strings into a string.
        y = np.asarray(y, dtype=object)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim not in (1, 2) or len(y) != n:
        raise ValueError(f"y must have shape ({n},) or ({n}, p), one row a sample of X; got {y.shape}")
    if y.ndim == 1:
        labels = y.tolist()
        known = np.array([not is_unknown(label) for label in labels], dtype=bool)
        names = np.array([label for label, is_known in zip(labels, known, strict=True) if is_known])
        classes, index = np.unique(names, return_inverse=True)
        Y = np.zeros((n, len(classes)))
        Y[known, index] = 1.0
    else:
        y = as_float64(check_real_array(y, "y", entries=False))
        known = ~np.isnan(y).all(axis=1)
        Y = np.where(known[:, None], y, 0.0)
        check_real_array(Y, "y", nonnegative=True)
        classes = np.arange(y.shape[1])
    if not known.any():
        raise ValueError("y must hold at least one known label, got none (-1 stands for unknown)")
    return Labels(from_numpy(Y, reference), from_numpy(known[:, None] * 1.0, reference), classes)
