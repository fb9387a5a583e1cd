"""The Gram matrix `G_0 ⊗ G_1 ⊗ … ⊗ G_p` of a multilinear map, solved without being formed where it is large.

A code is a tensor with one axis a factor; an axis whose Gram is the identity (None) only separates problems, so its index counts as
a row. What is left is one Gram for all rows: formed and handed to the dense solver where it is small, and else applied mode by
mode inside `matrix_free`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Self

from hntf.arrays import Array, backend_of
from hntf.least_squares import kinks, matrix_free
from hntf.least_squares.gram import StructuredGram, is_finite, unit_columns
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve

LARGEST_FORMED = 512
"""Columns up to which the Kronecker product is formed: elimination beats conjugate gradients there, and 2 MiB are no matter."""

RIDGE = 1e-12
"""Of the preconditioner's Grams, relative to their diagonal: they may be singular."""


class PerAxis:
    """Gradients with respect to the Grams of the axes, None for identities; a vector space as arrays are."""

    def __init__(self, arrays: Sequence[Array | None]) -> None:
        self.arrays = list(arrays)

    def __add__(self, other: Self) -> PerAxis:
        pairs = zip(self.arrays, other.arrays, strict=True)
        return PerAxis([None if a is None else a + b for a, b in pairs])

    def __rmul__(self, scale: float) -> PerAxis:
        return PerAxis([None if a is None else scale * a for a in self.arrays])

    def __neg__(self) -> PerAxis:
        return -1.0 * self


class KroneckerGram(StructuredGram):
    """The Gram matrix of a code tensor of `shape`, flattened to `(shape[0], k)`; one Gram or None an axis."""

    def __init__(self, grams: Sequence[Array | None], shape: Sequence[int]) -> None:
        self.grams = list(grams)
        self.shape = tuple(shape)
        free = [i for i, G in enumerate(grams) if G is None]
        self._order = free + [i for i, G in enumerate(grams) if G is not None]
        self._solved = tuple(self.shape[i] for i in self._order[len(free) :])
        self._coupled = [G for G in grams if G is not None]

    def apply(self, S: Array) -> Array:
        return self._times(S.reshape(self.shape), self.grams).reshape(S.shape)

    def outer(self, V: Array, S: Array) -> PerAxis:
        tl = backend_of(S)
        V, S = V.reshape(self.shape), S.reshape(self.shape)
        gradients: list[Array | None] = []
        for axis, G in enumerate(self.grams):
            if G is None:
                gradients.append(None)
                continue
            others = self._times(S, [None if i == axis else H for i, H in enumerate(self.grams)])
            product = tl.moveaxis(V, axis, 0).reshape(len(G), -1) @ tl.moveaxis(others, axis, 0).reshape(len(G), -1).T
            gradients.append(0.5 * (product + product.T))
        return PerAxis(gradients)

    def is_finite(self) -> bool:
        return all(is_finite(G) for G in self._coupled)

    def solve(self, C: Array, support: Array | None) -> tuple[Array, Array, int]:
        rows = self._to_rows(C)
        start = None if support is None else self._to_rows(support)
        if rows.shape[1] <= LARGEST_FORMED:
            S, found, n_iter = solve(self.formed(), rows, start)
        else:
            S, found, n_iter = self._solve_matrix_free(rows, start)
        return self._from_rows(S, C), self._from_rows(found, C), n_iter

    def solve_on_support(self, C: Array, support: Array) -> Array:
        rows, passive = self._to_rows(C), self._to_rows(support)
        if rows.shape[1] <= LARGEST_FORMED:
            V = solve_on_support(self.formed(), rows, passive)
        else:
            scaled, norms = self._scaled()
            V = matrix_free.solve_on_support(scaled, rows / norms, passive) / norms
        return self._from_rows(V, C)

    def formed(self) -> Array:
        """Return the Kronecker product of the Grams that are no identities."""
        return reduce(backend_of(self._coupled[0]).kron, self._coupled)

    def _solve_matrix_free(self, C: Array, support: Array | None) -> tuple[Array, Array, int]:
        scaled, norms = self._scaled()
        S, found, iterations = matrix_free.block_pivoting(scaled, C / norms, support)
        S = S / norms
        n_iter = int(abs(iterations).max())
        hard = iterations < 0
        if bool(hard.any()):
            # Singular or degenerate rows need the elimination after all.
            S[hard], found[hard], more = solve(self.formed(), C[hard], found[hard])
            n_iter += more
        kinks.record(KroneckerGram([None, *self._coupled], (len(C), *self._solved)), C, S, found)
        return S, found, n_iter

    def _scaled(self) -> tuple[matrix_free.Operator, Array]:
        """Return the Gram of unit columns as an operator on rows, and the norms of the columns, `(k,)`."""
        tl = backend_of(self._coupled[0])
        grams, norms = zip(*(unit_columns(G) for G in self._coupled), strict=True)
        identities = [tl.eye(len(G), **tl.context(G)) for G in grams]
        inverses = [tl.solve(G + RIDGE * eye, eye) for G, eye in zip(grams, identities, strict=True)]
        shape = (-1, *self._solved)
        operator = matrix_free.Operator(
            lambda S: self._times(S.reshape(shape), [None, *grams]).reshape(S.shape),
            lambda R: self._times(R.reshape(shape), [None, *inverses]).reshape(R.shape),
        )
        return operator, reduce(tl.kron, norms)

    @staticmethod
    def _times(S: Array, matrices: Sequence[Array | None]) -> Array:
        """Return the tensor `S` times a symmetric matrix along each axis."""
        for axis, M in enumerate(matrices):
            if M is not None:
                shape = S.shape
                S = (M @ S.reshape(math.prod(shape[:axis]), shape[axis], -1)).reshape(shape)
        return S

    def _to_rows(self, C: Array) -> Array:
        moved = backend_of(C).transpose(C.reshape(self.shape), self._order)
        return moved.reshape(-1, math.prod(self._solved))

    def _from_rows(self, rows: Array, like: Array) -> Array:
        moved = rows.reshape([self.shape[i] for i in self._order])
        return backend_of(rows).transpose(moved, _inverse(self._order)).reshape(like.shape)


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=order.__getitem__)
