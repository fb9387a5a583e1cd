"""Coordinate descent on nonnegative least-squares problems in Gram form: a few cheap sweeps instead of the exact solution.

Each variable of a row in turn takes its best value, `s_j ← [s_j + (c_j − (s G)_j) / G_jj]⁺`. Column by column over all rows this
is the update of HALS; as the rows are independent, it is the same row by row. A variable on which nothing depends
(`G_jj = 0`) becomes zero, as in the exact solution.

References
----------
Cichocki, Phan (2009), *Fast local algorithms for large scale nonnegative matrix and tensor factorizations*, IEICE Trans.
Gillis, Glineur (2012), *Accelerated multiplicative updates and hierarchical ALS algorithms for nonnegative matrix
factorization*, Neural Comput.: several sweeps for one product with the data.
"""

from __future__ import annotations

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, host_view
from hntf.least_squares.gram import Gram, StructuredGram, row_grams
from hntf.least_squares.on_support import kernel_arrays
from hntf.threads import over_rows

SWEEPS = 10
ENOUGH = 0.01
"""The sweeps of a row stop when the change of a sweep is below this fraction of the change of the first sweep."""


def hals(G: Gram, C: Array, S: Array) -> Array:
    """Return `S` after several sweeps of coordinate descent on `min_{S ≥ 0} ½⟨S G, S⟩ − ⟨C, S⟩`.

    Parameters
    ----------
    G : array, `(k, k)` or `(g, k, k)` with `g` a divisor of `n`, float64
        Gram matrices.
    C : array, `(n, k)`, float64
        Right-hand sides.
    S : array, `(n, k)`, float64
        The point from which to start.
    """
    if isinstance(G, StructuredGram):
        return G.hals(C, S)
    if host_view(C) is None:
        return _portable(row_grams(G, len(C)), C, S)
    from hntf.least_squares import compiled

    grams, rows, start = kernel_arrays(G, C, S)
    result = np.array(start)
    n, k = rows.shape
    work = SWEEPS * k * k
    over_rows(
        lambda first, last: compiled.coordinate_descent(grams, rows, result, SWEEPS, ENOUGH, first, last), n, work
    )
    return from_numpy(result, C)


def _portable(G: Array, C: Array, S: Array) -> Array:
    tl = backend_of(C)
    S = tl.copy(S)
    for _ in range(SWEEPS):
        for j in range(C.shape[1]):
            row, diagonal = G[..., j, :], G[..., j, j]
            positive = diagonal > 0
            step = (C[:, j] - tl.sum(S * row, axis=-1)) * positive / tl.where(positive, diagonal, 0 * diagonal + 1)
            moved = S[:, j] * positive + step
            S[:, j] = moved * (moved > 0)
    return S
