"""Numba kernels over slices of sparse weights."""

from __future__ import annotations

from hntf.least_squares.elimination import kernel


@kernel
def add_outer_products(indptr, indices, weights, U, G, start, stop):  # type: ignore[no-untyped-def]
    """Add `Σ_j w_ij u_j u_jᵀ` to the matrix `G_i` `(k, k)` of every row `i` of a sparse matrix."""
    k = U.shape[1]
    for i in range(start, stop):
        g = G[i]
        for e in range(indptr[i], indptr[i + 1]):
            u = U[indices[e]]
            for a in range(k):
                factor = weights[e] * u[a]
                for b in range(k):
                    g[a, b] += factor * u[b]
