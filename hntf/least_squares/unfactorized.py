"""Problems of several Gram matrices as they are given: few rows to a dictionary are solved without a factorization of all of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hntf.least_squares import row_dictionaries
from hntf.least_squares.row_dictionaries import RowDictionaries

SMALL = 1e-3
"""Size of a column, relative to the root of its ridge penalty, below which its entries are corrected."""


class Unfactorized(NamedTuple):
    """The dictionaries, weights, samples and penalties of problems.

    Attributes
    ----------
    A : array, `(d, m, k)`
        The dictionaries; Gram matrix `i` of `g` has `A[i * d // g]`.
    roots : array, `(g, m)`, or None
        The roots of the weights, which all rows of a Gram matrix have.
    X : array, `(n, m)`, or None
        The samples, which are not needed to solve on known supports.
    ridge : array, `(p, k)`, or None
        The roots of the ridge penalties; Gram matrix `i` of `g` has `ridge[i * p // g]`.
    n_grams : int
        The number `g` of Gram matrices.
    """

    A: np.ndarray
    roots: np.ndarray | None
    X: Any
    ridge: np.ndarray | None
    n_grams: int

    def dictionaries(self, rows: np.ndarray, rows_per_gram: int) -> RowDictionaries:
        """Return the dictionaries of some rows, each above the diagonal matrix of its ridge penalty."""
        grams = rows // rows_per_gram
        roots = None if self.roots is None else self.roots[grams]
        if self.ridge is None:
            return row_dictionaries.of_dictionaries(self.A, self._of(self.A, grams), roots)
        A, ridge, index = self.A, self.ridge, self._of(self.A, grams)
        if len(ridge) > 1:
            used, index = np.unique(grams, return_inverse=True)
            A, ridge = A[self._of(A, used)], ridge[self._of(ridge, used)]
        # A zero column never enters a support.
        below = np.where(A.any(axis=1), ridge, 0.0)[:, :, None] * np.eye(A.shape[2])
        roots = None if roots is None else np.concatenate([roots, np.ones((len(roots), A.shape[2]))], axis=1)
        return row_dictionaries.of_dictionaries(np.concatenate([A, below], axis=1), index, roots)

    def samples(self, rows: np.ndarray, dictionaries: RowDictionaries) -> np.ndarray:
        """Return the samples of some rows, times the roots of their weights, above the zeros of their ridge penalty."""
        Z = np.zeros((len(rows), dictionaries.R.shape[1]))
        Z[:, : self.A.shape[1]] = self.X[rows]
        return Z * dictionaries.roots if len(dictionaries.roots) else Z

    def dual(self, rows: np.ndarray, rows_per_gram: int, S: np.ndarray) -> np.ndarray:
        """Return `Aᵀdiag(w²)(A s − x) + r² s` for some rows and their codes `S`."""
        grams = rows // rows_per_gram
        A = self.A[self._of(self.A, grams)] if len(self.A) > 1 else self.A[0]
        residual = (S[:, None] @ A.mT)[:, 0] - self.X[rows] if A.ndim > 2 else S @ A.T - self.X[rows]
        weighted = residual if self.roots is None else residual * self.roots[grams] ** 2
        Y = (weighted[:, None] @ A)[:, 0] if A.ndim > 2 else weighted @ A
        return Y if self.ridge is None else Y + S * self.ridge[self._of(self.ridge, grams)] ** 2

    @property
    def has_small_columns(self) -> bool:
        """Whether a column is far smaller than the root of its ridge penalty, but not zero."""
        if self.ridge is None:
            return False
        largest = np.max(np.abs(self.A), axis=1)
        if len(self.ridge) > len(largest):
            largest = largest[self._of(largest, np.arange(self.n_grams))]
        return bool(((largest > 0) & (largest < SMALL * self.ridge)).any())

    def _of(self, items: np.ndarray, grams: np.ndarray) -> np.ndarray:
        """Return which of some dictionaries or penalties Gram matrices have."""
        return grams * len(items) // self.n_grams
