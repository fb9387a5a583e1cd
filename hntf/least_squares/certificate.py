"""Measures of the optimality and uniqueness of a nonnegative least-squares solution and of its distance from a kink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hntf.arrays import Array, backend_of, to_numpy
from hntf.least_squares.gram import column_norms, unit_columns
from hntf.least_squares.kinks import margin
from hntf.least_squares.solver import solve
from hntf.scales import EPS

SMALLEST = 5e-324
"""The smallest positive number."""


class Rows(NamedTuple):
    """Problems with one row each, and their solution: `(G, C)`, `S`, its support, and the dual `Y = S G − C`.

    Attributes
    ----------
    C : array, `(n, k)`
        The right-hand sides, bounded below where penalties make them larger than the samples: residuals are measured by them.
    code_exponents, dual_exponents : arrays, `(k,)` or `(n, k)`, or integers
        The solution in the user's units is `S` times powers of two with these exponents, its dual `Y` times others.
    """

    G: Array
    C: Array
    S: Array
    support: Array
    Y: Array
    code_exponents: Any = 0
    dual_exponents: Any = 0


@dataclass(frozen=True)
class NNLSInfo:
    """Information on a solution `S` of `min_{S ≥ 0} ½‖X − M(S)‖²` with dual `Y = S G − C`.

    The residual, the margin and the uniqueness are computed when they are read for the first time.

    Attributes
    ----------
    support : bool array, shape of the solution
        Where the solution is positive; the columns of a row's support are linearly independent.
    n_iter : int
        Number of iterations of the support search, the largest of all rows.
    kkt_residual : float
        Largest `|min(s_j‖a_j‖, y_j/‖a_j‖)|`, relative to the row's `max_j |c_j|/‖a_j‖ + Σ_j s_j‖a_j‖`; zero at a solution.
        Columns of zeros have no violation, or an infinite one where the cost falls along them without end.
    margin : float
        Strict complementarity, `min(max(S, Y))`: the distance to the nearest change of the support. It is zero at a kink, where
        the solution has no derivative.
    unique : bool
        Whether the solution of every row is unique.
    """

    support: Array
    n_iter: int
    _problems: Sequence[Rows] = field(repr=False)

    @classmethod
    def joined(cls, support: Array, infos: Sequence[NNLSInfo]) -> NNLSInfo:
        """Return the information on problems of which some were solved at a time, with the support of all."""
        problems = [problem for info in infos for problem in info._problems]
        return cls(support, max(info.n_iter for info in infos), problems)

    @cached_property
    def kkt_residual(self) -> float:
        """The largest violation of the optimality conditions, relative to the scale of its row."""
        solved = [rows for rows in self._problems if len(rows.S)]
        return max((float(kkt_residual(rows.G, rows.C, rows.S, rows.Y).max()) for rows in solved), default=0.0)

    @cached_property
    def margin(self) -> float:
        """The distance to the nearest change of the support."""
        solved = [rows for rows in self._problems if len(rows.S)]
        return min((_margin_in_units(rows) for rows in solved), default=float("inf"))

    @cached_property
    def unique(self) -> bool:
        """Whether the solution of every row is unique."""
        return all(is_unique(rows.G, rows.S, rows.Y, rows.support) for rows in self._problems if len(rows.S))


def _margin_in_units(rows: Rows) -> float:
    """Return the smallest margin of the rows in the user's units, in which one that is not zero may be too small for a number."""
    S, Y, of_code, of_dual = map(to_numpy, (rows.S, rows.Y, rows.code_exponents, rows.dual_exponents))
    # On the support it is rounding, which may be large in its units beside a code in its own.
    Y = np.where(to_numpy(rows.support), 0.0, Y)
    with np.errstate(over="ignore"):
        smallest = float(margin(np.ldexp(S, of_code), np.ldexp(Y, of_dual)).min())
    return SMALLEST if smallest == 0.0 and float(margin(S, Y).min()) > 0.0 else smallest


def kkt_residual(G: Array, C: Array, S: Array, Y: Array) -> Array:
    """Return the natural residual of every row, `(n,)`, relative to the scale of the row; see `NNLSInfo`."""
    tl = backend_of(S)
    norms = column_norms(G) + 0 * S
    inverse = tl.where(norms > 0, 1 / tl.where(norms > 0, norms, 0 * norms + 1), 0 * norms)
    primal, dual = S * norms, Y * inverse
    scale = tl.max(tl.abs(C) * inverse, axis=1) + tl.sum(tl.abs(primal), axis=1)
    violated = tl.where(primal < dual, primal, dual)
    # Along a column of zeros a cost that falls falls without end.
    violated = tl.where((norms == 0) & (Y < 0), 0 * Y + float("inf"), violated)
    return tl.max(tl.abs(violated), axis=1) / tl.where(scale > 0, scale, 0 * scale + 1)


def is_unique(G: Array, S: Array, Y: Array, support: Array) -> bool:
    """Return whether the solution of every row is unique.

    Another solution differs by a `d` with `A d = 0`, `d ≥ 0` off the support and `d = 0` where `Y > 0`. With the support
    projected out, such a `d` is a nonnegative combination of the remaining columns that vanishes, and finding it is again a
    nonnegative least-squares problem. Rows with the same support and the same zeros of `Y` have the same answer. At a kink an entry
    is zero up to rounding, and counts as zero whether or not it is in the support, which depends on where the search started.
    """
    G, S, Y, support = (to_numpy(x) for x in (G, S, Y, support))
    k = S.shape[1]
    G = G.reshape(-1, k, k)
    scaled, norms = unit_columns(G)
    if np.all(np.linalg.eigvalsh(scaled) > 64 * k * EPS):
        return True
    norms = np.repeat(norms, len(S) // len(G), axis=0)
    scale = np.sum(S * norms, axis=1, keepdims=True) + np.max(np.abs(Y), axis=1, keepdims=True)
    rounding = 64 * k * EPS * scale
    positive = support & (S * norms > rounding)
    at_zero = ~positive & (support | (np.abs(Y) <= rounding * norms))
    gram_of_row = np.repeat(np.arange(len(G)), len(S) // len(G))
    patterns = np.unique(np.column_stack([gram_of_row, positive, at_zero]), axis=0)
    return all(_pattern_is_unique(G[p[0]], p[1 : k + 1].astype(bool), p[k + 1 :].astype(bool)) for p in patterns)


def _pattern_is_unique(G: np.ndarray, support: np.ndarray, at_zero: np.ndarray) -> bool:
    if not at_zero.any():
        return True
    if np.any(np.diagonal(G)[at_zero] == 0):
        return False
    G, _ = unit_columns(G)
    cross = G[np.ix_(support, at_zero)]
    schur = G[np.ix_(at_zero, at_zero)] - cross.T @ np.linalg.lstsq(G[np.ix_(support, support)], cross)[0]
    # min_{d ≥ 0} ‖M d‖² + (1 − Σ d)² with MᵀM = schur: its minimum is zero when some combination vanishes.
    ones = np.ones((1, len(schur)))
    combination = solve(schur + 1.0, ones).S[0]
    value = combination @ schur @ combination + (1 - combination.sum()) ** 2
    return bool(value > 1e3 * len(G) * EPS)
