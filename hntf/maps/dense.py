"""The dense map of the matrix case, `S ↦ S Aᵀ`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

from hntf.arrays import Array, as_float64
from hntf.data import Data
from hntf.maps.base import LinearMap
from hntf.validation import check_order, check_real_array


class Dense(LinearMap):
    r"""The map `M(S) = S Aᵀ` between matrices, with `G = AᵀA` and `C = X A`.

    For a gradient `dC = V` and a symmetric `dG` the pullback is `dA = XᵀV + 2 A dG` and `dX = V Aᵀ`.

    Parameters
    ----------
    A : array, `(m, k)`
        The factor, a NumPy array or torch tensor of any sign. Codes are multiplied by its transpose.

    Raises
    ------
    TypeError, ValueError
        If `A` is not a finite real matrix, or has an empty axis.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.maps.Dense(np.array([[1.0], [2.0]])).apply(np.array([[3.0]]))
    array([[3., 6.]])
    """

    def __init__(self, A: Array) -> None:
        A = check_real_array(A, "A", entries=False)
        check_order(A, "A", (2,))
        self.A = as_float64(A)

    @property
    def factors(self) -> list[Array]:
        return [self.A]

    def with_factors(self, factors: Sequence[Array]) -> Self:
        linear_map = copy(self)
        (linear_map.A,) = factors
        return linear_map

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == 2 and shape[1] == len(self.A)

    @property
    def expected_shape(self) -> str:
        return f"(n, {len(self.A)}), as A has {len(self.A)} rows"

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self.A.shape[1])

    def input_shape(self, code_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (code_shape[0], math.prod(code_shape[1:]))

    def matrix(self) -> Array:
        return self.A

    def gram(self, X: Data) -> Array:
        return X.gram([None, self.A])

    def adjoint(self, X: Data, contracted: Array | None = None) -> Array:
        return X.mttkrp([None, self.A], 0)

    def pullback(self, X: Data, dG: Array, dC: Array, contracted: Array | None = None) -> list[Array]:
        (dA,) = X.gram_pullback([None, self.A], dG)
        return [dA + X.mttkrp([dC, None], 1)]

    def input_gradient(self, X: Data, dC: Array) -> Any:
        return X.input_gradient(dC, [None, self.A])

    def apply(self, S: Array) -> Array:
        return S @ self.A.T

    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        return dX @ self.A, [dX.T @ S]
