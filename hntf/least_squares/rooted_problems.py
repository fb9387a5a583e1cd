"""The problems of several Gram matrices in square-root form, each of which is computed when it is needed.

A home of problems that has their dictionaries states the dictionary, products with the samples and the penalties, and is a
`FactoredProblems`; one that has Gram matrices alone is made by `from_grams`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from hntf.arrays import Array, backend_of
from hntf.least_squares import row_dictionaries, square_root
from hntf.least_squares.gram import column_norms
from hntf.least_squares.square_root import SquareRoot
from hntf.least_squares.unfactorized import SMALL, Unfactorized

FARTHEST = 4.0
"""Size of a linear cost, in units of the norms of its column and of the sample, of which no larger one makes a difference.

At the solution the image of the code is no longer than the sample, so a column whose cost exceeds 2 is not in the support.
"""

ILL_CONDITIONED, MODERATE = 1e-6, 1e-4
"""Reciprocal condition numbers below which solutions are refined: where a pass over the samples counts, and where digits do.

Unrefined, a solution has a relative error of about rounding over the reciprocal condition number.
"""

SINGULAR = 1e-8
"""Reciprocal condition number of a Gram matrix with unit columns below which its square root is used."""

CORRECTIONS = 2
"""Number of corrections."""

FEW_ROWS = 8
"""Number of rows of a dictionary up to which it is not factorized as a whole."""


class RootedProblems(ABC):
    """The problems of several Gram matrices in square-root form, each of which is computed when it is needed.

    Attributes
    ----------
    used : set of int
        The Gram matrices whose problems were solved in this form, for a backward pass.
    refined_below : float
        Reciprocal condition number of a Gram matrix with unit columns below which solutions are refined by its square root.
    """

    refined_below = ILL_CONDITIONED

    def __init__(self, used: Iterable[int] = ()) -> None:
        self.used = set(used)
        self._roots: dict[int, SquareRoot] = {}

    @abstractmethod
    def factorized(self, gram: int) -> SquareRoot:
        """Compute the square root of the Gram matrix with this index."""

    @abstractmethod
    def right(self, root: SquareRoot, gram: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return `(Z, F)` for rows of this Gram matrix: the samples in the basis, and the linear costs, `(0, k)` for zero."""

    def root(self, gram: int) -> SquareRoot:
        """Return the square root of the Gram matrix with this index, which is computed once."""
        if gram not in self._roots:
            self._roots[gram] = self.factorized(gram)
        return self._roots[gram]

    def solve(
        self, gram: int, rows: np.ndarray, support: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the solution, support and iterations of rows of a Gram matrix, from a known support or from zero."""
        self.used.add(gram)
        root = self.root(gram)
        (Z, F), sizes = self.right(root, gram, rows), self.sizes(rows)
        if sizes is not None:
            F = -bounded_below(-F, np.linalg.norm(root.columns, axis=1), sizes)
        S, support, iterations = square_root.solve(root, Z, F, support)
        return *self.refined(gram, rows, S, support), iterations

    @property
    def is_ill_conditioned(self) -> bool:
        """Whether all but few Gram matrices are known to be ill-conditioned before they are formed; here, nothing is known."""
        return False

    def search_rows(
        self, rows: np.ndarray, rows_per_gram: int, support: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the solution, support and iterations of rows, in ascending order, from known supports or from zero."""
        found = [
            self.solve(gram, of_gram, None if support is None else support[np.searchsorted(rows, of_gram)])
            for gram, of_gram in by_gram(rows, rows_per_gram)
        ]
        S, support, iterations = (np.concatenate(each) for each in zip(*found, strict=True))
        return S, support, iterations

    def solve_on_support(self, rows: np.ndarray, rows_per_gram: int, D: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Solve `R_PᵀR_P v_P = d_P` on the support `P` of rows, in ascending order; `D` and `support` are those of these rows."""
        V = np.empty(D.shape)
        for gram, of_gram in by_gram(rows, rows_per_gram):
            here = np.searchsorted(rows, of_gram)
            V[here] = square_root.solve_on_support(self.root(gram), D[here], support[here])
        return V

    def refined(self, gram: int, rows: np.ndarray, S: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the solution and support of these rows with what is lost in the square root; here, nothing is."""
        return S, support

    def sizes(self, rows: np.ndarray) -> np.ndarray | None:
        """Return bounds `(n, 1)` of the norms of the samples of these rows, or None if there is no linear cost; here, None."""
        return None

    def bounded(self, C: np.ndarray, G: np.ndarray) -> np.ndarray:
        """Return right-hand sides with the same solution, of which none is so far below zero that it hides the size of the others.

        `G` holds the Gram matrices, `(k, k)` or `(g, k, k)`, or larger ones with the same right-hand sides.
        """
        sizes = self.sizes(np.arange(len(C)))
        if sizes is None:
            return C
        norms = column_norms(G).reshape(-1, C.shape[1])
        return bounded_below(C, np.repeat(norms, len(C) // len(norms), axis=0), sizes)

    def residual_gradient(self, gram: int, rows: np.ndarray, S: np.ndarray) -> np.ndarray:
        """Return the dual `Y = (S Rᵀ − Z) R + F` of these rows, computed from the residual."""
        root = self.root(gram)
        Z, F = self.right(root, gram, rows)
        Y = (S @ root.columns - Z) @ root.columns.T
        return Y + F if len(F) else Y

    def residual_gradients(self, rows: np.ndarray, rows_per_gram: int, S: np.ndarray) -> np.ndarray:
        """Return the dual of rows, in ascending order; `S` is the code of these rows."""
        Y = np.empty(S.shape)
        for gram, of_gram in by_gram(rows, rows_per_gram):
            here = np.searchsorted(rows, of_gram)
            Y[here] = self.residual_gradient(gram, of_gram, S[here])
        return Y


class FactoredProblems(RootedProblems):
    """Problems whose square roots are orthogonal factorizations of a dictionary `A`, above `diag(r)` with a ridge penalty `r²`.

    In the basis of the factorization, a column far smaller than `r` is hardly told from its row of the penalty, to which the
    sample is orthogonal. Its correlation with the sample keeps its digits as `aᵀx`, with which its entry is corrected.
    """

    @abstractmethod
    def dictionary(self, gram: int) -> np.ndarray:
        """Return the dictionary `(m, k)` of a Gram matrix, times the roots of the weights if there are any."""

    @abstractmethod
    def ridge(self, gram: int) -> np.ndarray | None:
        """Return the roots `(k,)` of the ridge penalty, or None if there is none."""

    @abstractmethod
    def product(self, gram: int, rows: np.ndarray, M: np.ndarray) -> np.ndarray:
        """Return `X M` for the samples of these rows, times the roots of the weights, and `M` `(m, p)`."""

    @abstractmethod
    def linear_cost(self, rows: np.ndarray) -> np.ndarray:
        """Return the linear costs `(n, k)` of these rows, at least 0; `(0, k)` for zero."""

    @abstractmethod
    def sizes_of_samples(self) -> np.ndarray | None:
        """Return bounds `(N, 1)` of the norms of all samples, times the roots of the weights, or None without a linear cost."""

    @property
    def unfactorized(self) -> Unfactorized | None:
        """The problems of several Gram matrices as they are given; here, None."""
        return None

    @cached_property
    def is_ill_conditioned(self) -> bool:
        """Whether all but few Gram matrices are known to be ill-conditioned before they are formed.

        They are if there are more columns than rows, and, if they differ by weights alone, where their mean is.
        """
        given = self.unfactorized
        if given is None or given.ridge is not None:
            return False
        if given.roots is None or len(given.A) > 1:
            return given.A.shape[2] > given.A.shape[1]
        (A,) = given.A
        mean = (A * np.square(given.roots).mean(axis=0)[:, None]).T @ A
        return square_root.reciprocal_condition(mean[None]) < SINGULAR

    def search_rows(
        self, rows: np.ndarray, rows_per_gram: int, support: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the solution, support and iterations of rows, in ascending order, from known supports or from zero."""
        given = self.unfactorized if rows_per_gram <= FEW_ROWS else None
        if given is None or given.has_small_columns:
            return super().search_rows(rows, rows_per_gram, support)
        self.used.update((rows // rows_per_gram).tolist())
        dictionaries, F, sizes = given.dictionaries(rows, rows_per_gram), self.linear_cost(rows), self.sizes(rows)
        if sizes is not None:
            F = -bounded_below(-F, dictionaries.norms(), sizes)
        Z = given.samples(rows, dictionaries)
        return row_dictionaries.solve(dictionaries, Z, F, support)

    def solve_on_support(self, rows: np.ndarray, rows_per_gram: int, D: np.ndarray, support: np.ndarray) -> np.ndarray:
        """Solve `R_PᵀR_P v_P = d_P` on the support `P` of rows, in ascending order; `D` and `support` are those of these rows."""
        given = self.unfactorized if rows_per_gram <= FEW_ROWS else None
        if given is None:
            return super().solve_on_support(rows, rows_per_gram, D, support)
        return row_dictionaries.solve_on_support(given.dictionaries(rows, rows_per_gram), D, support)

    def residual_gradients(self, rows: np.ndarray, rows_per_gram: int, S: np.ndarray) -> np.ndarray:
        """Return the dual of rows, in ascending order; `S` is the code of these rows."""
        given = self.unfactorized if rows_per_gram <= FEW_ROWS else None
        if given is None:
            return super().residual_gradients(rows, rows_per_gram, S)
        Y, F = given.dual(rows, rows_per_gram, S), self.linear_cost(rows)
        return Y + F if len(F) else Y

    @cached_property
    def _sizes(self) -> np.ndarray | None:
        return self.sizes_of_samples()

    def sizes(self, rows: np.ndarray) -> np.ndarray | None:
        """Return bounds of the norms of the samples of these rows, or None if there is no linear cost."""
        return None if self._sizes is None else self._sizes[rows]

    def factorized(self, gram: int) -> SquareRoot:
        """Factorize the dictionary above the ridge penalty."""
        A, r = self.dictionary(gram), self.ridge(gram)
        if r is None:
            return square_root.of_factor(A)
        # A zero column never enters a support.
        return square_root.of_factor(np.concatenate([A, np.diag(np.where(A.any(axis=0), r, 0.0))]))

    def right(self, root: SquareRoot, gram: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples in the basis, where the penalty has zeros, and the linear costs."""
        below = 0 if self.ridge(gram) is None else len(root.columns)
        return self.product(gram, rows, root.basis[: len(root.basis) - below]), self.linear_cost(rows)

    def residual_gradient(self, gram: int, rows: np.ndarray, S: np.ndarray) -> np.ndarray:
        """Return the dual, from the residual or, for columns far smaller than the root of their penalty, from the dictionary."""
        Y = super().residual_gradient(gram, rows, S)
        small, r = self._small_columns(gram)
        if len(small):
            Y[:, small] = self._dual_of(small, r, gram, rows, S)
        return Y

    def refined(self, gram: int, rows: np.ndarray, S: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the solution and support with the digits that columns far smaller than the root of their penalty have lost."""
        small, r = self._small_columns(gram)
        for _ in range(CORRECTIONS if len(small) else 0):
            Y = np.zeros(S.shape)
            Y[:, small] = self._dual_of(small, r, gram, rows, S)
            # Such a column is nearly orthogonal to all others, so the sign of its dual tells whether it enters.
            support[:, small] |= Y[:, small] < 0
            # The duals of the others are zero up to rounding, which would grow along directions that hardly change the residual.
            S = S - square_root.solve_on_support(self.root(gram), Y * support, support)
            support &= S > 0
            S = np.where(support, S, 0.0)
        return S, support

    def _dual_of(self, columns: np.ndarray, r: np.ndarray, gram: int, rows: np.ndarray, S: np.ndarray) -> np.ndarray:
        """Return the dual of some columns from the dictionary, `AᵀA s + r² s − Aᵀx + f`."""
        A, F = self.dictionary(gram), self.linear_cost(rows)
        some = A[:, columns]
        Y = S @ (A.T @ some) + S[:, columns] * r[columns] ** 2 - self.product(gram, rows, some)
        return Y + F[:, columns] if len(F) else Y

    def _small_columns(self, gram: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which columns are far smaller than the root of their ridge penalty and not zero, and the roots."""
        r = self.ridge(gram)
        if r is None:
            return np.empty(0, np.int64), np.empty(0)
        largest = np.max(np.abs(self.dictionary(gram)), axis=0)
        return np.flatnonzero((largest > 0) & (largest < SMALL * r)), r


def by_gram(rows: np.ndarray, rows_per_gram: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the index of every Gram matrix that the given rows, in ascending order, have, with its rows."""
    for same in np.split(rows, np.flatnonzero(np.diff(rows // rows_per_gram)) + 1):
        if len(same):
            yield int(same[0]) // rows_per_gram, same


def bound_of_norms(X: np.ndarray) -> np.ndarray:
    """Return bounds `(n, 1)` of the norms of the rows of a matrix, which do not overflow; no copy of it is made."""
    return X.shape[1] ** 0.5 * np.maximum(X.max(axis=1), -X.min(axis=1))[:, None]


def bounded_below(C: Array, norms: Array, sizes: Array) -> Array:
    """Return right-hand sides that are at least `−4‖a_j‖‖x‖`, with the norms of the columns and sizes of the samples."""
    least = -FARTHEST * norms * sizes
    return backend_of(C).where(least > C, least, C)


def from_grams(G: np.ndarray, C: np.ndarray) -> RootedProblems:
    """Return the problems of Gram matrices `(g, k, k)` and right-hand sides `(n, k)`, with the accuracy of the Gram matrices."""
    return _OfGrams(G, C)


class _OfGrams(RootedProblems):
    def __init__(self, G: np.ndarray, C: np.ndarray) -> None:
        super().__init__()
        self._G, self._C = G, C

    def factorized(self, gram: int) -> SquareRoot:
        return square_root.of_gram(self._G[gram])

    def right(self, root: SquareRoot, gram: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return square_root.in_basis(root, self._C[rows])

    def search_rows(
        self, rows: np.ndarray, rows_per_gram: int, support: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if rows_per_gram > 1:
            return super().search_rows(rows, rows_per_gram, support)
        self.used.update(rows.tolist())
        dictionaries, bases = row_dictionaries.of_grams(self._G[rows])
        Z, F = (x[:, 0] for x in square_root.in_bases(dictionaries.R.mT, bases, self._C[rows, None]))
        return row_dictionaries.solve(dictionaries, Z, F if F.any() else F[:0], support)

    def solve_on_support(self, rows: np.ndarray, rows_per_gram: int, D: np.ndarray, support: np.ndarray) -> np.ndarray:
        if rows_per_gram > 1:
            return super().solve_on_support(rows, rows_per_gram, D, support)
        return row_dictionaries.solve_on_support(row_dictionaries.of_grams(self._G[rows])[0], D, support)
