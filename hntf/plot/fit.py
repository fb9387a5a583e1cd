"""Plots of how a fit went and how well it fits: convergence, errors by level, residuals, outliers."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from hntf.arrays import to_numpy
from hntf.metrics import leverage
from hntf.metrics import residuals as residuals_of
from hntf.plot.axes import SMALL, color, hierarchy_of, labels_of, name_ticks, new_axes, plain
from hntf.validation import check_real_array

MOST_NAMES = 40
"""Number of entries up to which they are drawn as bars with names."""


def convergence(model: Any, *, ax: Any = None) -> Any:
    """Draw the loss of a fit over its iterations, and the projected gradient where the method has one.

    Parameters
    ----------
    model : Estimator
        A fitted estimator.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(6.4, 4.0) if ax is None else ax
    model = hierarchy_of(model)
    history = {name: np.asarray(numbers, dtype=float) for name, numbers in model.history_.items()}
    lines = [ax.plot(history["loss"], color=color(0), label="loss, relative to the data")[0]]
    ax.set(xlabel="iteration", ylabel="loss")
    if len(history.get("projected_gradient", [])):
        beside = ax.twinx()
        lines += beside.semilogy(history["projected_gradient"], color=color(1), label="projected gradient")
        if getattr(model, "tol", 0) > 0:
            lines.append(beside.axhline(model.tol, color=color(1), ls=":", lw=1, label="tol"))
        beside.set_ylabel("relative projected gradient")
    ax.legend(handles=lines, frameon=False)
    return ax


def errors(model: Any, X: Any = None, *, ax: Any = None) -> Any:
    """Draw the relative errors of the levels, beside the best that any model of their ranks could reach.

    Parameters
    ----------
    model : Estimator
        A fitted estimator.
    X : array or sparse matrix, optional
        The data of the fit, if they are a matrix: the bound is the error of the truncated singular value decomposition.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    ax = new_axes(5.6, 4.0) if ax is None else ax
    model = hierarchy_of(model)
    found = to_numpy(model.reconstruction_err_)
    levels, ranks = range(len(found)), model.model_.code_sizes
    ax.plot(levels, found, "o-", color=color(0), label="the model")
    if hasattr(model, "level_ratios_"):
        ax.plot(levels, found / model.level_ratios_, "s--", color=color(2), label="the best single level of that rank")
    if X is not None:
        ax.plot(levels, svd_errors(X, ranks), "_", ms=16, mew=2, color=color(5), label="bound: truncated SVD")
    ax.set_xticks(list(levels), [f"{level}\n{k} components" for level, k in zip(levels, ranks, strict=True)])
    ax.set(xlabel="level", ylabel="relative error", ylim=(0, None))
    ax.legend(frameon=False)
    return ax


def svd_errors(X: Any, ranks: list[int]) -> list[float]:
    """Return the relative errors of the truncated singular value decompositions of a matrix."""
    if scipy.sparse.issparse(X):
        k = min(max(ranks), min(X.shape) - 1)
        sizes = np.sort(scipy.sparse.linalg.svds(X.astype(float), k=k, return_singular_vectors=False, random_state=0))[
            ::-1
        ]
        total = float((X.multiply(X)).sum())
    else:
        array = to_numpy(check_real_array(X, "X"))
        if array.ndim != 2:
            raise ValueError(f"X must be a matrix for the bound, got order {array.ndim}")
        sizes = np.linalg.svd(array, compute_uv=False)
        total = float((sizes**2).sum())
    return [float(np.sqrt(max(total - (sizes[:k] ** 2).sum(), 0.0) / total)) for k in ranks]


def residuals(
    model: Any, X: Any, *, mode: int = 0, level: int = 0, mask: Any = None, names: Any = None, ax: Any = None
) -> Any:
    """Draw the relative error of every sample, or of every entry of another mode, with that of all data.

    Parameters
    ----------
    model, X, mode, level, mask
        As in `hntf.metrics.residuals`.
    names : sequence of str, optional
        The names of the entries; by default those that the data brought along.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    found = residuals_of(model, X, mode=mode, level=level, mask=mask)
    title, known = labels_of(model, mode, len(found))
    labels = known if names is None else [str(name) for name in names]
    ax = new_axes(7.0, 3.6) if ax is None else ax
    if len(found) <= MOST_NAMES:
        ax.bar(range(len(found)), found, color=color(0))
        name_ticks(ax.xaxis, labels, rotation=90)
    else:
        ax.plot(found, ".", ms=4, color=color(0))
        name_ticks(ax.xaxis, labels, at_most=12)
    ax.axhline(float(to_numpy(model.reconstruction_err_)[level]), color=color(5), lw=1, label="all data of the fit")
    ax.set(xlabel=title, ylabel="relative error", ylim=(0, None))
    ax.legend(frameon=False)
    return ax


def outliers(
    model: Any, X: Any, *, mode: int = 0, level: int = 0, n_named: int = 5, names: Any = None, ax: Any = None
) -> Any:
    """Draw the residual of every entry of a mode against its leverage, and name those that stand out.

    To the right are the entries that shape the components, at the top those that the model does not fit.

    Parameters
    ----------
    model, X, mode, level
        As in `hntf.metrics.residuals`; `X` are the data of the fit.
    n_named : int
        How many of the largest residuals and leverages are named.
    names : sequence of str, optional
        The names of the entries; by default those that the data brought along.
    ax : matplotlib Axes, optional
        The axes to draw on.

    Returns
    -------
    matplotlib Axes
    """
    x, y = leverage(model, mode=mode, level=level), residuals_of(model, X, mode=mode, level=level)
    title, known = labels_of(model, mode, len(x))
    given = known if names is None else names
    labels = [str(name) for name in (range(len(x)) if given is None else given)]
    ax = new_axes(5.6, 4.4) if ax is None else ax
    ax.plot(x, y, ".", color=color(0))
    for i in {*np.argsort(-x)[:n_named].tolist(), *np.argsort(-y)[:n_named].tolist()}:
        ax.annotate(plain(labels[i]), (x[i], y[i]), xytext=(3, 3), textcoords="offset points", fontsize=SMALL)
    ax.set(xlabel=f"leverage of a {title}", ylabel="relative error")
    return ax
