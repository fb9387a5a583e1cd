"""The least-squares problem of `A` and `B` in scaled Gram form, and its square-root form for ill-conditioned problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import Array, arange_like, backend_of, from_numpy, host_view, identity_like, ones_like, to_numpy
from hntf.least_squares import kinks
from hntf.least_squares.certificate import NNLSInfo, Rows
from hntf.least_squares.gram import apply_gram, row_grams
from hntf.least_squares.rooted_problems import MODERATE, FactoredProblems, RootedProblems, bound_of_norms
from hntf.least_squares.solver import Solution, search, solve
from hntf.least_squares.unfactorized import Unfactorized
from hntf.scales import MODERATE_EXPONENT, exponents_of, inverse_power
from hntf.threads import matmul, over_rows

VANISHING = 2.0**-900
"""Size of products from which they, or those that are formed of them, are near the smallest numbers."""

LARGEST_PENALTY = 1e300
"""Scaled penalty from which a column is left out whatever the data, so that a larger one need not be represented."""


@dataclass(frozen=True)
class ScaledProblem:
    """A least-squares problem in scaled Gram form, with right-hand sides as rows `C`; its solution is `S * scale / 2^of_data`.

    Or a batch of problems: `A` is `(m, k)` or `(g, m, k)`, `B` and `weights` are `(m, n)` or `(g, m, n)`, and `scale`, `penalty`
    and `ridge`, one number a column, are `(k,)` or `(g, k)`. The rows of all problems follow each other. Data and weights are
    those of the user times `2^of_data` and `2^of_weights`.
    """

    A: Any
    B: Any
    C: Array
    scale: Array
    weights: Array | None
    penalty: Array | None
    ridge: Array | None
    of_data: int = 0
    of_weights: int = 0

    @classmethod
    def scaled(cls, A: Any, B: Any, weights: Array | None, l1: float, l2: float) -> ScaledProblem:
        """Scale the columns of `A` by powers of two, which is exact, and form the Gram matrix and the right-hand sides.

        The data are scaled as a whole where they vanish otherwise; with weights, which are scaled, too, wherever they are extreme,
        since products of three numbers leave the range first.
        """
        of_data = of_weights = 0
        if weights is not None:
            # The root of an even power is one, too.
            of_data, of_weights = _exponent(B), 2 * (_exponent(weights) // 2)
            B, weights = _times_power(B, of_data), _times_power(weights, of_weights)
            l1, l2 = float(_times_penalty(l1, of_data + of_weights)), float(_times_penalty(l2, of_weights))
        if weights is not None and weights.ndim < B.ndim:
            root = backend_of(weights).sqrt(weights)
            A, B, weights = _times_rows(A, root), _times_rows(B, root), None
        seen = None if weights is None else _largest_roots(weights)
        scale = _powers_of_two(A if seen is None else _times_rows(A, seen), l2)
        if seen is not None:
            # What is hidden from all right-hand sides may be huge beside the rest.
            A = _times_rows(A, 1.0 * (seen > 0))
        if not bool((scale == 1).all()):
            A = A @ scipy.sparse.diags_array(scale) if scipy.sparse.issparse(A) else A * scale[..., None, :]
        if weights is not None:
            A, B = _dense(A), _dense(B)
        C = _products(A, B, weights)
        if not of_data and _vanish(C) and (of_data := _exponent(B)):
            B, l1 = _times_power(B, of_data), float(_times_penalty(l1, of_data))
            C = _products(A, B, weights)
        ridge = l2**0.5 * scale if l2 else None
        penalty = from_numpy(_times_penalty(l1, exponents_of(to_numpy(scale))), C) if l1 else None
        C = C if penalty is None else C - penalty[..., None, :]
        return cls(A, B, C.reshape(-1, A.shape[-1]), scale, weights, penalty, ridge, of_data, of_weights)

    @cached_property
    def gram(self) -> Array:
        """The Gram matrix `(k, k)` or `(g, k, k)`, or with weights those of the rows, which may be far larger than the data."""
        A, weights, k = self.A, self.weights, self.A.shape[-1]
        if weights is None:
            G = _dense(A.T @ A) if A.ndim == 2 else A.mT @ A
        else:
            outer = (A[..., :, None] * A[..., None, :]).reshape(*A.shape[:-1], k * k)
            G = (weights.mT @ outer).reshape(-1, k, k)
        if self.ridge is None:
            return G
        ridge = self.ridge if weights is None or A.ndim == 2 else self.ridge[self._problem_of_row]
        return G + ridge[..., None] ** 2 * identity_like(k, G)

    @cached_property
    def rooted(self) -> RootedProblems:
        """The problems in square-root form, by orthogonal factorizations of `A`."""
        return _OfScaledProblem(self)

    def forget(self) -> None:
        """Drop the square-root form, which refers back to the problem, so that its memory is not kept until it is collected."""
        self.__dict__.pop("rooted", None)

    @property
    def n_grams(self) -> int:
        """The number of Gram matrices."""
        return len(self.C) if self.weights is not None else 1 if self.A.ndim == 2 else len(self.A)

    @cached_property
    def _scale_of_rows(self) -> Array:
        """The scale, `(k,)` or that of every row, `(n, k)`."""
        return self.scale if self.scale.ndim == 1 else self.scale[self._problem_of_row]

    def in_units_of_data(self, S: Array) -> Array:
        """Return the solution in the user's units, in which it may be infinite; itself, if they are the same."""
        with np.errstate(over="ignore"):
            if not self.of_data:
                return S if bool((self.scale == 1).all()) else S * self._scale_of_rows
            # One of the powers alone may be too large.
            exponents = exponents_of(to_numpy(self._scale_of_rows)) - self.of_data
            half = exponents // 2
            return S * from_numpy(np.ldexp(1.0, half), S) * from_numpy(np.ldexp(1.0, exponents - half), S)

    @cached_property
    def _problem_of_row(self) -> Array:
        n = len(self.C)
        return arange_like(n, self.C) // max(1, n // max(1, len(self.A)))

    def solve(self, support: Array | None) -> Solution:
        """Solve in Gram form, or, where that is not accurate enough, in square-root form."""
        if not len(self.C):
            return Solution(self.C, self.C > 0, 0)
        if host_view(self.C) is not None and not kinks.is_recorded() and self.rooted.is_ill_conditioned:
            # To form the Gram matrices would take longer than the search.
            start = None if support is None else to_numpy(support)
            found = search(self.rooted, len(self.C), len(self.C) // self.n_grams, start)
            return found._replace(S=from_numpy(found.S, self.C), support=from_numpy(found.support, self.C))
        return solve(self.gram, self.C, support, self.rooted)

    def certificate(self, solution: Solution, support: Array) -> NNLSInfo:
        """Return the information on the solution, with the margin in the user's units; `support` has the shape the user sees."""
        S = solution.S
        if not len(S):
            return NNLSInfo(support, 0, [])
        Y = apply_gram(row_grams(self.gram, len(S)), S) - self.C
        if self.weights is None and self.rooted.used:
            per_gram = len(S) // self.n_grams
            rows = np.arange(len(S)).reshape(-1, per_gram)[sorted(self.rooted.used)].ravel()
            Y[rows] = from_numpy(self.rooted.residual_gradients(rows, per_gram, to_numpy(S)[rows]), S)
        C = from_numpy(self.rooted.bounded(to_numpy(self.C), to_numpy(self.gram)), S)
        exponents = exponents_of(to_numpy(self._scale_of_rows))
        duals = -exponents - self.of_data - self.of_weights
        solved = Rows(row_grams(self.gram, len(S)), C, S, solution.support, Y, exponents - self.of_data, duals)
        return NNLSInfo(support, solution.n_iter, [solved])


class _OfScaledProblem(FactoredProblems):
    """The square-root form of a scaled problem."""

    refined_below = MODERATE

    def __init__(self, problem: ScaledProblem) -> None:
        super().__init__()
        self._problem = problem
        self._roots_of_weights = None if problem.weights is None else np.sqrt(_side_by_side(problem.weights))
        self._n_grams = problem.n_grams

    @cached_property
    def _dictionaries(self) -> np.ndarray:
        """The dictionaries, `(g, m, k)`."""
        A = to_numpy(_dense(self._problem.A))
        return A.reshape(-1, *A.shape[-2:])

    @cached_property
    def _columns(self) -> Any:
        """The right-hand sides of all problems, `(m, n)`."""
        B = self._problem.B
        return B if scipy.sparse.issparse(B) else _side_by_side(B)

    def _problem_with(self, gram: int) -> int:
        """Return the problem that a Gram matrix belongs to."""
        return gram * len(self._dictionaries) // self._n_grams

    def dictionary(self, gram: int) -> np.ndarray:
        A, roots = self._dictionaries[self._problem_with(gram)], self._roots_of_weights
        return A if roots is None else A * roots[:, gram, None]

    def ridge(self, gram: int) -> np.ndarray | None:
        ridge = self._problem.ridge
        return None if ridge is None else to_numpy(ridge).reshape(len(self._dictionaries), -1)[self._problem_with(gram)]

    @cached_property
    def unfactorized(self) -> Unfactorized | None:
        if self._n_grams == 1:
            return None
        roots, ridge = self._roots_of_weights, self._problem.ridge
        ridge = None if ridge is None else to_numpy(ridge).reshape(len(self._dictionaries), -1)
        return Unfactorized(
            self._dictionaries, None if roots is None else roots.T, self._columns.T, ridge, self._n_grams
        )

    def product(self, gram: int, rows: np.ndarray, M: np.ndarray) -> np.ndarray:
        return self._samples(rows).T @ M

    def linear_cost(self, rows: np.ndarray) -> np.ndarray:
        penalty, k = self._problem.penalty, self._dictionaries.shape[2]
        if penalty is None:
            return np.empty((0, k))
        return to_numpy(penalty).reshape(-1, k)[rows * len(self._dictionaries) // len(self._problem.C)]

    def sizes_of_samples(self) -> np.ndarray | None:
        if self._problem.penalty is None:
            return None
        samples = self._samples(slice(None)).T
        if scipy.sparse.issparse(samples):
            return samples.shape[1] ** 0.5 * abs(samples).max(axis=1).toarray().reshape(-1, 1)
        return bound_of_norms(samples)

    def _samples(self, rows: np.ndarray | slice) -> Any:
        """Return the right-hand sides of some rows as columns, times the roots of the weights."""
        B, roots = self._columns[:, rows], self._roots_of_weights
        return B if roots is None else B * roots[:, rows]


def _products(A: Any, B: Any, weights: Array | None) -> Array:
    """Return the products of the (weighted) right-hand sides with the columns, `(n, k)` or `(g, n, k)`."""
    if weights is not None:
        return (weights * B).mT @ A
    if scipy.sparse.issparse(A) or scipy.sparse.issparse(B):
        return _dense(B.T @ A)
    return matmul(B.mT, A)


def _vanish(C: Array) -> bool:
    """Tell whether products with scaled columns are so small that they have lost digits, or all of them."""
    return 0 not in C.shape and max(float(C.max()), -float(C.min())) < VANISHING


def _side_by_side(x: Array) -> np.ndarray:
    """Return the columns of all problems, `(m, n)` or `(g, m, n)`, as those of one matrix."""
    array = to_numpy(x)
    return array if array.ndim == 2 else array.transpose(1, 0, 2).reshape(array.shape[1], -1)


def _times_penalty(value: float, exponents: Any) -> np.ndarray:
    """Return a penalty times powers of two."""
    with np.errstate(over="ignore"):
        return np.minimum(np.ldexp(value, exponents), LARGEST_PENALTY)


def _exponent(x: Array) -> int:
    """Return the exponent of the power of two that brings the largest entry of an array near 1; 0 if it is near it already."""
    largest = 0.0 if 0 in x.shape else max(float(x.max()), -float(x.min()))
    exponent = int(exponents_of(inverse_power(largest))) if largest < np.inf else 0
    return exponent if abs(exponent) > MODERATE_EXPONENT else 0


def _times_power(x: Array, exponent: int) -> Array:
    """Return an array times a power of two."""
    return x * 2.0**exponent if exponent else x


def _dense(x: Any) -> Array:
    return x.toarray() if scipy.sparse.issparse(x) else x


def _times_rows(x: Any, factors: Array) -> Any:
    return scipy.sparse.diags_array(factors) @ x if scipy.sparse.issparse(x) else x * factors[..., None]


def _powers_of_two(A: Any, l2: float) -> Array:
    """Return, for each column, the power of two that brings its largest entry into [½, 1) if it is normal; 1 for a zero column.

    The root of the ridge penalty is an entry of each column. All are 1 if no entry is far from 1.
    """
    if scipy.sparse.issparse(A):
        scale = inverse_power(np.maximum(abs(A).max(axis=0).toarray().ravel(), l2**0.5))
    else:
        scale = inverse_power(np.maximum(_largest_entries(to_numpy(A)), l2**0.5))
    is_moderate = np.all((scale < 2.0**MODERATE_EXPONENT) & (scale > 2.0**-MODERATE_EXPONENT))
    return from_numpy(np.ones(scale.shape) if is_moderate else scale, A)


def _largest_entries(A: np.ndarray) -> np.ndarray:
    """Return the size of the largest entry of each column, `(…, k)`."""
    if A.ndim == 2:
        return np.maximum(A.max(axis=0), -A.min(axis=0))
    from hntf.least_squares.compiled import largest_entries

    result = np.zeros((len(A), A.shape[2]))
    A = np.ascontiguousarray(A)
    over_rows(lambda first, last: largest_entries(A, result, first, last), len(A), A.shape[1] * A.shape[2])
    return result


def _largest_roots(weights: Array) -> Array:
    """Return the root of the largest weight of every row, relative to the largest of all; ones if there are no columns."""
    tl = backend_of(weights)
    if not weights.shape[-1]:
        return ones_like(weights.shape[:-1], weights)
    largest = tl.max(weights, axis=-1)
    most = tl.max(largest, axis=-1)[..., None]
    return tl.sqrt(largest / tl.where(most > 0, most, 0 * most + 1))
