"""Models side by side on the same data: `compare`."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import normalized_mutual_info_score

from hntf.arrays import to_numpy
from hntf.data import HoldOut
from hntf.estimators.base import Estimator
from hntf.estimators.inputs import as_input
from hntf.metrics.inputs import factors_of
from hntf.metrics.matching import factor_match_score
from hntf.metrics.trees import as_clusters, check_any_known, is_known
from hntf.selection.candidates import class_of, described
from hntf.selection.opening import FEWEST_HELD_OUT, checked_fraction
from hntf.selection.problem import fitted, given, with_mask
from hntf.tables import Table
from hntf.validation import check_number

Run = tuple[list[dict[str, Any]], list[list[np.ndarray]]]
"""What is known of every level of one fit, and its factors by level."""


class Comparison(Table):
    """The table of a comparison, with a picture."""

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the errors of the models level by level; see `hntf.plot.comparison`."""
        from hntf.plot import comparison

        return comparison(self, ax=ax)


def compare(
    models: Any,
    X: Any,
    y: Any = None,
    *,
    n_seeds: int = 1,
    fraction: float | None = None,
    mask: Any = None,
    weights: Any = None,
) -> Comparison:
    """Fit models to the same data, and return what is known of each in one table.

    A model whose fit fails is left out, with a warning that says why.

    Parameters
    ----------
    models : mapping of str to estimator, or sequence of estimators
        The models; copies of them are fitted.
    X : array, tensor or sparse matrix, `(n, …)`
        The data.
    y : array, `(n,)`, optional
        Known classes, -1 or None where unknown. They are not shown to the models: the table has the normalised mutual information
        of each level with them.
    n_seeds : int
        Number of fits of each model, with the seeds 0, 1, …; the table has means, and standard deviations where there are several.
    fraction : float, optional
        A fraction of the entries, at most a half, that is hidden from a second fit, whose error on them is in the table.
    mask, weights
        As in `fit`.

    Returns
    -------
    Comparison
        The table, a row for every level of every model, and `plot()`. In a new process the seconds of the first model include the
        loading of compiled code.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it. If every model fails, the error of the first.

    Examples
    --------
    >>> import hntf
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X, _, groups, _ = make_hierarchical_blocks(random_state=0)
    >>> models = {"apart": hntf.HierarchicalNMF((9, 4)), "together": hntf.NeuralNMF((9, 4))}
    >>> comparison = hntf.compare(models, X, groups)
    >>> comparison["model"], comparison["level"]
    (['apart', 'apart', 'together', 'together'], [0, 1, 0, 1])
    """
    check_number(n_seeds, "n_seeds", low=1, integer=True)
    named = _checked_models(models)
    if fraction is not None or y is not None:
        shape = tuple(as_input(X, mask, weights, nonnegative=False, together=False).shape)
        _check_fraction(fraction, math.prod(shape))
        _check_classes(y, shape[0])
    options = given(mask=mask, weights=weights)
    rows: list[dict[str, Any]] = []
    failed: list[Exception] = []
    for name, model in named.items():
        try:
            runs = [_run(model, X, y, seed, fraction, options) for seed in range(n_seeds)]
        except Exception as error:
            error.add_note(f"This is the error of the model {name!r}.")
            failed.append(error)
            warnings.warn(
                f"the model {name!r} is left out, since its fit failed: {type(error).__name__}: {error}",
                FitFailedWarning,
                stacklevel=2,
            )
        else:
            rows += [{"model": name, "level": level, **_row(runs, level)} for level in range(len(runs[0][0]))]
    if not rows:
        raise failed[0]
    return Comparison({key: [row[key] for row in rows] for key in rows[0]})


def _row(runs: list[Run], level: int) -> dict[str, Any]:
    """Return what is known of a level of a model: means over seeds, and standard deviations where there are several."""
    row = {"components": runs[0][0][level]["components"]}
    for key in runs[0][0][level]:
        if key != "components":
            values = [levels[level][key] for levels, _ in runs]
            row[key] = float(np.mean(values))
            if len(runs) > 1:
                row[f"{key} ±"] = float(np.std(values, ddof=1))
    if len(runs) > 1:
        scores = [factor_match_score(a[level], b[level]) for (_, a), (_, b) in pairwise(runs)]
        row["match of seeds"] = float(np.mean(scores))
    return row


def _checked_models(models: Any) -> Mapping[str, Any]:
    """Return estimators by name; raise `TypeError` or `ValueError` if there are none, or something else is among them."""
    if not isinstance(models, Mapping | Sequence):
        raise TypeError(f"models must be a mapping or a sequence of estimators, got {models!r}")
    named = models if isinstance(models, Mapping) else _named(models)
    if not named:
        raise ValueError("models must hold at least one estimator, got none")
    for name, model in named.items():
        if not isinstance(model, Estimator):
            raise TypeError(f"models must hold estimators of hntf, got {described(model)} for {name!r}")
    return named


def _check_fraction(fraction: float | None, n_entries: int) -> None:
    """Raise `TypeError` or `ValueError` if a fraction is none, or hides too few entries to tell anything."""
    if fraction is not None and checked_fraction(fraction) * n_entries < FEWEST_HELD_OUT:
        raise ValueError(f"fraction must hide at least {FEWEST_HELD_OUT} of the {n_entries} entries, got {fraction}")


def _check_classes(y: Any, n: int) -> None:
    """Raise `ValueError` if labels are not one class for each sample, with some that are known."""
    if y is None:
        return
    shape = np.shape(y)
    if shape != (n,):
        raise ValueError(
            f"y must hold one class for each of the {n} samples, got shape {shape}; for classes of several levels see "
            "hntf.metrics.level_agreement"
        )
    check_any_known(bool(is_known(y).any()), "y")


def _named(models: Sequence[Any]) -> dict[str, Any]:
    """Return names of models: the classes, with a number where there are several of one."""
    names = [class_of(model).__name__ for model in models]
    return {
        name if names.count(name) == 1 else f"{name} {names[: i + 1].count(name)}": model
        for i, (name, model) in enumerate(zip(names, models, strict=True))
    }


def _run(model: Any, X: Any, y: Any, seed: int, fraction: float | None, options: dict[str, Any]) -> Run:
    """Return what is known of every level of one fit, and its factors by level."""
    start = time.perf_counter()
    model = fitted(model, X, seed, **options)
    seconds = time.perf_counter() - start
    levels = []
    hidden = None if fraction is None else HoldOut(fraction, seed)
    held_out = None if hidden is None else fitted(model, X, seed, **with_mask(options, hidden))
    for level, codes in enumerate(model.codes_):
        of_level = {
            "components": int(codes.shape[1]),
            "error": float(model.reconstruction_err_[level]),
            "zeros in codes": float((to_numpy(codes) == 0).mean()),
            "seconds": seconds,
        }
        if hidden is not None and held_out is not None:
            error = held_out.reconstruction_error(X, level=level, **with_mask(options, ~hidden))
            of_level["held-out error"] = float(error)
        if y is not None:
            known = is_known(y)
            of_known = np.asarray(y)[known], as_clusters(codes)[known]
            of_level["nmi with y"] = float(normalized_mutual_info_score(*of_known))
        levels.append(of_level)
    return levels, [factors_of(model, level) for level in range(len(levels))]
