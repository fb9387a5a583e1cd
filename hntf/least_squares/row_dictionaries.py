"""Problems of which every row has a dictionary of its own: one of several, times the roots of the weights of its entries."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hntf.least_squares import square_root
from hntf.scales import EPS


class RowDictionaries(NamedTuple):
    """The dictionaries of the rows, `diag(w) R` with a dictionary `R` and the roots `w` of the weights.

    Attributes
    ----------
    R : array, `(d, q, k)`, float64, C-contiguous
        The dictionaries.
    dictionary_index : array, `(n,)`, int64
        The dictionary of every row, in ascending order.
    roots : array, `(n, q)` or `(0, q)`, float64, C-contiguous
        The roots of the weights of every row; an empty array is ones.
    tolerance : float
        The relative distance from the span of other columns at which a column depends on them.
    """

    R: np.ndarray
    dictionary_index: np.ndarray
    roots: np.ndarray
    tolerance: float

    def norms(self) -> np.ndarray:
        """Return the norms of the columns, `(n, k)`."""
        if not len(self.roots):
            return np.linalg.norm(self.R, axis=1)[self.dictionary_index]
        same = np.split(np.arange(len(self.dictionary_index)), np.flatnonzero(np.diff(self.dictionary_index)) + 1)
        squares = [self.roots[rows] ** 2 @ self.R[self.dictionary_index[rows[0]]] ** 2 for rows in same if len(rows)]
        return np.sqrt(np.concatenate(squares))


def of_dictionaries(A: np.ndarray, index: np.ndarray, roots: np.ndarray | None) -> RowDictionaries:
    """Return the dictionaries of rows that have `A[index]`, where `A` is `(d, m, k)`, times the roots `(n, m)` of weights."""
    d, m, k = A.shape
    if len(index) < d:
        # What no row has is not copied.
        used, index = np.unique(index, return_inverse=True)
        A = A[used]
    roots = np.empty((0, m)) if roots is None else np.ascontiguousarray(roots)
    return RowDictionaries(np.ascontiguousarray(A), index, roots, 8 * k * EPS)


def of_grams(G: np.ndarray) -> tuple[RowDictionaries, np.ndarray]:
    """Return the square roots of the Gram matrices `(n, k, k)` of the rows, and the bases that `square_root.in_bases` takes."""
    columns, bases, tolerance = square_root.of_grams(G)
    R = np.ascontiguousarray(columns.mT)
    return RowDictionaries(R, np.arange(len(G)), np.empty((0, R.shape[1])), tolerance), bases


def solve(
    dictionaries: RowDictionaries, Z: np.ndarray, F: np.ndarray, support: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solve `min_{s ≥ 0} ½‖diag(w) R s − z‖² + fᵀs` for every row; arguments and results as in `square_root.solve`."""
    from hntf.least_squares.active_set import active_set_each

    return square_root.searched(active_set_each, dictionaries, Z, F, support, dictionaries.R.shape[2])


def solve_on_support(dictionaries: RowDictionaries, D: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Solve `R_Pᵀdiag(w)² R_P v_P = d_P` on the support `P` of every row, zero elsewhere."""
    from hntf.least_squares.active_set import on_support_each

    return square_root.solved_on_support(on_support_each, dictionaries, D, support, dictionaries.R.shape[1])
