"""Numba kernels: the state of the search of one row, its cost, and what is remembered of the lowest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.least_squares.factorization import fill
from hntf.least_squares.kernels import reordered_kernel, reordered_step
from hntf.least_squares.pricing import PRICED
from hntf.scales import EPS


class Row(NamedTuple):
    """The problem of a row, in units of its size, and the state of the search.

    Attributes
    ----------
    z, f : arrays, `(q,)`, `(k,)`
        The sample and the linear cost.
    s, t : arrays, `(p,)`
        The coefficients of the support, and those that minimise the cost without constraints.
    wanted : bool array, `(k,)`
        The columns from which the search starts, and the support in the end.
    best : array, `(k,)`
        The coefficients with the lowest cost, by column; zero outside their support.
    blocked, rejected, barred : bool arrays, `(k,)`
        The columns that may not enter: those of the support among them; until the cost falls; for good.
    candidates : array, `(10,)`, int64
        Columns that may enter next, or −1.
    values : array, `(k,)`
        Space for the decrease of the cost along each column.
    left : array, `(q,)`
        The residual at the minimiser: what is left of the sample outside of the span, and what a linear cost takes from it.
    """

    z: np.ndarray
    f: np.ndarray
    s: np.ndarray
    t: np.ndarray
    wanted: np.ndarray
    best: np.ndarray
    blocked: np.ndarray
    rejected: np.ndarray
    barred: np.ndarray
    candidates: np.ndarray
    values: np.ndarray
    left: np.ndarray


@reordered_kernel
def empty_row(k, q):  # type: ignore[no-untyped-def]
    """Return space for the problem of a row; its linear cost is zero."""
    most = min(q, k) + 1
    return Row(
        np.empty(q),
        np.zeros(k),
        np.empty(most),
        np.empty(most),
        np.empty(k, np.bool_),
        np.empty(k),
        np.empty(k, np.bool_),
        np.empty(k, np.bool_),
        np.empty(k, np.bool_),
        np.empty(PRICED, np.int64),
        np.empty(k),
        np.empty(q),
    )


@reordered_step
def cost_of(factors, row, size, squares, z_norm):  # type: ignore[no-untyped-def]
    """Return the cost, from the squared norm of the residual, and its rounding error.

    A residual has one of `rounding` times the norm of the sample.
    """
    linear, absolute = 0.0, 0.0
    for a in range(size):
        term = row.f[factors.order[a]] * row.s[a]
        linear += term
        absolute += abs(term)
    relative = 2 * rounding(size)
    error = relative * (z_norm * np.sqrt(squares) + absolute) + 0.5 * (relative * z_norm) ** 2
    return 0.5 * squares + linear, error


@reordered_step
def rounding(size):  # type: ignore[no-untyped-def]
    """Return the rounding error of a residual, relative to the sample; every column of the support has left its own."""
    return 4 * EPS * np.sqrt(size + 1.0)


@reordered_step
def write_best(factors, row, size):  # type: ignore[no-untyped-def]
    """Remember the coefficients."""
    fill(row.best, len(row.best), 0.0)
    for a in range(size):
        row.best[factors.order[a]] = row.s[a]


@reordered_step
def take_best(factors, row):  # type: ignore[no-untyped-def]
    """Return to the coefficients with the lowest cost; return their number."""
    size = np.int64(0)
    for j in range(len(row.best)):
        row.wanted[j] = row.best[j] > 0.0
        if row.wanted[j]:
            row.s[size], factors.order[size] = row.best[j], j
            size += 1
    return size


@reordered_step
def admit_rejected(row):  # type: ignore[no-untyped-def]
    """Let the rejected columns enter again."""
    for j in range(len(row.rejected)):
        if row.rejected[j]:
            row.rejected[j] = row.blocked[j] = False
