"""One Gram matrix for a whole code, where weights couple all its rows."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.least_squares.gram import StructuredGram, is_finite, symmetric_outer
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve


class CoreGram(StructuredGram):
    """The Gram matrix `(K, K)` of a code that is flattened as a whole: one problem of `K` unknowns."""

    def __init__(self, G: Array) -> None:
        self.G = G

    def apply(self, S: Array) -> Array:
        return (S.reshape(1, -1) @ self.G).reshape(S.shape)

    def outer(self, V: Array, S: Array) -> Any:
        return symmetric_outer(V.reshape(1, -1), S.reshape(1, -1), self.G)

    def is_finite(self) -> bool:
        return is_finite(self.G)

    def solve(self, C: Array, support: Array | None) -> tuple[Array, Array, int]:
        start = None if support is None else support.reshape(1, -1)
        S, found, n_iter = solve(self.G, C.reshape(1, -1), start)
        return S.reshape(C.shape), found.reshape(C.shape), n_iter

    def solve_on_support(self, C: Array, support: Array) -> Array:
        return solve_on_support(self.G, C.reshape(1, -1), support.reshape(1, -1)).reshape(C.shape)
