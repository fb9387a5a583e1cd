"""The least-squares problem of `A` and `B` in scaled Gram form, and its square-root form for ill-conditioned problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import Array, backend_of, from_numpy, host_view, ones_like, to_numpy
from hntf.least_squares import kinks
from hntf.least_squares.certificate import NNLSInfo, Rows
from hntf.least_squares.gram import apply_gram
from hntf.least_squares.rooted_problems import MODERATE, FactoredProblems, RootedProblems, bound_of_norms
from hntf.least_squares.solver import Solution, search_each, solve
from hntf.scales import inverse_power
from hntf.threads import matmul

LARGEST_PENALTY = 1e300
"""Scaled penalty from which a column is left out whatever the data, so that a larger one need not be represented."""


@dataclass(frozen=True)
class ScaledProblem:
    """A least-squares problem in scaled Gram form, with right-hand sides as rows; its solution is `S * scale`."""

    A: Any
    B: Any
    C: Array
    scale: Array
    weights: Array | None
    penalty: Array | None
    ridge: Array | None

    @classmethod
    def scaled(cls, A: Any, B: Any, weights: Array | None, l1: float, l2: float) -> ScaledProblem:
        """Scale the columns of `A` by powers of two, which is exact, and form the Gram matrix and the right-hand sides."""
        if weights is not None and weights.ndim == 1:
            root = backend_of(weights).sqrt(weights)
            A, B, weights = _times_rows(A, root), _times_rows(B, root), None
        seen = None if weights is None else _largest_roots(weights)
        scale = _powers_of_two(A if seen is None else _times_rows(A, seen), l2)
        if seen is not None:
            # What is hidden from all right-hand sides may be huge beside the rest.
            A = _times_rows(A, 1.0 * (seen > 0))
        A = A @ scipy.sparse.diags_array(scale) if scipy.sparse.issparse(A) else A * scale
        if weights is not None:
            A, B = _dense(A), _dense(B)
            C = (weights * B).T @ A
        elif scipy.sparse.issparse(A) or scipy.sparse.issparse(B):
            C = _dense(B.T @ A)
        else:
            C = matmul(B.T, A)
        ridge = l2**0.5 * scale if l2 else None
        penalty = from_numpy(_scaled_penalty(l1, to_numpy(scale)), C) if l1 else None
        return cls(A, B, C if penalty is None else C - penalty, scale, weights, penalty, ridge)

    @cached_property
    def gram(self) -> Array:
        """The Gram matrix `(k, k)`, or with weights those of the rows `(n, k, k)`, which may be far larger than the data."""
        A, weights = self.A, self.weights
        if weights is None:
            G = _dense(A.T @ A)
        else:
            outer = backend_of(A).einsum("mi,mj->mij", A, A).reshape(len(A), -1)
            G = (weights.T @ outer).reshape(-1, *2 * A.shape[1:])
        return G if self.ridge is None else G + from_numpy(np.diag(to_numpy(self.ridge) ** 2), G)

    @cached_property
    def rooted(self) -> RootedProblems:
        """The problems in square-root form, by orthogonal factorizations of `A`."""
        return _OfScaledProblem(self)

    def solve(self, support: Array | None) -> Solution:
        """Solve in Gram form, or, where that is not accurate enough, in square-root form."""
        if len(self.C) and host_view(self.C) is not None and not kinks.is_recorded():
            # The Gram matrices of all rows would take far longer than the search.
            start = None if support is None else to_numpy(support)
            searched = search_each(len(self.C), self.rooted, start)
            if searched is not None:
                S, found = (from_numpy(each, self.C) for each in searched[:2])
                return searched._replace(S=S, support=found)
        return solve(self.gram, self.C, support, self.rooted)

    def certificate(self, solution: Solution, shape: tuple[int, ...]) -> NNLSInfo:
        """Return the information on the solution, with the margin in the user's units."""
        S = solution.S
        Y = apply_gram(self.gram, S) - self.C
        if self.weights is None and self.rooted.used:
            Y = from_numpy(self.rooted.residual_gradient(0, np.arange(len(S)), to_numpy(S)), S)
        C = from_numpy(self.rooted.bounded(to_numpy(self.C), to_numpy(self.gram)), S)
        rows = Rows(self.gram, C, S, solution.support, Y, self.scale)
        return NNLSInfo(solution.support.T.reshape(shape), solution.n_iter, [rows])


class _OfScaledProblem(FactoredProblems):
    """The square-root form of a scaled problem."""

    refined_below = MODERATE

    def __init__(self, problem: ScaledProblem) -> None:
        super().__init__()
        self._problem = problem
        self._roots_of_weights = None if problem.weights is None else np.sqrt(to_numpy(problem.weights))

    def dictionary(self, gram: int) -> np.ndarray:
        A, roots = to_numpy(_dense(self._problem.A)), self._roots_of_weights
        return A if roots is None else A * roots[:, gram, None]

    def ridge(self, gram: int) -> np.ndarray | None:
        return None if self._problem.ridge is None else to_numpy(self._problem.ridge)

    def shared(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        roots, problem = self._roots_of_weights, self._problem
        if roots is None or problem.ridge is not None:
            return None
        return to_numpy(problem.A), roots.T, to_numpy(problem.B).T

    def product(self, gram: int, rows: np.ndarray, M: np.ndarray) -> np.ndarray:
        return self._samples(rows).T @ M

    def linear_cost(self, rows: np.ndarray) -> np.ndarray:
        penalty, k = self._problem.penalty, len(self._problem.scale)
        return np.empty((0, k)) if penalty is None else np.tile(to_numpy(penalty), (len(rows), 1))

    def sizes_of_samples(self) -> np.ndarray | None:
        if self._problem.penalty is None:
            return None
        samples = self._samples(slice(None)).T
        if scipy.sparse.issparse(samples):
            return samples.shape[1] ** 0.5 * abs(samples).max(axis=1).toarray().reshape(-1, 1)
        return bound_of_norms(samples)

    def _samples(self, rows: np.ndarray | slice) -> Any:
        """Return the right-hand sides of some rows as columns, times the roots of the weights."""
        B, roots = self._problem.B[:, rows], self._roots_of_weights
        B = B if scipy.sparse.issparse(B) else to_numpy(B)
        return B if roots is None else B * roots[:, rows]


def _scaled_penalty(l1: float, scale: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.minimum(l1 * scale, LARGEST_PENALTY)


def _dense(x: Any) -> Array:
    return x.toarray() if scipy.sparse.issparse(x) else x


def _times_rows(x: Any, factors: Array) -> Any:
    return scipy.sparse.diags_array(factors) @ x if scipy.sparse.issparse(x) else x * factors[:, None]


def _powers_of_two(A: Any, l2: float) -> Array:
    """Return, for each column, the power of two that brings its largest entry into [½, 1) if it is normal; 1 for a zero column.

    The root of the ridge penalty is an entry of each column.
    """
    if scipy.sparse.issparse(A):
        return inverse_power(np.maximum(abs(A).max(axis=0).toarray().ravel(), l2**0.5))
    return from_numpy(inverse_power(np.maximum(to_numpy(abs(A)).max(axis=0), l2**0.5)), A)


def _largest_roots(weights: Array) -> Array:
    """Return the root of the largest weight of every row, relative to the largest of all; ones if there are no columns."""
    tl = backend_of(weights)
    if not weights.shape[1]:
        return ones_like((len(weights),), weights)
    largest = tl.max(weights, axis=1)
    return tl.sqrt(largest / (tl.max(largest) or 1.0))
