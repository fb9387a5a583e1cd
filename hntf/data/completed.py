"""A sparse matrix whose hidden entries are those of a model: sparse entries and a model of low rank, never added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.algebra import Factors
from hntf.arrays import Array
from hntf.data.dense import DenseData
from hntf.data.entry_weights import EntryWeights
from hntf.data.implicit import ImplicitData
from hntf.data.low_rank import CPData


class CompletedData(ImplicitData):
    """The matrix `w∘X + (1 − w)∘(S Aᵀ)` with `w = W / max W`: products with it are those of `W∘X`, of the model, and of `W∘(S Aᵀ)`.

    Parameters
    ----------
    product : Data
        The data times their weights, `W∘X`.
    weights : EntryWeights
        The weights `W`.
    factors : sequence of two arrays, `(n, k)` and `(m, k)`
        The model's `S` and `A`.
    largest : float
        The largest weight, `max W`.
    """

    def __init__(self, product: Any, weights: EntryWeights, factors: Sequence[Array], largest: float) -> None:
        self.product, self.weights, self.model, self.largest = product, weights, CPData(factors), largest
        self.shape, self.prototype = product.shape, product.prototype

    @property
    def n_entries(self) -> int:
        return self.product.n_entries + self.weights.n_entries + self.model.n_entries

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        of_weighted_model = self.weights.products(self.model.factors, factors, [mode])[0]
        seen = self.product.mttkrp(factors, mode) - of_weighted_model
        return self.model.mttkrp(factors, mode) + seen / self.largest

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        samples, features = (None if i == skip else U for i, U in enumerate(factors))
        if features is None:
            return self.expanded().array if samples is None else self.mttkrp([samples, None], 1).T
        compressed = self.mttkrp([None, features], 0)
        return compressed if samples is None else samples.T @ compressed

    def norm_squared(self) -> float:
        return self.expanded().norm_squared()

    def take(self, rows: Array) -> CompletedData:
        S, A = self.model.factors
        return CompletedData(self.product.take(rows), self.weights.take(rows), [S[rows], A], self.largest)

    def of_samples(self, rows: slice) -> Array:
        seen = self.product.of_samples(rows) / self.largest
        return seen + (1.0 - self.weights.of_samples(rows) / self.largest) * self.model.of_samples(rows)

    def expanded(self) -> DenseData:
        return DenseData(self.of_samples(slice(None)))
