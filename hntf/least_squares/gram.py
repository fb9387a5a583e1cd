"""Products with Gram matrices: one `(k, k)` for all rows, one per row `(n, k, k)`, or a structured one that is not formed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from hntf.arrays import Array, arange_like, backend_of, identity_like

if TYPE_CHECKING:
    from hntf.least_squares.rooted_problems import RootedProblems

Gram = Any
"""An array `(k, k)` or `(n, k, k)`, or a `StructuredGram`."""


class StructuredGram(ABC):
    """A Gram matrix that is represented by its structure."""

    @abstractmethod
    def apply(self, S: Array) -> Array:
        """Return `S G`."""

    @abstractmethod
    def with_ridge(self, l2: float) -> StructuredGram:
        """Return `G + l2 I`."""

    @abstractmethod
    def outer(self, V: Array, S: Array) -> Any:
        """Return the gradient of `⟨V, S G⟩` with respect to the parts of `G`; it supports addition, negation and scaling."""

    @abstractmethod
    def solve(self, C: Array, support: Array | None, rooted: RootedProblems | None = None) -> tuple[Array, Array, int]:
        """Return `S`, `support` and iterations of `min_{S ≥ 0} ½⟨S G, S⟩ − ⟨C, S⟩`; see `solver.solve`."""

    @abstractmethod
    def solve_on_support(self, C: Array, support: Array, rooted: RootedProblems | None = None) -> Array:
        """Solve `G_PP v_P = c_P` on the support, zero elsewhere."""

    def hals(self, C: Array, S: Array) -> Array:
        """Return an update of `S` that is at least as good as sweeps of coordinate descent; see `hals`."""
        return self.solve(C, None)[0]

    @property
    @abstractmethod
    def parts(self) -> list[Array]:
        """The arrays of which the matrix consists."""


def row_grams(G: Gram, n: int) -> Gram:
    """Return `G` as `(k, k)` for all rows, or expanded to `(n, k, k)`; a structured one is returned unchanged."""
    if isinstance(G, StructuredGram) or G.ndim == 2 or len(G) == n:
        return G
    return G[0] if len(G) == 1 else G[arange_like(n, G) // (n // len(G))]


def with_ridge(G: Gram, l2: float) -> Gram:
    """Return `G + l2 I`."""
    if l2 == 0.0:
        return G
    return G.with_ridge(l2) if isinstance(G, StructuredGram) else G + l2 * identity_like(G.shape[-1], G)


def apply_gram(G: Gram, S: Array) -> Array:
    """Return `S G`, row by row if there is one Gram matrix per row."""
    if isinstance(G, StructuredGram):
        return G.apply(S)
    return S @ G if G.ndim == 2 else backend_of(S).einsum("nij,nj->ni", G, S)


def squared_error_in_gram_form(norm_squared: float, G: Gram, C: Array, S: Array) -> float:
    """Return `‖X‖² − 2⟨C, S⟩ + ⟨S G, S⟩`, which is `‖X − M(S)‖²` up to cancellation."""
    gradient = apply_gram(G, S)
    gradient -= C
    gradient -= C
    return norm_squared + float(gradient.reshape(-1) @ S.reshape(-1))


def symmetric_outer(V: Array, S: Array, G: Gram) -> Any:
    """Return `½(VᵀS + SᵀV)`, the gradient of `⟨V, S G⟩`, in the form of `G`: summed over rows, one per row, or by part."""
    if isinstance(G, StructuredGram):
        return G.outer(V, S)
    product = V.T @ S if G.ndim == 2 else backend_of(S).einsum("ni,nj->nij", V, S)
    return 0.5 * (product + product.mT)


def column_norms(G: Array) -> Array:
    """Return the norms `√G_jj` of the columns, `(k,)` or `(n, k)`."""
    tl = backend_of(G)
    return tl.sqrt(tl.einsum("...jj->...j", G))


def unit_columns(G: Array) -> tuple[Array, Array]:
    """Return `G` for columns of unit norm, and the norms; for a zero column the norm is 1."""
    tl = backend_of(G)
    norms = column_norms(G)
    norms = tl.where(norms > 0, norms, 0 * norms + 1)
    return G / (norms[..., :, None] * norms[..., None, :]), norms


def is_finite(G: Gram) -> bool:
    """Return whether all entries are finite and their sum does not overflow."""
    parts = G.parts if isinstance(G, StructuredGram) else [G]
    return all(bool(abs(part).sum() < float("inf")) for part in parts)
