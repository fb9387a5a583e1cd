"""One Gram matrix for each problem of a code tensor, for weighted data."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.least_squares.arrangement import Arrangement
from hntf.least_squares.gram import StructuredGram
from hntf.least_squares.gram_blocks import GramBlocks
from hntf.least_squares.rooted_problems import RootedProblems


class RowGrams(StructuredGram):
    """The Gram matrices of the problems in a code tensor."""

    def __init__(self, G: GramBlocks, arrangement: Arrangement) -> None:
        self.G = G
        self.arrangement = arrangement

    def apply(self, S: Array) -> Array:
        return self.arrangement.from_rows(self.G.apply(self.arrangement.to_rows(S)), S)

    def with_ridge(self, l2: float) -> RowGrams:
        return RowGrams(self.G.with_ridge(l2), self.arrangement)

    def outer(self, V: Array, S: Array) -> Any:
        return self.G.outer(self.arrangement.to_rows(V), self.arrangement.to_rows(S))

    @property
    def parts(self) -> list[Array]:
        return self.G.parts

    def solve(self, C: Array, support: Array | None, rooted: RootedProblems | None = None) -> tuple[Array, Array, int]:
        start = None if support is None else self.arrangement.to_rows(support)
        S, found, n_iter = self.G.solve(self.arrangement.to_rows(C), start)
        return self.arrangement.from_rows(S, C), self.arrangement.from_rows(found, C), n_iter

    def solve_on_support(self, C: Array, support: Array, rooted: RootedProblems | None = None) -> Array:
        V = self.G.solve_on_support(self.arrangement.to_rows(C), self.arrangement.to_rows(support))
        return self.arrangement.from_rows(V, C)
