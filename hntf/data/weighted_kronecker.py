"""The Gram matrices of weighted data under multilinear maps, one for each problem of a code tensor: `G_p = Σ_e w_pe k_e k_eᵀ`.

Here `k_e` is a row of the Kronecker product of the factors; modes without a factor tell the problems apart. The matrices are
only formed to solve with them, in blocks; products with them, and what they pass back to the factors, take the model itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import cached_property, reduce
from operator import add

import numpy as np

from hntf.algebra import Factors, unfold
from hntf.arrays import Array, backend_of
from hntf.data.dense import DenseData
from hntf.data.entry_weights import EntryWeights
from hntf.least_squares.arrangement import Arrangement
from hntf.least_squares.gram_blocks import EqualRows, GramBlocks, OuterProducts

LARGEST_SAMPLE = 2**24
"""Number of entries of a sample up to which its weights and its model are formed as dense arrays."""


class WeightedKroneckerGram(GramBlocks):
    """The Gram matrices of the map `S ↦ S ×_i A_i` of weighted data, one for each problem.

    Parameters
    ----------
    weights : EntryWeights
        The weights of the entries.
    factors : sequence of arrays or None
        The factors; modes whose factor is None separate the problems.
    arrangement : Arrangement
        The problems of which the code consists.
    """

    def __init__(self, weights: EntryWeights, factors: Factors, arrangement: Arrangement) -> None:
        _check_size(weights)
        self.weights = weights
        self.factors = list(factors)
        self.arrangement = arrangement

    @property
    def rank(self) -> int:
        return math.prod(self.arrangement.coupled)

    @property
    def n_rows(self) -> int:
        return math.prod(self.arrangement.separate)

    @property
    def _separate(self) -> list[int]:
        return [mode for mode, A in enumerate(self.factors) if A is None]

    @cached_property
    def equal_rows(self) -> EqualRows:
        if self._separate == [0]:
            return self.weights.equal_slices(0)
        return EqualRows(np.arange(self.n_rows), [], np.arange(self.n_rows))

    @property
    def proportional_rows(self) -> tuple[EqualRows, np.ndarray]:
        return self.weights.proportional_slices(0) if self._separate == [0] else super().proportional_rows

    @property
    def parts(self) -> list[Array]:
        return [self.weights.largest * (A.T @ A) for A in self.factors if A is not None]

    def formed(self, rows: np.ndarray) -> Array:
        if self.factors[0] is not None:
            # Few problems, to all of which every sample belongs.
            return self._formed_of_all[rows]
        per_sample = self.n_rows // self.weights.shape[0]
        samples, of_row = np.unique(rows // per_sample, return_inverse=True)
        others = _column_products_by_mode(self.factors)
        size = max(1, LARGEST_SAMPLE // 16 // math.prod(self.weights.shape[1:]))
        products = [
            self._grams(
                DenseData(self.weights.of_samples(samples[start : start + size])).multi_mode_dot(others, skip=-1)
            )
            for start in range(0, len(samples), size)
        ]
        formed = products[0] if len(products) == 1 else backend_of(products[0]).concatenate(products)
        return formed[of_row * per_sample + rows % per_sample]

    @cached_property
    def _formed_of_all(self) -> Array:
        products = (
            DenseData(self.weights.of_samples(rows)).multi_mode_dot(_column_products_by_mode(factors), skip=-1)
            for rows, factors in self._blocks_of_samples()
        )
        return self._grams(reduce(add, products))

    def _grams(self, products: Array) -> Array:
        return grams_of_pairs(
            backend_of(products).transpose(products, self.arrangement.order), self.arrangement.coupled
        )

    def apply(self, S: Array) -> Array:
        models = self._weighted_models(self.arrangement.tensor(S))
        results = [model.multi_mode_dot(factors, skip=-1) for _, factors, model in models]
        joint = reduce(add, results) if self.factors[0] is not None else backend_of(S).concatenate(results)
        return self.arrangement.to_rows(joint)

    def pullback(self, gradient: OuterProducts) -> list[Array | None]:
        """Return the gradients with respect to the factors; None for the modes without one."""
        total = [None if A is None else 0.0 * A for A in self.factors]
        for c, V, S in gradient.terms:
            codes = self.arrangement.tensor(V), self.arrangement.tensor(S)
            pairs = [codes] if V is S else [codes, codes[::-1]]
            for left, right in pairs:
                scale = 2 * c / len(pairs)
                for rows, factors, model in self._weighted_models(left):
                    other = right[rows] if factors[0] is None else right
                    for mode, A in enumerate(factors):
                        if A is not None:
                            at = rows if mode == 0 else slice(None)
                            total[mode][at] += scale * model.mode_product_pullback(factors, other, mode)  # type: ignore[index]
        return total

    def _blocks_of_samples(self) -> Iterator[tuple[slice, list[Array | None]]]:
        """Yield blocks of samples, with the factors for them."""
        first, *others = self.factors
        for rows in self.weights.blocks():
            yield rows, [None if first is None else first[rows], *others]

    def _weighted_models(self, code: Array) -> Iterator[tuple[slice, list[Array | None], DenseData]]:
        """Yield blocks of samples, the factors for them, and `W ∘ (S ×_i A_i)`."""
        for rows, factors in self._blocks_of_samples():
            transposed = [None if A is None else A.T for A in factors]
            model = DenseData(code[rows] if factors[0] is None else code).multi_mode_dot(transposed, skip=-1)
            yield rows, factors, DenseData(self.weights.of_samples(rows) * model)


def weighted_tucker_gram(weights: EntryWeights, core: Array, factors: Sequence[Array], mode: int) -> Array:
    """Return the Gram matrices of `U ↦ core ×_mode U ×_i U_i` for weighted data, one for every slice of the mode, `(d, r, r)`."""
    _check_size(weights)
    unfolded = unfold(core, mode)
    ranks = [r for i, r in enumerate(core.shape) if i != mode]
    results = []
    for rows in weights.blocks():
        others = [None if i == mode else U[rows] if i == 0 else U for i, U in enumerate(factors)]
        products = DenseData(weights.of_samples(rows)).multi_mode_dot(_column_products_by_mode(others), skip=mode)
        results.append(unfolded @ grams_of_pairs(unfold(products, mode), ranks) @ unfolded.T)
    return backend_of(core).concatenate(results) if mode == 0 else reduce(add, results)


def _check_size(weights: EntryWeights) -> None:
    """Raise `TypeError` if a sample is too large to be formed."""
    if math.prod(weights.shape[1:]) > LARGEST_SAMPLE:
        raise TypeError(
            f"X must have at most {LARGEST_SAMPLE} entries a sample with a mask or weights in Tucker layers and NTD"
        )


def grams_of_pairs(products: Array, ranks: Sequence[int]) -> Array:
    """Return the Gram matrices `(rows, k, k)` from the products of pairs, `(rows…, r², s², …)` for the ranks r, s, …."""
    split = products.reshape(-1, *(r for rank in ranks for r in (rank, rank)))
    axes = range(1, split.ndim)
    k = math.prod(ranks)
    return backend_of(split).transpose(split, [0, *axes[::2], *axes[1::2]]).reshape(-1, k, k)


def _column_products_by_mode(factors: Factors) -> list[Array | None]:
    """Return the products of all pairs of columns in every row of every factor, `(d, r²)`."""
    return [None if A is None else backend_of(A).einsum("ja,jb->jab", A, A).reshape(len(A), -1) for A in factors]
