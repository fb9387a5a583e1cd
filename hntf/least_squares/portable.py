"""Support search and solution on a support, batched over rows, with the functions of a TensorLy backend.

The same functions as in `compiled`, for arrays that are not in CPU memory. Principal submatrices are solved at full size, with
the rows and columns outside the support replaced by the identity.
"""

from __future__ import annotations

from hntf.arrays import Array, arange_like, backend_of
from hntf.least_squares.gram import apply_gram, column_norms, row_grams, unit_columns
from hntf.least_squares.pivoting import pivot

EPS = 2.0**-52
BLOCK_ENTRIES = 2**24
"""Maximum number of entries of the masked Gram matrices that are formed at a time: 128 MiB."""


def _of_rows(G: Array, rows: Array | slice) -> Array:
    return G if G.ndim == 2 else G[rows]


def _solve_block(G: Array, C: Array, support: Array) -> Array:
    tl = backend_of(C)
    scaled, norms = unit_columns(G)
    identity = tl.eye(C.shape[1], **tl.context(C))
    # The shift is at rounding level; it prevents a single singular row from failing the whole batch.
    diagonal = tl.where(support, 0 * C + EPS, 0 * C + 1)[:, :, None] * identity
    both = support[:, :, None] & support[:, None, :]
    masked = tl.where(both, scaled, 0 * identity) + diagonal
    right = tl.where(support, C / norms, 0 * C)
    return tl.solve(masked, right[..., None])[..., 0] / norms


def solve_on_support(G: Array, C: Array, support: Array) -> Array:
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere."""
    n, k = C.shape
    G = row_grams(G, n)
    block = max(1, BLOCK_ENTRIES // (k * k))
    parts = []
    for start in range(0, n, block):
        rows = slice(start, start + block)
        parts.append(_solve_block(_of_rows(G, rows), C[rows], support[rows]))
    return parts[0] if len(parts) == 1 else backend_of(C).concatenate(parts)


def is_definite(G: Array) -> Array:
    """Return, for each Gram matrix, whether it is positive definite up to rounding after its columns are scaled to unit norm.

    Zero columns are ignored, because they never enter a support.
    """
    tl = backend_of(G)
    k = G.shape[-1]
    scaled, _ = unit_columns(G)
    zero = tl.einsum("...jj->...j", G) <= 0
    ones_on_zero = tl.eye(k, **tl.context(G)) * zero[..., None, :]
    return tl.eigh(scaled + ones_on_zero)[0][..., 0] > 64 * k * EPS


def block_pivoting(G: Array, C: Array, support: Array | None, max_iterations: int) -> tuple[Array, Array, Array]:
    """Solve every row by block principal pivoting, as `compiled.block_pivoting` does.

    Returns
    -------
    S, support : arrays, `(n, k)`
        The solutions and their supports.
    iterations : array, `(n,)`
        Iterations of every row; negative for rows that are left to the active set: singular ones, and those that did not finish.
    """
    n, k = C.shape
    G = row_grams(G, n)
    norms = column_norms(G) + 0 * C
    rows = arange_like(n, C)

    def solve_rows(rows: Array, passive: Array, S: Array) -> tuple[Array, Array]:
        g, c = _of_rows(G, rows), C[rows]
        s = solve_on_support(g, c, passive)
        return s, apply_gram(g, s) - c

    return pivot(
        solve_rows,
        C,
        norms,
        C > 0 if support is None else support,
        rows=rows[is_definite(G) & (rows >= 0)],
        tolerance=8 * k * EPS,
        max_iterations=max_iterations,
    )
