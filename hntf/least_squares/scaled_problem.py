"""The least-squares problem of `A` and `B` in scaled Gram form, and its refinement for ill-conditioned problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.least_squares.certificate import NNLSInfo, certify
from hntf.least_squares.gram import apply_gram, unit_columns
from hntf.least_squares.kinks import margin
from hntf.least_squares.solver import Solution, refine, solve
from hntf.threads import matmul

ILL_CONDITIONED = 1e-8
"""Ratio of the Gram matrix's extreme eigenvalues below which its solution is refined against `A` itself."""


@dataclass(frozen=True)
class ScaledProblem:
    """A least-squares problem in scaled Gram form, with right-hand sides as rows; its solution is `S * scale`."""

    A: Array
    B: Array
    G: Array
    C: Array
    scale: Array
    refinable: bool

    @classmethod
    def scaled(cls, A: Array, B: Array, weights: Array | None, l1: float, l2: float) -> ScaledProblem:
        """Scale the columns of `A` by powers of two, which is exact, and form the Gram matrix and the right-hand sides."""
        tl = backend_of(A)
        if weights is not None and weights.ndim == 1:
            root = tl.sqrt(weights)
            B = scipy.sparse.diags_array(root) @ B if scipy.sparse.issparse(B) else B * root[:, None]
            A, weights = A * root[:, None], None
        scale = _powers_of_two(A)
        A = A * scale
        if l2:
            A, B, weights = _with_ridge_rows(A, B, weights, l2**0.5 * scale)
        if weights is None:
            G, C = A.T @ A, B.T @ A if scipy.sparse.issparse(B) else matmul(B.T, A)
        else:
            B = B.toarray() if scipy.sparse.issparse(B) else B
            outer = tl.reshape(tl.einsum("mi,mj->mij", A, A), (len(A), -1))
            G, C = tl.reshape(weights.T @ outer, (-1, *2 * A.shape[1:])), (weights * B).T @ A
        if l1:
            C = C - l1 * scale
        return cls(A, B, G, C, scale, refinable=weights is None and not l1)

    @cached_property
    def factored(self) -> tuple[Array, Array] | None:
        """`R` and `Z` of the least-squares problem `‖R s − z‖` if the Gram matrix is not accurate enough, otherwise None."""
        if not self.refinable or not _is_ill_conditioned(self.G):
            return None
        Q, R = backend_of(self.A).qr(self.A)
        return R, self.B.T @ Q

    def solve(self, support: Array | None) -> Solution:
        """Solve in Gram form, then refine against `A` if that is not accurate enough."""
        solution = solve(self.G, self.C, support)
        return solution if self.factored is None else refine(*self.factored, solution.S)

    def certificate(self, solution: Solution, shape: tuple[int, ...]) -> NNLSInfo:
        """Return the information on the solution, with the margin in the user's units."""
        S = solution.S
        if self.factored is None:
            Y = apply_gram(self.G, S) - self.C
        else:
            R, Z = self.factored
            Y = (S @ R.T - Z) @ R
        distance = margin(S * self.scale, Y / self.scale)
        return certify(self.G, self.C, solution, Y, solution.support.T.reshape(shape), distance)


def _is_ill_conditioned(G: Array) -> bool:
    if len(G) == 1:
        return False
    values = np.linalg.eigvalsh(to_numpy(unit_columns(G)[0]))
    return bool(values[0] < ILL_CONDITIONED * values[-1])


def _powers_of_two(A: Array) -> Array:
    """Return, for each column, the power of two that brings its largest entry into [½, 1); 1 for a zero column."""
    tl = backend_of(A)
    largest = to_numpy(tl.max(tl.abs(A), axis=0))
    return from_numpy(np.ldexp(1.0, -np.frexp(largest)[1]), A)


def _with_ridge_rows(A: Array, B: Any, weights: Array | None, diagonal: Array) -> tuple[Array, Any, Array | None]:
    """Append the ridge penalty as rows of the least-squares problem."""
    tl = backend_of(A)
    k = len(diagonal)
    A = tl.concatenate([A, tl.eye(k, **tl.context(A)) * diagonal])
    if scipy.sparse.issparse(B):
        B = scipy.sparse.vstack([B, scipy.sparse.csr_array((k, B.shape[1]))])
    else:
        B = tl.concatenate([B, tl.zeros((k, B.shape[1]), **tl.context(B))])
    if weights is not None:
        weights = tl.concatenate([weights, tl.ones((k, weights.shape[1]), **tl.context(weights))])
    return A, B, weights
