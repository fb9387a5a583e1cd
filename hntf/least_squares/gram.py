"""Products with Gram matrices: one `(k, k)` for all rows, or one a row `(n, k, k)`."""

from __future__ import annotations

from hntf.arrays import Array, backend_of


def apply_gram(G: Array, S: Array) -> Array:
    """Return `S G`, row by row where there is one Gram a row."""
    return S @ G if G.ndim == 2 else backend_of(S).einsum("nij,nj->ni", G, S)


def symmetric_outer(V: Array, S: Array, G: Array) -> Array:
    """Return `½(VᵀS + SᵀV)` in the shape of `G`: summed over the rows, or one a row."""
    product = V.T @ S if G.ndim == 2 else backend_of(S).einsum("ni,nj->nij", V, S)
    return 0.5 * (product + product.mT)


def column_norms(G: Array) -> Array:
    """Return the norms `√G_jj` of the columns, `(k,)` or `(n, k)`."""
    tl = backend_of(G)
    return tl.sqrt(tl.einsum("...jj->...j", G))


def unit_columns(G: Array) -> tuple[Array, Array]:
    """Return `G` with columns of unit norm, and the norms; a zero column counts as one of norm 1."""
    tl = backend_of(G)
    norms = column_norms(G)
    norms = tl.where(norms > 0, norms, 0 * norms + 1)
    return G / (norms[..., :, None] * norms[..., None, :]), norms
