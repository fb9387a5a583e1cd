"""Numba kernels for `downdated`: the Gram matrix and the inverse of a row are formed for it alone, and solved by `compiled`."""

from __future__ import annotations

import numpy as np

from hntf.least_squares import compiled
from hntf.least_squares.elimination import kernel

pivot, solve = compiled.block_pivoting, compiled.on_support


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
def block_pivoting(  # type: ignore[no-untyped-def]
    G,
    M,
    indptr,
    indices,
    weights,
    factor,
    least,
    C,
    S,
    support,
    iterations,
    doubtful,
    warm,
    max_iterations,
    first,
    last,
):
    """Solve every row that is well-conditioned as `compiled.block_pivoting`; `iterations` of others stay 0."""
    k = C.shape[1]
    g, inverse, t = np.empty((1, k, k)), np.empty((k, k)), np.empty(k)
    for i in range(first, last):
        if downdate(G, M, indptr[i], indptr[i + 1], indices, weights, factor, least, g[0], inverse, t):
            here = slice(i, i + 1)
            pivot(
                g, inverse, inverse, C[here], S[here], support[here], iterations[here], doubtful[here], warm,
                max_iterations, 0.0, 0.0, 0, 1,
            )  # fmt: skip


@kernel
def on_support(  # type: ignore[no-untyped-def]
    G, M, indptr, indices, weights, factor, least, C, support, V, safe, first, last
):
    """Solve every row that is well-conditioned as `compiled.on_support`; the others are not `safe`."""
    k = C.shape[1]
    g, inverse, t = np.empty((1, k, k)), np.empty((k, k)), np.empty(k)
    for i in range(first, last):
        if downdate(G, M, indptr[i], indptr[i + 1], indices, weights, factor, least, g[0], inverse, t):
            here = slice(i, i + 1)
            solve(g, inverse, C[here], support[here], V[here], safe[here], 0, 1)
