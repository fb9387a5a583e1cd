"""Dense data: a NumPy array or torch tensor of any order."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

from hntf.arrays import Array, as_float64, backend_of
from hntf.data.protocol import Data, Factors, cp_dense
from hntf.threads import matmul


class DenseData(Data):
    """A dense tensor of any order, held in float64 in its backend and on its device."""

    def __init__(self, array: Array) -> None:
        self.prototype = array[:0]
        self.array = as_float64(array)
        self.shape = tuple(array.shape)

    @property
    def n_entries(self) -> int:
        return math.prod(self.shape)

    def norm_squared(self) -> float:
        return self._norm_squared

    @cached_property
    def _norm_squared(self) -> float:
        flat = self.array.reshape(-1)
        return float(flat @ flat)

    def extent(self) -> tuple[float, float]:
        return float(self.array.min()), float(self.array.max())

    def mttkrp(self, factors: Factors, mode: int) -> Array:
        if mode == len(self.shape) - 1:
            product = matmul(self.array.reshape(self.shape[0], -1).T, factors[0])
            product, first = product.reshape(*self.shape[1:], -1), 1
        else:
            product = matmul(self.array.reshape(-1, self.shape[-1]), factors[-1])
            product, first = product.reshape(*self.shape[:-1], -1), 0
        # The rank is the last axis now; every other mode but `mode` is contracted under it, from the last one down.
        tl = backend_of(product)
        for i in reversed(range(first, product.ndim - 1 + first)):
            if i != mode:
                axis = i - first
                factor = factors[i].reshape(-1, *[1] * (product.ndim - axis - 2), product.shape[-1])  # type: ignore[union-attr]
                product = tl.sum(product * factor, axis=axis)
        return product

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        tl = backend_of(self.array)
        product = self.array
        for i, U in enumerate(factors):
            if i != skip and U is not None:
                product = tl.moveaxis(tl.tensordot(product, U, axes=([i], [0])), -1, i)
        return product

    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        return cp_dense(dC, factors)

    def residual_norm_squared(self, code: Array, factors: Factors) -> float:
        total = 0.0
        for rows in self.blocks_of_samples():
            residual = (self.array[rows] - cp_dense(code[rows], factors)).reshape(-1)
            total += float(residual @ residual)
        return total
