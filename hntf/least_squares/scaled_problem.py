"""The least-squares problem of `A` and `B` in scaled Gram form, and its square-root form for ill-conditioned problems."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.least_squares import square_root
from hntf.least_squares.certificate import NNLSInfo, Rows
from hntf.least_squares.gram import apply_gram
from hntf.least_squares.solver import Solution, solve
from hntf.least_squares.square_root import RootedProblems, SquareRoot
from hntf.threads import matmul


@dataclass(frozen=True)
class ScaledProblem:
    """A least-squares problem in scaled Gram form, with right-hand sides as rows; its solution is `S * scale`."""

    A: Array
    B: Array
    G: Array
    C: Array
    scale: Array
    weights: Array | None
    l1: float

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
        return cls(A, B, G, C, scale, weights, l1)

    @cached_property
    def rooted(self) -> RootedProblems:
        """The problems in square-root form, by orthogonal factorizations of `A`."""
        A, k = to_numpy(self.A), self.A.shape[1]
        roots = None if self.weights is None else np.sqrt(to_numpy(self.weights))

        def root(gram: int) -> SquareRoot:
            return square_root.of_factor(A if roots is None else A * roots[:, gram, None])

        def right(root: SquareRoot, gram: int, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            B = self.B[:, columns]
            B = B if scipy.sparse.issparse(B) else to_numpy(B)
            F = np.tile(self.l1 * to_numpy(self.scale), (len(columns) if self.l1 else 0, 1)).reshape(-1, k)
            return (B if roots is None else B * roots[:, columns]).T @ root.basis, F

        return RootedProblems(root, right)

    def solve(self, support: Array | None) -> Solution:
        """Solve in Gram form, or, where that is not accurate enough, in square-root form."""
        return solve(self.G, self.C, support, self.rooted)

    def certificate(self, solution: Solution, shape: tuple[int, ...]) -> NNLSInfo:
        """Return the information on the solution, with the margin in the user's units."""
        S = solution.S
        Y = apply_gram(self.G, S) - self.C
        if self.weights is None and self.rooted.used:
            Y = from_numpy(self.rooted.residual_gradient(0, np.arange(len(S)), to_numpy(S)), S)
        rows = Rows(self.G, self.C, S, solution.support, Y, self.scale)
        return NNLSInfo(solution.support.T.reshape(shape), solution.n_iter, rows)


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
