"""Dense data: a NumPy array or torch tensor of any order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hntf.algebra import Factors, cp_dense, unfold
from hntf.arrays import Array, as_float64, backend_of
from hntf.data.protocol import SMALLEST_MODEL, Data
from hntf.threads import matmul, transposed_matmul

if TYPE_CHECKING:
    from hntf.data.entry_weights import EntryWeights

SMALL = 2**17
"""Number of entries up to which an intermediate product is formed whatever the size of the data."""


class DenseData(Data):
    """A dense tensor of any order, stored in float64 in its backend and on its device."""

    def __init__(self, array: Array) -> None:
        self.prototype = array[:0]
        self.array = as_float64(array)
        self.shape = tuple(array.shape)

    @property
    def n_entries(self) -> int:
        return math.prod(self.shape)

    @property
    def n_dense_entries(self) -> int:
        return self.n_entries

    def norm_squared(self) -> float:
        return self._norm_squared

    @cached_property
    def _norm_squared(self) -> float:
        return self.inner(self)

    def minimum_and_maximum(self) -> tuple[float, float]:
        return float(self.array.min()), float(self.array.max())

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        last = len(self.shape) - 1
        if last == 1:
            return matmul(self.array if mode == 0 else self.array.T, factors[1 - mode])
        if contracted is not None and mode != last:
            return _contract_columns(contracted, factors, mode, first=0)
        U = factors[0 if mode == last else last]
        rank = U.shape[1]  # type: ignore[union-attr]
        whole = rank * self.n_entries // len(U)  # type: ignore[arg-type]
        blocks = -(-whole // max(self._most_entries, whole // rank))
        columns = -(-rank // blocks)
        products = [
            self._mttkrp([None if V is None else V[:, start : start + columns] for V in factors], mode)
            for start in range(0, rank, columns)
        ]
        return products[0] if blocks == 1 else backend_of(products[0]).concatenate(products, axis=1)

    def _mttkrp(self, factors: Factors, mode: int) -> Array:
        """Contract the tensor with the first or the last factor by one matrix product, then with the other factors."""
        if mode < len(self.shape) - 1:
            return _contract_columns(self._contract_last(factors[-1]), factors, mode, first=0)
        product = transposed_matmul(self.array.reshape(self.shape[0], -1).T, factors[0])
        return _contract_columns(product.reshape(-1, *self.shape[1:]), factors, mode, first=1)

    def contract_last(self, U: Array) -> Array | None:
        entries = U.shape[1] * self.n_entries // len(U)
        return self._contract_last(U) if len(self.shape) > 2 and entries <= self._most_entries else None

    def _contract_last(self, U: Array | None) -> Array:
        return transposed_matmul(self.array.reshape(-1, self.shape[-1]), U).reshape(-1, *self.shape[:-1])

    @property
    def _most_entries(self) -> int:
        """Maximum number of entries of an intermediate product: that of the data, but at least `SMALL`."""
        return max(self.n_entries, SMALL)

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        product = self.array
        # The last mode first: a product reads it in memory order, and each product reduces the size of what is left.
        for i, U in reversed(list(enumerate(factors))):
            if i == skip or U is None:
                continue
            shape = (*product.shape[:i], U.shape[1], *product.shape[i + 1 :])
            if i == product.ndim - 1:
                product = matmul(product.reshape(-1, product.shape[-1]), U).reshape(shape)
            else:
                product = (U.T @ product.reshape(math.prod(shape[:i]), product.shape[i], -1)).reshape(shape)
        return product

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return cp_dense(dC, factors)

    def take(self, rows: Array) -> DenseData:
        return DenseData(self.array[rows])

    def ratio(self, factors: Factors) -> DenseData:
        return DenseData(self.array / at_least_smallest(cp_dense(factors[0], factors)))

    def divergence(self, ratio: Any) -> float:
        return entries_divergence(self.array, ratio.array)

    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> DenseData:
        return dense_ratio_gradient(ratio.array, factors, dC)

    def transposed_unfolding(self, mode: int) -> DenseData:
        return DenseData(unfold(self.array, mode).T)

    def as_matrix(self) -> DenseData:
        return DenseData(self.array.reshape(self.shape[0], -1))

    def nonzero_features(self) -> tuple[Data, Callable[[Array], Data]]:
        matrix = self.array.reshape(self.shape[0], -1)
        nonzero = (matrix != 0).any(0)
        if bool(nonzero.all()) or not bool(nonzero.any()):
            return super().nonzero_features()

        def restored(B: Array) -> Data:
            tensor = backend_of(B).zeros((len(B), matrix.shape[1]), **backend_of(B).context(B))
            tensor[:, nonzero] = B
            return DenseData(tensor.reshape(len(B), *self.shape[1:]))

        return DenseData(matrix[:, nonzero]), restored

    def weigh(self, dX: Array) -> Any:
        return dX

    def weighted_by(self, weights: EntryWeights) -> DenseData:
        # Under a mask the entries are zero already.
        return self if weights.is_mask else DenseData(self.array * weights.of_samples(slice(None)))

    def inner(self, other: Any) -> float:
        # Blocks of a transposed array are copied, never all of it.
        blocks = self.blocks_of_samples()
        return float(sum(self.array[rows].reshape(-1) @ other.array[rows].reshape(-1) for rows in blocks))

    def of_samples(self, rows: slice) -> Array:
        return self.array[rows]

    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = (self.array[rows] - model(rows)).reshape(-1)
            total += float(residual @ residual)
        return total


def at_least_smallest(model: Array) -> Array:
    """Return a model with its entries raised to a minimum, so that data can be divided by it."""
    if float(model.min()) > SMALLEST_MODEL:
        return model
    return backend_of(model).where(model > SMALLEST_MODEL, model, 0 * model + SMALLEST_MODEL)


def entries_divergence(X: Array, ratio: Array) -> float:
    """Return `Σ X∘(log R − 1)` over entries `X` and ratios `R`, with `0 log 0 = 0`."""
    logs = backend_of(X).log(ratio + (ratio == 0))
    return float(X.reshape(-1) @ logs.reshape(-1)) - float(X.sum())


def dense_ratio_gradient(ratio: Array, factors: Factors, dC: Array) -> DenseData:
    """Return `−[[dC, U_2, …]] ∘ ratio / X̂` with the model `X̂` of the factors."""
    return DenseData(-cp_dense(dC, factors) * ratio / at_least_smallest(cp_dense(factors[0], factors)))


def _contract_columns(product: Array, factors: Factors, mode: int, first: int) -> Array:
    """Contract every slice of `product` `(rank, d_first, …)` with its column of the factors, in all modes but `mode`."""
    rank = len(product)
    for i in reversed(range(mode + 1, first + product.ndim - 1)):
        shape = product.shape[:-1]
        product = (product.reshape(rank, -1, product.shape[-1]) @ factors[i].T[:, :, None]).reshape(shape)  # type: ignore[union-attr]
    for i in range(first, mode):
        shape = (rank, *product.shape[2:])
        product = (factors[i].T[:, None, :] @ product.reshape(rank, product.shape[1], -1)).reshape(shape)  # type: ignore[union-attr]
    return product.T
