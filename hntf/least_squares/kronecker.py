"""The Gram matrix `G_0 ⊗ G_1 ⊗ … ⊗ G_p` of a multilinear map; problems are solved without forming it if it is large.

A code is a tensor with one axis per factor. An axis whose Gram matrix is the identity (None) only separates problems, so its
indices count as rows. For the other axes there is one Gram matrix for all rows: if it is small, it is formed and passed to the
dense solver, otherwise it is applied mode by mode in `matrix_free`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, reduce
from typing import Self

from hntf.arrays import Array, backend_of
from hntf.least_squares import kinks, matrix_free
from hntf.least_squares.arrangement import Arrangement
from hntf.least_squares.gram import StructuredGram, column_norms, unit_columns, with_ridge
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.rooted_problems import RootedProblems
from hntf.least_squares.solver import solve

LARGEST_FORMED = 512
"""Number of columns up to which the Kronecker product is formed, because elimination is faster than conjugate gradients."""

SINGULAR = 1e-10
"""A Gram matrix with unit columns and an eigenvalue below this counts as singular, and gets it as a ridge."""


class PerAxis:
    """Gradients with respect to the Gram matrices of the axes, None for identities; they can be added, negated and scaled."""

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
    """The Gram matrix of a code tensor of `shape`, flattened to `(shape[0], k)`, with one Gram matrix or None per axis.

    `ridge` times the identity is added to their product.
    """

    def __init__(self, grams: Sequence[Array | None], shape: Sequence[int], ridge: float = 0.0) -> None:
        self.grams = list(grams)
        self.shape = tuple(shape)
        self.ridge = ridge
        self._arrangement = Arrangement(shape, [axis for axis, G in enumerate(grams) if G is None])
        self._coupled = [G for G in grams if G is not None]

    def apply(self, S: Array) -> Array:
        product = self._times(S.reshape(self.shape), self.grams).reshape(S.shape)
        return product + self.ridge * S if self.ridge else product

    def with_ridge(self, l2: float) -> KroneckerGram:
        return KroneckerGram(self.grams, self.shape, self.ridge + l2)

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

    @property
    def parts(self) -> list[Array]:
        return self._coupled

    def solve(self, C: Array, support: Array | None, rooted: RootedProblems | None = None) -> tuple[Array, Array, int]:
        rows = self._arrangement.to_rows(C)
        start = None if support is None else self._arrangement.to_rows(support)
        if self._is_formed:
            S, found, n_iter = solve(self.formed(), rows, start)
        else:
            S, found, n_iter = self._solve_matrix_free(rows, start)
        return self._arrangement.from_rows(S, C), self._arrangement.from_rows(found, C), n_iter

    def solve_on_support(self, C: Array, support: Array, rooted: RootedProblems | None = None) -> Array:
        rows, passive = self._arrangement.to_rows(C), self._arrangement.to_rows(support)
        if self._is_formed:
            V = solve_on_support(self.formed(), rows, passive)
        else:
            scaled, norms = self._scaled()
            V = matrix_free.solve_on_support(scaled, rows / norms, passive) / norms
        return self._arrangement.from_rows(V, C)

    @cached_property
    def _is_formed(self) -> bool:
        return math.prod(self._arrangement.coupled) <= LARGEST_FORMED

    @cached_property
    def _spectra(self) -> list[tuple[float, float]]:
        """The smallest and the largest eigenvalue of every Gram matrix, scaled to unit columns."""
        tl = backend_of(self._coupled[0])
        values = [tl.eigh(unit_columns(G)[0])[0] for G in self._coupled]
        return [(float(v.min()), float(v.max())) for v in values]

    @property
    def _is_singular(self) -> bool:
        largest_column = math.prod(float(column_norms(G).max()) ** 2 for G in self._coupled)
        return self.ridge < SINGULAR * largest_column and any(smallest < SINGULAR for smallest, _ in self._spectra)

    @property
    def _curvature(self) -> float:
        return math.prod(largest for _, largest in self._spectra)

    def formed(self) -> Array:
        """Return the Kronecker product of the Gram matrices that are not identities, with the ridge."""
        return with_ridge(reduce(backend_of(self._coupled[0]).kron, self._coupled), self.ridge)

    def _solve_matrix_free(self, C: Array, support: Array | None) -> tuple[Array, Array, int]:
        scaled, norms = self._scaled()
        if self._is_singular:
            S = matrix_free.projected_gradient(scaled, C / norms, self._curvature) / norms
            found, n_iter = S > 0, matrix_free.GRADIENT_STEPS
        else:
            S, found, iterations = matrix_free.block_pivoting(scaled, C / norms, support)
            S = S / norms
            n_iter = int(abs(iterations).max())
            hard = iterations < 0
            if bool(hard.any()):
                # Degenerate rows require the elimination.
                S[hard], found[hard], *_ = solve(self.formed(), C[hard], found[hard])
        one_problem_a_row = KroneckerGram([None, *self._coupled], (len(C), *self._arrangement.coupled), self.ridge)
        kinks.record(one_problem_a_row, C, S, found)
        return S, found, n_iter

    def _scaled(self) -> tuple[matrix_free.Operator, Array]:
        """Return the Gram matrix of unit columns as an operator on rows, and the norms of the columns, `(k,)`."""
        tl = backend_of(self._coupled[0])
        grams, norms = zip(*(unit_columns(G) for G in self._coupled), strict=True)
        identities = [tl.eye(len(G), **tl.context(G)) for G in grams]
        inverses = [tl.solve(G + SINGULAR * eye, eye) for G, eye in zip(grams, identities, strict=True)]
        lengths = reduce(tl.kron, norms)
        ridge = self.ridge / lengths**2 + (SINGULAR if self._is_singular else 0.0)
        shape = (-1, *self._arrangement.coupled)
        operator = matrix_free.Operator(
            lambda S: self._times(S.reshape(shape), [None, *grams]).reshape(S.shape) + ridge * S,
            lambda R: self._times(R.reshape(shape), [None, *inverses]).reshape(R.shape),
        )
        return operator, lengths

    @staticmethod
    def _times(S: Array, matrices: Sequence[Array | None]) -> Array:
        """Return the tensor `S` multiplied by a symmetric matrix along each axis."""
        for axis, M in enumerate(matrices):
            if M is not None:
                shape = S.shape
                S = (M @ S.reshape(math.prod(shape[:axis]), shape[axis], -1)).reshape(shape)
        return S
