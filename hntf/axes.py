"""The names of the modes of data and of their entries: the index and columns of a data frame, the dimensions of xarray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Axis(NamedTuple):
    """A mode of the data.

    Attributes
    ----------
    name : str or None
        The name of the mode.
    labels : array of str, `(d,)`, or None
        The names of its entries.
    """

    name: str | None = None
    labels: np.ndarray | None = None


def axes_of(X: Any, shape: Sequence[int]) -> list[Axis]:
    """Return the names that data bring along, one axis a mode."""
    if _has_dimensions(X):
        return [Axis(str(name), _labels(X.coords[name].values) if name in X.coords else None) for name in X.dims]
    axes = [Axis() for _ in shape]
    if len(shape) == 2 and _is_frame(X):
        index, columns = getattr(X, "index", None), X.columns
        numbered = index is None or is_default_index(index)
        axes[0] = Axis(None if index is None else _name(index), None if numbered else _labels(index))
        axes[1] = Axis(_name(columns), _labels(columns))
    return axes


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "__array__")


def axes_of_blocks(blocks: Sequence[Sequence[Axis]]) -> list[Axis]:
    """Return the names that blocks of samples bring along.

    Raises
    ------
    ValueError
        If blocks have features of other names, or in another order.
    """
    samples, *features = zip(*blocks, strict=True)
    for axes in features:
        for number, axis in enumerate(axes):
            if axis.name != axes[0].name or not np.array_equal(axis.labels, axes[0].labels):
                raise ValueError(
                    f"X must hold blocks with features of the same names and order, got others in block {number}"
                )
    named = all(axis.labels is not None for axis in samples)
    labels = np.concatenate([axis.labels for axis in samples]) if named else None
    return [Axis(samples[0].name, labels), *(axes[0] for axes in features)]


def texts_of(labels: Any) -> list[str]:
    """Return names of entries as texts: days without a time of day."""
    array = np.asarray(labels)
    if array.dtype.kind == "M":
        return [text.removesuffix("T00:00:00") for text in np.datetime_as_string(array, unit="s")]
    return [str(label) for label in labels]


def is_default_index(index: Any) -> bool:
    """Return whether an index of pandas only numbers its entries from 0."""
    return type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1


def check_same_entries(axes: Sequence[Axis], of_data: Sequence[Axis], argument: str) -> None:
    """Raise `ValueError` if a mask or weights have names of entries that are not those of the data, in their order."""
    for mode, (axis, known) in enumerate(zip(axes, of_data, strict=False)):
        labels = known.labels
        if labels is None and axis.labels is not None and _are_numbers(axis.labels):
            labels = np.arange(len(axis.labels))
        both = axis.labels is not None and labels is not None and len(axis.labels) == len(labels)
        if both and not np.array_equal(axis.labels, labels):  # type: ignore[arg-type]
            raise ValueError(
                f"{argument} must have the entries of mode {mode} named and ordered as X, got another order"
            )


def _are_numbers(labels: np.ndarray) -> bool:
    """Tell whether names of entries are their numbers, in any order, as those of entries without names are."""
    return labels.dtype.kind in "iu" and np.array_equal(np.sort(labels), np.arange(len(labels)))


def in_order_of(X: Any, names: Sequence[str | None], argument: str = "X") -> Any:
    """Return an array of xarray with its dimensions in the order of those of the fit, and anything else as it is.

    Raises
    ------
    ValueError
        If its dimensions have other names.
    """
    if not _has_dimensions(X) or not names or None in names or list(X.dims) == list(names):
        return X
    if sorted(map(str, X.dims)) != sorted(map(str, names)):
        raise ValueError(f"{argument} must have the dimensions {tuple(names)}, as in fit, got {tuple(X.dims)}")
    return X.transpose(*names)


def check_labels(axes: Sequence[Axis], fitted: Sequence[Axis]) -> None:
    """Raise `ValueError` if features have other names, or are in another order, than in the fit."""
    for mode, (axis, known) in enumerate(zip(axes[1:], fitted[1:], strict=True), start=1):
        if axis.labels is not None and known.labels is not None and not np.array_equal(axis.labels, known.labels):
            raise ValueError(
                f"X must have the entries of mode {mode} ({known.name or 'the features'}) named and ordered as in fit, "
                f"{_first(known.labels, axis.labels)}, got {_first(axis.labels, known.labels)}"
            )


def _first(labels: np.ndarray, others: np.ndarray) -> str:
    """Return three names, from the first on that is not the same among the others."""
    n = min(len(labels), len(others))
    start = next((i for i in range(n) if labels[i] != others[i]), 0)
    return ", ".join(map(str, labels[start : start + 3])) + (", …" if len(labels) > start + 3 else "")


def _has_dimensions(X: Any) -> bool:
    """Return whether data are an array of xarray, without importing it."""
    return hasattr(X, "dims") and hasattr(X, "coords") and hasattr(X, "transpose") and isinstance(X.dims, tuple)


def _labels(values: Any) -> np.ndarray:
    """Return the names of entries: numbers and dates as they are, all others as texts or, in a MultiIndex, tuples."""
    array = np.asarray(values)
    if array.dtype.kind in "iufbM":
        return array
    if len(array) and isinstance(array[0], tuple):
        return array
    return np.array([str(value) for value in array])


def _name(index: Any) -> str | None:
    name = getattr(index, "name", None)
    return None if name is None else str(name)
