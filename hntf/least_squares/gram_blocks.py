"""One Gram matrix for every row of the codes, formed for a block of rows at a time: all of them may be larger than the data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property, reduce
from operator import add
from typing import NamedTuple

import numpy as np

from hntf.algebra import times_weight
from hntf.arrays import Array, as_float64, from_numpy, host_view, row_digests, to_numpy
from hntf.least_squares import kinks
from hntf.least_squares.downdated import Downdates
from hntf.least_squares.gram import Gram, StructuredGram, apply_gram, with_ridge
from hntf.least_squares.hals import hals
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.rooted_problems import RootedProblems
from hntf.least_squares.solver import solve_rows
from hntf.least_squares.square_root import SquareRoot

BLOCK_ENTRIES = 2**19
"""Number of entries of the Gram matrices, or of the right-hand sides, that are formed at a time: 4 MiB."""

FEWEST_EQUAL = 128
"""Number of rows from which it is worth to solve for those with the same Gram matrix together."""


def in_blocks(rows: np.ndarray, width: int, n_entries: int) -> Iterator[np.ndarray]:
    """Yield rows in blocks of `n_entries`, of rows with `width` entries."""
    size = max(1, n_entries // max(1, width))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


class EqualRows(NamedTuple):
    """Which rows have the same Gram matrix.

    Attributes
    ----------
    pattern : array, `(n,)`
        A number for every Gram matrix.
    groups : list of arrays
        The rows of the Gram matrices that many rows have.
    others : array
        All other rows.
    """

    pattern: np.ndarray
    groups: list[np.ndarray]
    others: np.ndarray

    @classmethod
    def of_keys(cls, keys: np.ndarray) -> EqualRows:
        """Compare rows by keys `(n, q)`, which are equal where the Gram matrices are."""
        # Sorting numbers is far faster than sorting rows.
        rows, axis = (keys[:, 0], None) if keys.shape[1] == 1 else (keys, 0)
        _, pattern, counts = np.unique(rows, axis=axis, return_inverse=True, return_counts=True)
        pattern = pattern.reshape(-1)
        order = np.argsort(pattern, kind="stable")
        parts = np.split(order, np.cumsum(counts)[:-1])
        small = [part for part in parts if len(part) < FEWEST_EQUAL]
        others = np.sort(np.concatenate(small)) if small else np.empty(0, int)
        return cls(pattern, [part for part in parts if len(part) >= FEWEST_EQUAL], others)

    @classmethod
    def of_rows(cls, x: np.ndarray) -> EqualRows:
        """Compare the rows of a matrix: those with the same digest entry by entry, since different ones may have the same."""
        found = cls.of_keys(row_digests(x)[:, None])
        groups, others = [], [found.others]
        for rows in found.groups:
            same = np.concatenate(
                [(x[block] == x[rows[0]]).all(axis=1) for block in in_blocks(rows, x.shape[1], BLOCK_ENTRIES)]
            )
            groups.append(rows[same])
            others.append(rows[~same])
        return cls(found.pattern, groups, np.sort(np.concatenate(others)))


class Block(NamedTuple):
    """Some rows with their Gram matrices.

    Attributes
    ----------
    rows : array, `(b,)`
        Their indices, in ascending order.
    G : array, `(b, k, k)` or `(k, k)`
        One Gram matrix for each, or one that they have in common but for a factor.
    factors : array, `(b,)`
        The factors by which it is multiplied.
    """

    rows: np.ndarray
    G: Array
    factors: np.ndarray

    def right(self, C: Array) -> Array:
        """Return the right-hand sides of the rows for `G` itself."""
        right = C[self.rows]
        return right if (self.factors == 1.0).all() else right / from_numpy(self.factors, right)[:, None]


class OuterProducts:
    """The gradient `Σ c ½(V Sᵀ + S Vᵀ)` with respect to the Gram matrix of every row, as a list of `(c, V, S)`."""

    def __init__(self, terms: Sequence[tuple[float, Array, Array]]) -> None:
        self.terms = list(terms)

    def __add__(self, other: OuterProducts) -> OuterProducts:
        return OuterProducts(self.terms + other.terms)

    def __rmul__(self, scale: float) -> OuterProducts:
        return OuterProducts([(scale * c, V, S) for c, V, S in self.terms])

    def __neg__(self) -> OuterProducts:
        return -1.0 * self


class GramBlocks(StructuredGram):
    """Gram matrices that are formed in blocks; a subclass says how, and which rows have the same."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """The number of columns of the Gram matrices."""

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """The number of rows, each of which has a Gram matrix."""

    @property
    @abstractmethod
    def equal_rows(self) -> EqualRows:
        """Which rows have the same Gram matrix."""

    @abstractmethod
    def formed(self, rows: np.ndarray) -> Array:
        """Return the Gram matrices of some rows, `(b, k, k)`."""

    @property
    def proportional_rows(self) -> tuple[EqualRows, np.ndarray]:
        """Which rows have the same Gram matrix but for a positive factor, and this factor for every row, `(n,)`."""
        return self.equal_rows, np.ones(len(self.equal_rows.pattern))

    @property
    def downdates(self) -> Downdates | None:
        """The Gram matrices as one that all share, less a few terms for each row; None if they are not known as such."""
        return None

    def with_ridge(self, l2: float) -> GramBlocks:
        return GramSum([(1.0, self)], ridge=l2)

    def outer(self, V: Array, S: Array) -> OuterProducts:
        return OuterProducts([(1.0, V, S)])

    def blocks(self, solved: np.ndarray) -> Iterator[Block]:
        """Yield the rows in blocks, without those that are solved already."""
        (_, groups, others), factors = self.proportional_rows
        others = np.setdiff1d(others, solved, assume_unique=True)
        for equal in groups:
            G = self.formed(equal[:1])[0]
            for rows in in_blocks(equal, self.rank, BLOCK_ENTRIES):
                yield Block(rows, G, factors[rows] / factors[equal[0]])
        for rows in in_blocks(others, self.rank**2, BLOCK_ENTRIES):
            yield Block(rows, self.formed(rows), np.ones(len(rows)))

    def solve(self, C: Array, support: Array | None, rooted: RootedProblems | None = None) -> tuple[Array, Array, int]:
        S = 0.0 * as_float64(C)
        found = S > 0
        n_iter, solved = 0, [np.empty(0, int)]
        if downdates := self._downdates_of(C):
            right = C if rooted is None else from_numpy(rooted.bounded(to_numpy(C), downdates.G), C)
            for few in in_blocks(downdates.few(self.proportional_rows[0].others), self.rank, BLOCK_ENTRIES):
                rows, (S_of_rows, found_of_rows, more) = downdates.solve(few, right, support)
                S[rows], found[rows] = from_numpy(S_of_rows, S), from_numpy(found_of_rows, S)
                n_iter = max(n_iter, more)
                solved.append(rows)
        for block in self.blocks(np.concatenate(solved)):
            rows = block.rows
            start = None if support is None else support[rows]
            S[rows], found[rows], more = solve_rows(block.G, block.right(C), start, _of_rows(rooted, block))
            n_iter = max(n_iter, more)
        kinks.record(self, C, S, found)
        return S, found, n_iter

    def solve_on_support(self, C: Array, support: Array, rooted: RootedProblems | None = None) -> Array:
        V = 0.0 * as_float64(C)
        solved = [np.empty(0, int)]
        if downdates := self._downdates_of(C):
            not_used = np.setdiff1d(self.proportional_rows[0].others, [] if rooted is None else list(rooted.used))
            for few in in_blocks(downdates.few(not_used), self.rank, BLOCK_ENTRIES):
                rows, of_rows = downdates.solve_on_support(few, C, support)
                V[rows] = from_numpy(of_rows, V)
                solved.append(rows)
        for block in self.blocks(np.concatenate(solved)):
            V[block.rows] = solve_on_support(block.G, block.right(C), support[block.rows], _of_rows(rooted, block))
        return V

    def _downdates_of(self, C: Array) -> Downdates | None:
        """Return what is solved by downdates, for arrays in CPU memory."""
        return None if host_view(C) is None or not len(self.proportional_rows[0].others) else self.downdates

    def hals(self, C: Array, S: Array) -> Array:
        result = 0.0 * as_float64(C)
        for block in self.blocks(np.empty(0, int)):
            result[block.rows] = hals(block.G, block.right(C), S[block.rows])
        return result


class GramSum(GramBlocks):
    """The sum of Gram matrices, of which some are one for each row.

    Parameters
    ----------
    terms : sequence of (float, Gram)
        The weights and the matrices; at least one is a `GramBlocks`.
    ridge : float
        A multiple of the identity that is added.
    """

    def __init__(self, terms: Sequence[tuple[float, Gram]], *, ridge: float = 0.0) -> None:
        self.terms = list(terms)
        self.ridge = ridge

    @property
    def _in_blocks(self) -> list[GramBlocks]:
        return [G for _, G in self.terms if isinstance(G, GramBlocks)]

    @property
    def rank(self) -> int:
        return self._in_blocks[0].rank

    @property
    def n_rows(self) -> int:
        return self._in_blocks[0].n_rows

    @cached_property
    def equal_rows(self) -> EqualRows:
        known = [G.equal_rows for G in self._in_blocks]
        return known[0] if len(known) == 1 else EqualRows.of_keys(np.stack([rows.pattern for rows in known], axis=1))

    @property
    def parts(self) -> list[Array]:
        return [part for _, G in self.terms for part in (G.parts if isinstance(G, GramBlocks) else [G])]

    @property
    def downdates(self) -> Downdates | None:
        of_rows = [(weight, G.downdates) for weight, G in self.terms if isinstance(G, GramBlocks)]
        weight, downdates = of_rows[0]
        if len(of_rows) > 1 or downdates is None:
            return None
        shared = [scale * to_numpy(G) for scale, G in self.terms if not isinstance(G, GramBlocks)]
        return downdates.plus(weight, reduce(add, shared, self.ridge * np.eye(self.rank)))

    def formed(self, rows: np.ndarray) -> Array:
        formed = [times_weight(weight, G.formed(rows) if isinstance(G, GramBlocks) else G) for weight, G in self.terms]
        return with_ridge(reduce(add, formed), self.ridge)

    def apply(self, S: Array) -> Array:
        product = reduce(add, [times_weight(weight, apply_gram(G, S)) for weight, G in self.terms])
        return product + self.ridge * S if self.ridge else product


class Restricted(GramBlocks):
    """The Gram matrices `RᵀG R` of codes `Q` with `S = Q Rᵀ`."""

    def __init__(self, G: GramBlocks, R: Array) -> None:
        self.G, self.R = G, R

    @property
    def rank(self) -> int:
        return self.R.shape[1]

    @property
    def n_rows(self) -> int:
        return self.G.n_rows

    @property
    def equal_rows(self) -> EqualRows:
        return self.G.equal_rows

    @property
    def parts(self) -> list[Array]:
        return self.G.parts

    def formed(self, rows: np.ndarray) -> Array:
        return self.R.T @ self.G.formed(rows) @ self.R

    def apply(self, S: Array) -> Array:
        return self.G.apply(S @ self.R.T) @ self.R


def sum_of_grams(terms: Sequence[tuple[float, Gram]]) -> Gram:
    """Return the sum of weighted Gram matrices, one for all rows or one for each."""
    if any(isinstance(G, GramBlocks) for _, G in terms):
        return GramSum(terms)
    return reduce(add, [times_weight(weight, G) for weight, G in terms])


def all_formed(G: Gram) -> Gram:
    """Return a Gram matrix as an array, which adds up with that of other data."""
    return G.formed(np.arange(G.n_rows)) if isinstance(G, GramBlocks) else G


def restricted(G: Gram, R: Array) -> Gram:
    """Return `RᵀG R`, the Gram matrix of codes `Q` with `S = Q Rᵀ`."""
    return Restricted(G, R) if isinstance(G, GramBlocks) else R.T @ G @ R


def _of_rows(rooted: RootedProblems | None, block: Block) -> RootedProblems | None:
    return None if rooted is None else _OfRows(rooted, block)


class _OfRows(RootedProblems):
    """The problems of a block of rows, each of which has a Gram matrix of its own in `rooted`."""

    def __init__(self, rooted: RootedProblems, block: Block) -> None:
        grams = block.rows if block.G.ndim == 3 else block.rows[:1]
        super().__init__(np.flatnonzero([int(i) in rooted.used for i in grams]))
        self._rooted, self._rows, self._factors = rooted, block.rows, block.factors

    def factorized(self, gram: int) -> SquareRoot:
        return self._rooted.root(int(self._rows[gram]))

    def right(self, root: SquareRoot, gram: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        Z, F = self._rooted.right(root, int(self._rows[gram]), self._rows[rows])
        factors = self._factors[rows, None]
        return Z / factors, F / factors if len(F) else F

    def solve(
        self, gram: int, rows: np.ndarray, support: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self._rooted.used.add(int(self._rows[gram]))
        return super().solve(gram, rows, support)

    def sizes(self, rows: np.ndarray) -> np.ndarray | None:
        sizes = self._rooted.sizes(self._rows[rows])
        return None if sizes is None else sizes / np.sqrt(self._factors[rows, None])

    def residual_gradient(self, gram: int, rows: np.ndarray, S: np.ndarray) -> np.ndarray:
        factors = self._factors[rows, None]
        return self._rooted.residual_gradient(int(self._rows[gram]), self._rows[rows], S * factors) / factors

    def refined(self, gram: int, rows: np.ndarray, S: np.ndarray, support: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factors = self._factors[rows, None]
        S, support = self._rooted.refined(int(self._rows[gram]), self._rows[rows], S * factors, support)
        return S / factors, support
