"""How topics come and go: the shares of topics in the documents of each period."""

from __future__ import annotations

import numbers
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from hntf.axes import texts_of
from hntf.tables import Table
from hntf.validation import check_number


def shares_over_time(amounts: np.ndarray, times: Any, labels: list[str], bins: int | None) -> Table:
    """Return a table with one row a period and one column a topic.

    Parameters
    ----------
    amounts : array, `(n, k)`
        The mass of every topic in every document.
    times : sequence of length n
        The times of the documents: numbers, texts that sort, dates.
    labels : list of str
        The names of the topics.
    bins : int or None
        The number of periods of equal length into which numbers or dates are put; None for one period a distinct time.
    """
    times = _as_times(times, len(amounts))
    if bins is None:
        periods, index = np.unique(times, return_inverse=True)
        names = texts_of(periods)
    else:
        if times.dtype.kind not in "iufM":
            raise ValueError(f"bins needs times that are numbers or datetime64, got {times.dtype}")
        values = times.astype("datetime64[ns]").astype(np.int64) if times.dtype.kind == "M" else times
        check_number(bins, "bins", low=1, integer=True)
        edges = np.linspace(values.min(), values.max(), bins + 1)
        index = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, bins - 1)
        names = [texts_of([times[index == i].min()])[0] if (index == i).any() else "" for i in range(bins)]
    n_periods = len(names)
    sums = np.zeros((n_periods, amounts.shape[1]))
    np.add.at(sums, index, amounts)
    totals = sums.sum(axis=1, keepdims=True)
    shares = sums / (totals + (totals == 0))
    counts = np.bincount(index, minlength=n_periods)
    kept = [i for i in range(n_periods) if counts[i]]
    columns: dict[str, Any] = {"period": [names[i] for i in kept], "documents": [int(counts[i]) for i in kept]}
    for i, (label, share) in enumerate(zip(labels, shares.T, strict=True)):
        columns[f"{i}: {label}"] = share[kept].tolist()
    return Table(columns)


def _as_times(times: Any, n: int) -> np.ndarray:
    """Return times as numbers, `datetime64` or texts; raise `ValueError` if one is missing or there is not one a document."""
    array = np.asarray(times)
    if array.shape != (n,):
        raise ValueError(f"times must hold one time a document, {n}, got shape {array.shape}")
    if array.dtype.kind == "O":
        values = array.tolist()
        if all(isinstance(value, numbers.Real) for value in values):
            array = np.array(values, dtype=float)
        elif all(isinstance(value, date) for value in values):
            array = np.array([_without_zone(value) for value in values], dtype="datetime64[us]")
    of_pandas = any(type(value).__name__ in ("NAType", "NaTType", "NoneType") for value in array.tolist())
    if (
        of_pandas
        or (array.dtype.kind == "f" and np.isnan(array).any())
        or (array.dtype.kind == "M" and np.isnat(array).any())
    ):
        raise ValueError("times must not be missing: leave out the documents without a time, or give them one")
    return np.array([str(value) for value in array]) if array.dtype.kind == "O" else array


def _without_zone(time: date) -> date:
    """Return a time in UTC without its zone, which NumPy does not know."""
    if isinstance(time, datetime) and time.tzinfo is not None:
        return time.astimezone(UTC).replace(tzinfo=None)
    return time
