"""Gram matrices that a few rows of a factor leave: `G_i = G − Σ_e w_e a_e a_eᵀ`, such as those of samples with few hidden entries.

The inverse of each is that of `G`, which they share, after as many rank-one updates (Sherman & Morrison 1950). With the factors
`d_e = 1 − w_e a_eᵀ M a_e` by which the updates lower the determinant, the smallest eigenvalue of `G_i` is at least `Π d_e` times
that of `G`, for columns of unit norm too: rows for which this does not tell that `G_i` is well-conditioned are left to others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse

from hntf.arrays import Array, host_view
from hntf.least_squares import square_root
from hntf.least_squares.solver import Solution, max_iterations
from hntf.threads import over_rows

MOST_TERMS = 0.25
"""Number of terms, divided by that of columns, up to which an inverse is updated."""


class Downdates(NamedTuple):
    """Gram matrices `G − Σ_e w_e a_e a_eᵀ`, one for each row.

    Attributes
    ----------
    G : array, `(k, k)`
        The matrix that they share.
    weights : csr_array, `(n, m)`
        The weights `w_e`, nonnegative, of the rows of the factor.
    factor : array, `(m, k)`
        The factor with the rows `a_e`.
    """

    G: np.ndarray
    weights: scipy.sparse.csr_array
    factor: np.ndarray

    def plus(self, scale: float, shared: np.ndarray) -> Downdates:
        """Return `scale` times the matrices, and a matrix that is added to all."""
        return Downdates(scale * self.G + shared, scale * self.weights, self.factor)

    def few(self, rows: np.ndarray) -> np.ndarray:
        """Return those of some rows that have few terms."""
        terms = np.diff(self.weights.indptr)[rows]
        return rows[terms <= MOST_TERMS * len(self.G)]

    def solve(self, rows: np.ndarray, C: Array, support: Array | None) -> tuple[np.ndarray, Solution]:
        """Return which of some rows were solved, and their solutions; see `solver.solve`."""
        from hntf.least_squares import downdated_kernels

        G, M, least = self._inverted(len(rows))
        c = _host_rows(C, rows)
        n, k = c.shape
        S, iterations = np.empty((n, k)), np.zeros(n, np.int64)
        found = np.empty((n, k), bool) if support is None else _host_rows(support, rows).astype(bool)
        if len(M):
            guess = M[None] if support is None else np.empty((0, k, k))
            arguments = (G, M, *self._terms(rows), least, guess, c, S, found, iterations, max_iterations(k))
            over_rows(lambda a, b: downdated_kernels.block_pivoting(*arguments, a, b), n, k * k * 16)
        solved = iterations > 0
        solution = Solution(S[solved], found[solved], int(iterations[solved].max(initial=0)))
        return rows[solved], solution

    def solve_on_support(self, rows: np.ndarray, C: Array, support: Array) -> tuple[np.ndarray, np.ndarray]:
        """Return which of some rows were solved, and their solutions; see `on_support.solve_on_support`."""
        from hntf.least_squares import downdated_kernels

        G, M, least = self._inverted(len(rows))
        c = _host_rows(C, rows)
        V, safe = np.empty(c.shape), np.zeros(len(rows), bool)
        if len(M):
            arguments = (G, M, *self._terms(rows), least, c, _host_rows(support, rows), V, safe)
            work = c.shape[1] ** 2 * 16
            over_rows(lambda a, b: downdated_kernels.on_support(*arguments, a, b), len(rows), work)
        return rows[safe], V[safe]

    def _inverted(self, n: int) -> tuple[np.ndarray, np.ndarray, float]:
        """Return the shared matrix, its inverse, empty if it is not used, and the least product of the factors `d_e`."""
        G = np.ascontiguousarray(self.G)
        condition = square_root.reciprocal_condition(G[None])
        M = square_root.inverse_of(G[None], n, condition)
        return G, M, square_root.WELL_CONDITIONED / condition if condition else np.inf

    def _terms(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        terms = self.weights[rows]
        return terms.indptr, terms.indices, terms.data, np.ascontiguousarray(self.factor)


def _host_rows(x: Array, rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(host_view(x)[rows])  # type: ignore[index]
