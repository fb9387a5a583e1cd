"""How topics come and go: the shares of topics in the documents of each period."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.tables import Table


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
    times = np.asarray(times)
    if times.shape != (len(amounts),):
        raise ValueError(f"times must hold one time a document, {len(amounts)}, got shape {times.shape}")
    if times.dtype.kind == "O":
        times = np.array([str(time) for time in times])
    if bins is None:
        periods, index = np.unique(times, return_inverse=True)
        names = [str(period) for period in periods]
    else:
        if times.dtype.kind not in "iufM":
            raise ValueError(f"bins needs times that are numbers or datetime64, got {times.dtype}")
        numbers = times.astype("datetime64[ns]").astype(np.int64) if times.dtype.kind == "M" else times
        edges = np.linspace(numbers.min(), numbers.max(), bins + 1)
        index = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, bins - 1)
        names = [str(times[index == i].min()) if (index == i).any() else "" for i in range(bins)]
    n_periods = len(names)
    sums = np.zeros((n_periods, amounts.shape[1]))
    np.add.at(sums, index, amounts)
    totals = sums.sum(axis=1, keepdims=True)
    shares = sums / (totals + (totals == 0))
    counts = np.bincount(index, minlength=n_periods)
    kept = [i for i in range(n_periods) if counts[i]]
    columns: dict[str, Any] = {"period": [names[i] for i in kept], "documents": [int(counts[i]) for i in kept]}
    for label, share in zip(labels, shares.T, strict=True):
        columns[label] = [float(share[i]) for i in kept]
    return Table(columns)
