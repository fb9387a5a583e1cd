"""Numba kernels for `downdated`: the Gram matrix and the inverse of a row are formed for it alone, and solved by `compiled`."""

from __future__ import annotations

import numpy as np

from hntf.least_squares import compiled
from hntf.least_squares.kernels import kernel
from hntf.least_squares.lanes import LANES

pivot, solve = compiled.block_pivoting, compiled.on_support

FIRST = np.int64(0)
"""The first row; of a literal number, another kernel would be compiled."""


@kernel
def downdate(G, M, start, stop, indices, weights, factor, least, g, inverse, t):  # type: ignore[no-untyped-def]
    """Write `G − Σ_e w_e a_e a_eᵀ` and its inverse; return whether it is known to be well-conditioned."""
    k = t.shape[0]
    g[:], inverse[:] = G, M
    product = 1.0
    for e in range(start, stop):
        a, w = factor[indices[e]], weights[e]
        lever = 0.0
        for p in range(k):
            total = 0.0
            for q in range(k):
                total += inverse[p, q] * a[q]
            t[p] = total
            lever += total * a[p]
        d = 1.0 - w * lever
        product *= d
        if not product >= least:
            return False
        for p in range(k):
            of_inverse, of_gram = w / d * t[p], w * a[p]
            for q in range(k):
                inverse[p, q] += of_inverse * t[q]
                g[p, q] -= of_gram * a[q]
    return True


@kernel
def _downdate_rows(  # type: ignore[no-untyped-def]
    G, M, indptr, indices, weights, factor, least, first, last, grams, inverse, t, known
):
    """Write the Gram matrices of some rows; `known` tells those that are known to be well-conditioned."""
    for i in range(first, last):
        here = i - first
        known[here] = downdate(G, M, indptr[i], indptr[i + 1], indices, weights, factor, least, grams[here], inverse, t)


@kernel
def block_pivoting(  # type: ignore[no-untyped-def]
    G, M, indptr, indices, weights, factor, least, guess, C, S, support, iterations, max_iterations, first, last
):
    """Solve every row that is well-conditioned as `compiled.block_pivoting`; `iterations` of others are not positive."""
    k = C.shape[1]
    grams, inverse, t, known = np.empty((LANES, k, k)), np.empty((k, k)), np.empty(k), np.empty(LANES, np.bool_)
    reached = np.empty((0, k), np.bool_)
    for start in range(first, last, LANES):
        stop = min(start + LANES, last)
        _downdate_rows(G, M, indptr, indices, weights, factor, least, start, stop, grams, inverse, t, known)
        here = slice(start, stop)
        pivot(
            grams[: stop - start], guess, C[here], S[here], support[here], reached, iterations[here],
            max_iterations, FIRST, stop - start,
        )  # fmt: skip
        for i in range(start, stop):
            if not known[i - start]:
                iterations[i] = 0


@kernel
def on_support(  # type: ignore[no-untyped-def]
    G, M, indptr, indices, weights, factor, least, C, support, V, safe, first, last
):
    """Solve every row that is well-conditioned as `compiled.on_support`; the others are not `safe`."""
    k = C.shape[1]
    grams, inverse, t, known = np.empty((LANES, k, k)), np.empty((k, k)), np.empty(k), np.empty(LANES, np.bool_)
    for start in range(first, last, LANES):
        stop = min(start + LANES, last)
        _downdate_rows(G, M, indptr, indices, weights, factor, least, start, stop, grams, inverse, t, known)
        here = slice(start, stop)
        solve(grams[: stop - start], C[here], support[here], V[here], safe[here], FIRST, stop - start)
        for i in range(start, stop):
            safe[i] = safe[i] and known[i - start]
