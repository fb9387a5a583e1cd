"""The multilinear map of a Tucker layer, `S ↦ S ×_i A_i`, over any subset of the modes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from typing import Any, Self

import numpy as np

from hntf.algebra import kronecker, unfold
from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.least_squares.gram import Gram
from hntf.maps.base import LinearMap, checked_factors
from hntf.validation import check_number


class ModeProduct(LinearMap):
    r"""The map `M(S) = S ×_{i} A_i` over a subset of the modes; the code keeps the other modes as they are.

    The code is a tensor with the dimension `r_i` in place of `d_i` along the compressed modes. It is passed as `(n, k)`, with all
    modes but the first flattened, the last one fastest. `G` is the Kronecker product of the `A_iᵀA_i`, which is not formed if it
    is large, and `C = X ×_{i} A_iᵀ`. If mode 0 is not compressed, the samples are separate problems. If it is, the first axis of
    the code is `r_0` instead of `n`, and the whole core of a Tucker decomposition is one problem.

    Parameters
    ----------
    factors : list of arrays, `(d_i, r_i)`
        The factors `A_i`: NumPy arrays or torch tensors, of any sign.
    modes : sequence of int, optional
        The mode of each factor, in increasing order. By default 1, 2, ….

    Raises
    ------
    TypeError, ValueError
        If a factor is not a finite real matrix or has an empty axis, or a mode is out of range, repeated or out of order.

    References
    ----------
    Kolda, Bader (2009), *Tensor decompositions and applications*, SIAM Review 51.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> M = hntf.maps.ModeProduct([np.array([[1.0], [2.0]])], modes=[1])
    >>> M.apply(np.array([[3.0]]))
    array([[3., 6.]])
    >>> both = hntf.maps.ModeProduct([np.eye(2), np.ones((3, 1))], modes=[1, 2])
    >>> both.apply(np.array([[1.0, 2.0]]))
    array([[[1., 1., 1.],
            [2., 2., 2.]]])
    """

    def __init__(self, factors: Sequence[Array], modes: Sequence[int] | None = None) -> None:
        self._factors = checked_factors(factors, "factors")
        if modes is not None and not isinstance(modes, Sequence | np.ndarray):
            raise TypeError(f"modes must be a sequence of integers, got {modes!r}")
        self.modes = tuple(range(1, len(self._factors) + 1) if modes is None else modes)
        if len(self.modes) != len(self._factors):
            raise ValueError(f"modes must name one mode a factor, {len(self._factors)}; got {self.modes}")
        for mode in self.modes:
            check_number(mode, "each of modes", integer=True)
        if any(a >= b for a, b in zip(self.modes, self.modes[1:], strict=False)):
            raise ValueError(f"modes must increase, got {self.modes}")

    @property
    def factors(self) -> list[Array]:
        return list(self._factors)

    def with_factors(self, factors: Sequence[Array]) -> Self:
        linear_map = copy(self)
        linear_map._factors = list(factors)
        return linear_map

    def fits(self, shape: tuple[int, ...]) -> bool:
        if self.modes[-1] >= len(shape):
            return False
        return all(shape[mode] == len(A) for mode, A in zip(self.modes, self._factors, strict=True))

    @property
    def expected_shape(self) -> str:
        along = ", ".join(f"{len(A)} along mode {mode}" for mode, A in zip(self.modes, self._factors, strict=True))
        return f"of order above {self.modes[-1]} with size {along}"

    def code_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        ranks = dict(zip(self.modes, (A.shape[1] for A in self._factors), strict=True))
        return tuple(ranks.get(mode, dimension) for mode, dimension in enumerate(shape))

    def _by_mode(self, order: int) -> list[Array | None]:
        by_mode: list[Array | None] = [None] * order
        for mode, A in zip(self.modes, self._factors, strict=True):
            by_mode[mode] = A
        return by_mode

    def matrix(self) -> Array:
        return kronecker(self._factors)

    def gram(self, X: Data) -> Gram:
        return X.kronecker_gram(self._by_mode(len(X.shape)))

    def contracted(self, X: Data) -> Array | None:
        if len(self.modes) == 1:
            return None
        return X.contract_mode(self._factors[-1], self.modes[-1])

    def adjoint(self, X: Data, contracted: Array | None = None) -> Array:
        C = self._compressed(X, contracted, skip=-1)
        return C.reshape(len(C), -1)

    def _compressed(self, X: Data, contracted: Array | None, skip: int) -> Array:
        """Return `X ×_i A_iᵀ` over all modes but `skip`, reusing the contraction with the last factor where possible."""
        by_mode = self._by_mode(len(X.shape))
        last = self.modes[-1]
        if contracted is None or skip == last:
            return X.multi_mode_dot(by_mode, skip)
        by_mode[last] = None
        return DenseData(contracted).multi_mode_dot(by_mode, skip)

    def pullback(self, X: Data, dG: Gram, dC: Array, contracted: Array | None = None) -> list[Array]:
        through_gram = X.kronecker_gram_pullback(self._by_mode(len(X.shape)), dG)
        through_adjoint = self._factor_gradients(X, dC, contracted)
        return [through_gram[mode] + dA for mode, dA in zip(self.modes, through_adjoint, strict=True)]

    def _factor_gradients(self, X: Data, V: Array, contracted: Array | None) -> list[Array]:
        """Return the gradients of `⟨X ×_i A_iᵀ, V⟩`, which is `⟨X, M(V)⟩`, with respect to the factors."""
        V = V.reshape(self.code_shape(X.shape))
        if len(self.modes) == 1 and len(X.shape) == 2:
            # Multiply by the matrix itself, which may be sparse.
            (mode,) = self.modes
            other = unfold(V, mode).T
            return [X.mttkrp([None if i == mode else other for i in range(2)], mode)]
        by_mode = self._by_mode(len(X.shape))
        if contracted is None:
            return [X.mode_product_pullback(by_mode, V, mode) for mode in self.modes]
        return [unfold(self._compressed(X, contracted, mode), mode) @ unfold(V, mode).T for mode in self.modes]

    def input_gradient(self, X: Data, dC: Array) -> Any:
        V = dC.reshape(self.code_shape(X.shape))
        return X.mode_product_input_gradient(self._by_mode(len(X.shape)), V, lambda: self._expand(dC, X.shape))

    def apply(self, S: Array) -> Array:
        return self._expand(S, self._data_shape(S))

    def apply_pullback(self, S: Array, dX: Array) -> tuple[Array, list[Array]]:
        data = DenseData(dX.reshape(self._data_shape(S)))
        contracted = self.contracted(data)
        return self.adjoint(data, contracted), self._factor_gradients(data, S, contracted)

    def residual_norm_squared(self, X: Data, S: Array) -> float:
        if self.modes[0] != 0:
            return X.residual_norm_squared(lambda rows: self._expand(S[rows], (len(S[rows]), *X.shape[1:])))
        A, *others = self._factors
        return X.residual_norm_squared(
            lambda rows: self.with_factors([A[rows], *others])._expand(S, (len(A[rows]), *X.shape[1:]))
        )

    def _expand(self, S: Array, shape: tuple[int, ...]) -> Array:
        """Return `M(S)` for data of the given shape."""
        expected = self.code_shape(shape)
        if math.prod(S.shape) != math.prod(expected):
            raise ValueError(
                f"S must be the code as a tensor, of shape map.code_shape(X.shape), where not all modes are compressed; "
                f"got {tuple(S.shape)}"
            )
        core = S.reshape(expected)
        transposed = [None if A is None else A.T for A in self._by_mode(len(shape))]
        return DenseData(core).multi_mode_dot(transposed, skip=-1)

    def _data_shape(self, S: Array) -> tuple[int, ...]:
        """Return the shape of `M(S)`: `d_i` along the compressed modes, and the dimensions of the code along the others."""
        dimensions = {mode: len(A) for mode, A in zip(self.modes, self._factors, strict=True)}
        if S.ndim > self.modes[-1]:
            return tuple(dimensions.get(mode, size) for mode, size in enumerate(S.shape))
        features = [dimensions.get(mode) for mode in range(1, self.modes[-1] + 1)]
        if None in features:
            raise ValueError(
                f"S must be a tensor of order above {self.modes[-1]} where not all its modes are compressed"
            )
        return (dimensions.get(0, len(S)), *features)  # type: ignore[arg-type]
