"""A tensor given by its CP decomposition, as the levels of a method leave it to the next: its size does not matter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import mul

from hntf.algebra import Factors, cp_dense
from hntf.arrays import Array
from hntf.data.dense import DenseData
from hntf.data.implicit import ImplicitData


class CPData(ImplicitData):
    """The tensor `[[V_1, …, V_N]]`. Products with factors only require products of its own; for others it is expanded.

    Parameters
    ----------
    factors : sequence of arrays, `(d_i, r)`
        The factors `V_i`, of any sign.
    """

    def __init__(self, factors: Sequence[Array]) -> None:
        self.factors = list(factors)
        self.prototype = self.factors[0][:0]
        self.shape = tuple(len(V) for V in self.factors)

    @property
    def n_entries(self) -> int:
        return sum(self.shape) * self.factors[0].shape[1]

    def norm_squared(self) -> float:
        return float(reduce(mul, [V.T @ V for V in self.factors]).sum())

    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        others = [V.T @ U for i, (V, U) in enumerate(zip(self.factors, factors, strict=True)) if i != mode]
        return self.factors[mode] @ reduce(mul, others)

    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        pairs = enumerate(zip(self.factors, factors, strict=True))
        compressed = [V if i == skip or U is None else U.T @ V for i, (V, U) in pairs]
        return cp_dense(compressed[0], compressed)

    def take(self, rows: Array) -> CPData:
        return CPData([self.factors[0][rows], *self.factors[1:]])

    def of_samples(self, rows: slice) -> Array:
        return cp_dense(self.factors[0][rows], self.factors)

    def expanded(self) -> DenseData:
        return DenseData(cp_dense(self.factors[0], self.factors))
