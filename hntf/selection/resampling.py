"""What differs from fit to fit in `stability`: the samples, the entries, the number of components, or only the random starts."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import clone

from hntf.data import Data, HoldOut
from hntf.selection.candidates import is_tucker_model
from hntf.selection.problem import with_mask

RESAMPLES = ("bootstrap", "fewer", "starts", "halves", "entries")

WITH_REPLACEMENT = ("bootstrap", "fewer")
"""What draws samples with replacement."""

HELD_OUT = 0.1
"""Fraction of the entries that every fit leaves out with `resample="entries"`."""


FIXED_STARTS = ("nndsvd", "nndsvda")
"""Starts that are the same whatever the seed."""


def check_starts(model: Any, name: str) -> None:
    """Raise `ValueError` if all fits of a model start at the same place, so that they tell nothing of other starts."""
    init = model.get_params().get("init")
    if init is not None and (not isinstance(init, str) or init in FIXED_STARTS):
        given = repr(init) if isinstance(init, str) else f"a {type(init).__name__}"
        raise ValueError(f"model must start at random for {name}, got init={given}")


def with_one_less(model: Any) -> Any:
    """Return a copy of a model that has one component less at its finest level; raise `ValueError` if there is none."""
    ranks = model.n_components
    finest, *above = ranks if isinstance(ranks, Sequence) else (ranks,)
    if is_tucker_model(model) or not isinstance(finest, Integral) or finest <= max(above, default=1):
        raise ValueError(
            f"model must have a component at its finest level to spare for resample='fewer', got {ranks!r}"
        )
    return clone(model).set_params(n_components=(finest - 1, *above) if isinstance(ranks, Sequence) else finest - 1)


def redrawn(
    X: Any, staying: tuple[int, ...] | None, options: dict[str, Any], resample: str, seed: int
) -> tuple[Any, dict[str, Any]]:
    """Return the data and the other arguments of a fit.

    Samples that cannot be drawn stay where they are, in data of the shape `staying`, and are weighted by how often they are drawn.
    """
    if resample == "starts":
        return X, options
    if resample == "entries":
        return X, with_mask(options, HoldOut(HELD_OUT, seed))
    rng, n = np.random.RandomState(seed), (staying or X.shape)[0]
    rows = rng.randint(n, size=n) if resample in WITH_REPLACEMENT else np.sort(rng.permutation(n)[: n // 2])
    if staying:
        return X, {**options, "weights": _counted(rows, staying, options.get("weights"))}
    of_rows = {name: value if isinstance(value, str) else _rows_of(value, rows, n) for name, value in options.items()}
    return _of_rows(X, rows), of_rows


def _counted(rows: np.ndarray, shape: tuple[int, ...], weights: Any) -> np.ndarray:
    """Return weights of samples that stay where they are: how often each is drawn, times its own weights."""
    n, *others = shape
    counts = np.bincount(rows, minlength=n).reshape(n, *[1] * len(others))
    if weights is None:
        return counts
    if scipy.sparse.issparse(weights):
        return scipy.sparse.csr_array(weights.multiply(counts))
    weights = weights if hasattr(weights, "chunks") else np.asarray(weights)
    weights = weights.reshape(counts.shape) if weights.ndim == 1 else weights
    if weights.shape[0] != n:
        raise ValueError(f"weights must have a row for each of {n} samples that are drawn, got shape {weights.shape}")
    return counts * weights


def _of_rows(X: Any, rows: np.ndarray) -> Any:
    if isinstance(X, Data):
        return X.take(rows)
    if scipy.sparse.issparse(X):
        return X.tocsr()[rows]
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _rows_of(value: Any, rows: np.ndarray, n: int) -> Any:
    """Return labels, masks or weights of some samples."""
    if isinstance(value, tuple):
        return tuple(each if isinstance(each, str) else _rows_of(each, rows, n) for each in value)
    if isinstance(value, HoldOut):
        return value.of_rows(rows)
    value = value if hasattr(value, "shape") else np.asarray(value)
    return _of_rows(value, rows) if value.shape[0] == n else value
