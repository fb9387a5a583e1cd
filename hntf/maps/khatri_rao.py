"""The Khatri–Rao map of a CP layer, `S ↦ [[S, U_2, …, U_N]]`, for tensors of any order."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Self

from hntf.algebra import cp_dense, khatri_rao
from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.maps.base import LinearMap, checked_factors


class KhatriRao(LinearMap):
    r"""The map `M(S) = [[S, U_2, …, U_N]]` from codes to tensors of order N, with one factor per mode except the first.

    Entrywise `M(S)[i, j_2, …, j_N] = Σ_r S[i, r] U_2[j_2, r] ⋯ U_N[j_N, r]`. `G` is the Hadamard product of the `U_iᵀU_i`, and
    `C` the mode-0 unfolding of the tensor times the Khatri–Rao product `U_2 ⊙ … ⊙ U_N` (MTTKRP), which is formed only where a
    layer is too ill-conditioned for `G`. With one factor this is `Dense`.

    Parameters
    ----------
    factors : list of arrays, `(d_i, k)`
        The factors of the modes 1, …, N−1: NumPy arrays or torch tensors, of any sign.

    Raises
    ------
    TypeError, ValueError
        If a factor is not a finite real matrix or has an empty axis, or the factors differ in their number of columns.

    References
    ----------
    Kolda, Bader (2009), *Tensor decompositions and applications*, SIAM Review 51.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> M = hntf.maps.KhatriRao([np.array([[1.0], [2.0]]), np.array([[1.0], [10.0]])])
    >>> M.apply(np.array([[3.0]]))
    array([[[ 3., 30.],
            [ 6., 60.]]])
    """

    def __init__(self, factors: Sequence[Array]) -> None:
        self._factors = checked_factors(factors, "factors")
        ranks = [U.shape[1] for U in self._factors]
        if len(set(ranks)) > 1:
            raise ValueError(f"factors must have one number of columns, the rank; got {ranks}")

    @property
    def factors(self) -> list[Array]:
        return list(self._factors)

    def with_factors(self, factors: Sequence[Array]) -> Self:
        linear_map = copy(self)
        linear_map._factors = list(factors)
        return linear_map

    def fits(self, shape: tuple[int, ...]) -> bool:
        return tuple(shape[1:]) == tuple(len(U) for U in self._factors)

    @property
    def expected_shape(self) -> str:
        return f"(n, {', '.join(str(len(U)) for U in self._factors)}), as the factors have these numbers of rows"

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0], self._factors[0].shape[1])

    def matrix(self) -> Array:
        return khatri_rao(self._factors)

    def gram(self, X: Data) -> Array:
        return X.gram([None, *self._factors])

    def contracted(self, X: Data) -> Array | None:
        return X.contract_last(self._factors[-1])

    def adjoint(self, X: Data, contracted: Array | None = None) -> Array:
        return X.mttkrp([None, *self._factors], 0, contracted)

    def pullback(self, X: Data, dG: Array, dC: Array, contracted: Array | None = None) -> list[Array]:
        through_gram = X.gram_pullback([None, *self._factors], dG)
        factors = [dC, *self._factors]
        return [dU + X.mttkrp(factors, mode, contracted) for mode, dU in enumerate(through_gram, start=1)]

    def input_gradient(self, X: Data, dC: Array) -> Any:
        return X.input_gradient(dC, [None, *self._factors])

    def apply(self, S: Array) -> Array:
        rank = self._factors[0].shape[1]
        if S.ndim != 2 or S.shape[1] != rank:
            raise ValueError(f"S must have shape (n, {rank}), got {tuple(S.shape)}")
        return cp_dense(S, [None, *self._factors])

    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        data = DenseData(dX.reshape(len(dX), *(len(U) for U in self._factors)))
        contracted = self.contracted(data)
        factors = [S, *self._factors]
        dS, *dfactors = (data.mttkrp(factors, mode, contracted) for mode in range(len(factors)))
        return dS, dfactors
