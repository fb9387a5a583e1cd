"""Nonnegative least-squares layers of torch networks: dense, CP and Tucker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from hntf.algebra import MATRIX
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.torch.checks import check_finite, check_tensor, checked_support, weights_of_entries
from hntf.torch.functional import Penalty, nnls
from hntf.torch.gram_form import nnls_gram
from hntf.torch.layer import Layer
from hntf.torch.scaling import cast_code, scaled_columns, scaled_penalties, times_power
from hntf.validation import check_number


class NNLS(Layer):
    """The layer `S = argmin_{S ≥ 0} ½‖X − S Aᵀ‖² + l1 ΣS + ½ l2‖S‖²` with a trainable dictionary `A`.

    Parameters
    ----------
    in_features : int
        Number of features of a sample, `m`.
    k : int
        Number of components of a code.
    l1, l2 : float or tensor, () or (k,)
        Sparsity and ridge penalties on the code, at least 0, for all components or for each. A tensor belongs to the layer: a
        `Parameter` is trained, another is a buffer.
    nonnegative : bool
        Whether the dictionary, and penalties that are trained, are parametrized to be nonnegative. Otherwise training does not keep
        them so; for a nonnegative factorization call `project_` after every step.
    device, dtype : optional
        Device and dtype of the dictionary.

    Attributes
    ----------
    A : Parameter, `(in_features, k)`
        The dictionary, initialised uniformly in `[0, 1]` with columns of unit norm.

    Examples
    --------
    >>> import torch, hntf
    >>> network = torch.nn.Sequential(hntf.torch.NNLS(30, 8), hntf.torch.NNLS(8, 3), torch.nn.Linear(3, 2))
    >>> network(torch.rand(5, 30)).shape
    torch.Size([5, 2])
    """

    A: Tensor

    def __init__(
        self,
        in_features: int,
        k: int,
        *,
        l1: Penalty = 0.0,
        l2: Penalty = 0.0,
        nonnegative: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_number(in_features, "in_features", low=1, integer=True)
        check_number(k, "k", low=1, integer=True)
        self.in_features, self.k = in_features, k
        super().__init__({"A": (in_features, k)}, l1, l2, nonnegative, device, dtype)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of a sample."""
        return (self.in_features,)

    @property
    def out_features(self) -> int:
        """Number of entries of a code."""
        return self.k

    def forward(self, X: Tensor, weights: Tensor | None = None, support: Tensor | None = None) -> Tensor:
        """Return the codes `(…, n, k)` of the samples `(…, n, in_features)`; weights and support are those of `nnls`."""
        return nnls(X, self.A, l1=self.l1, l2=self.l2, weights=weights, support=support)

    def decode(self, S: Tensor) -> Tensor:
        """Return the samples of the codes."""
        S, A = self._promoted(S)
        return S @ A.mT

    def _map(self, factors: list[Tensor]) -> Dense:
        return Dense(factors[0])


class CP(Layer):
    """The layer on tensors whose components are outer products: `X ≈ [[S, U_2, …, U_N]]`.

    Parameters
    ----------
    feature_shape : sequence of int
        The shape of a sample, `(d_2, …, d_N)`.
    k : int
        Number of components of a code.
    l1, l2, nonnegative, device, dtype
        As in `NNLS`.

    Attributes
    ----------
    factors : list of tensors, `(d_i, k)`
        The factors, which are the parameters `U2`, …, `UN`.

    Examples
    --------
    >>> import torch, hntf
    >>> hntf.torch.CP((6, 5, 4), 3)(torch.rand(8, 6, 5, 4)).shape
    torch.Size([8, 3])
    """

    def __init__(
        self,
        feature_shape: Sequence[int],
        k: int,
        *,
        l1: Penalty = 0.0,
        l2: Penalty = 0.0,
        nonnegative: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        check_number(k, "k", low=1, integer=True)
        self.feature_shape, self.k = _checked_shape(feature_shape), k
        shapes = {f"U{mode}": (d, k) for mode, d in enumerate(self.feature_shape, start=2)}
        super().__init__(shapes, l1, l2, nonnegative, device, dtype)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of a sample."""
        return self.feature_shape

    @property
    def out_features(self) -> int:
        """Number of entries of a code."""
        return self.k

    def forward(self, X: Tensor, weights: Tensor | None = None, support: Tensor | None = None) -> Tensor:
        """Return the codes `(n, k)` of the samples `(n, d_2, …, d_N)`.

        Weights that can be broadcast to the samples weigh entries, which those of 0 hide; the search starts from `support`.
        """
        X, weights = _as_samples(X, self.feature_shape, weights)
        weights = None if weights is None else weights.flatten(1)
        factors, exponents = zip(*[scaled_columns(U.double()) for U in self.factors], strict=True)
        exponent = sum(exponents[1:], exponents[0])
        l1, l2 = scaled_penalties(self._penalties(X), exponent)
        S = nnls(X.flatten(1).double(), _khatri_rao(factors), l1=l1, l2=l2, weights=weights, support=support)
        return cast_code(times_power(S, exponent), X.dtype)

    def decode(self, S: Tensor) -> Tensor:
        """Return the samples of the codes."""
        S, *factors = self._promoted(S)
        return (S @ _khatri_rao(factors).mT).reshape(S.shape[0], *self.feature_shape)

    def _map(self, factors: list[Tensor]) -> KhatriRao:
        return KhatriRao(factors)


class Tucker(Layer):
    """The layer on tensors that compresses modes: `X ≈ S ×_i A_i` over the given modes.

    Parameters
    ----------
    feature_shape : sequence of int
        The shape of a sample, `(d_2, …, d_N)`.
    ranks : sequence of int
        The ranks of the compressed modes.
    modes : sequence of int, optional
        The modes that are compressed, counted with the samples as mode 0; by default all others.
    l1, l2, nonnegative, device, dtype
        As in `NNLS`.

    Attributes
    ----------
    factors : list of tensors, `(d_i, r_i)`
        The factors, which are the parameters `A1`, … by mode.

    Examples
    --------
    >>> import torch, hntf
    >>> hntf.torch.Tucker((6, 5), (3, 2))(torch.rand(8, 6, 5)).shape
    torch.Size([8, 6])
    """

    def __init__(
        self,
        feature_shape: Sequence[int],
        ranks: Sequence[int],
        modes: Sequence[int] | None = None,
        *,
        l1: Penalty = 0.0,
        l2: Penalty = 0.0,
        nonnegative: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self.feature_shape = _checked_shape(feature_shape)
        order = len(self.feature_shape) + 1
        self.modes = tuple(range(1, order) if modes is None else modes)
        self.ranks = _checked_shape(ranks, "ranks")
        if len(self.modes) != len(self.ranks) or list(self.modes) != sorted(set(self.modes) & set(range(1, order))):
            raise ValueError(
                f"modes must be increasing modes from 1 to {order - 1}, one for each of ranks {self.ranks}; got {self.modes}"
            )
        shapes = {f"A{mode}": (self.feature_shape[mode - 1], r) for mode, r in zip(self.modes, self.ranks, strict=True)}
        super().__init__(shapes, l1, l2, nonnegative, device, dtype)

    @property
    def in_shape(self) -> tuple[int, ...]:
        """The shape of a sample."""
        return self.feature_shape

    @property
    def code_shape(self) -> tuple[int, ...]:
        """The shape of a code as a tensor."""
        ranks = dict(zip(self.modes, self.ranks, strict=True))
        return tuple(ranks.get(mode, d) for mode, d in enumerate(self.feature_shape, start=1))

    @property
    def out_features(self) -> int:
        """Number of entries of a code."""
        return math.prod(self.code_shape)

    def forward(self, X: Tensor, weights: Tensor | None = None, support: Tensor | None = None) -> Tensor:
        """Return the codes of the samples `(n, d_2, …, d_N)` as tensors that are flattened to `(n, k)`, the last mode fastest.

        Weights that can be broadcast to the samples weigh entries, which those of 0 hide; the search starts from `support`.
        """
        X, weights = _as_samples(X, self.feature_shape, weights)
        weights = None if weights is None else self._compressed_last(weights)
        if support is not None:
            shape = (len(X), self.out_features)
            support = self._codes_last(checked_support(support, shape).expand(shape))
        factors, exponents = zip(*[scaled_columns(A.double()) for A in self.factors], strict=True)
        exponent = reduce(lambda a, b: (a[:, None] + b).flatten(), exponents)
        penalties = [x if x is None or x.ndim == 0 else self._codes_last(x.expand(1, -1)) for x in self._penalties(X)]
        l1, l2 = scaled_penalties(penalties, exponent)
        if weights is None and (not isinstance(l2, Tensor) or l2.ndim == 1):
            check_finite("X", X)
            G = reduce(torch.kron, [A.mT @ A for A in factors])
            C = self._compressed_last(self._compressed(X.double(), factors))
            G = G + torch.diag(l2) if isinstance(l2, Tensor) else G
            S = nnls_gram(G, C - l1, support=support)
        else:
            K = reduce(torch.kron, factors)
            S = nnls(self._compressed_last(X.double()), K, l1=l1, l2=l2, weights=weights, support=support)
        S = times_power(S, exponent).unflatten(-1, self.ranks)
        return cast_code(S.permute(self._inverse_order).flatten(1), X.dtype)

    def _compressed(self, X: Tensor, factors: Sequence[Tensor]) -> Tensor:
        """Return the products of samples with the transposed factors in the compressed modes."""
        for mode, A in zip(self.modes, factors, strict=True):
            X = torch.tensordot(X, A, dims=([mode], [0])).movedim(-1, mode)
        return X

    @property
    def _order(self) -> list[int]:
        """The modes with those that are compressed last; the others only separate problems."""
        return [*(mode for mode in range(len(self.feature_shape) + 1) if mode not in self.modes), *self.modes]

    @property
    def _inverse_order(self) -> list[int]:
        order = self._order
        return sorted(range(len(order)), key=order.__getitem__)

    def _compressed_last(self, x: Tensor) -> Tensor:
        """Return a tensor of samples or of codes with the compressed modes flattened along the last axis."""
        return x.permute(self._order).flatten(-len(self.modes))

    def _codes_last(self, x: Tensor) -> Tensor:
        """Return what belongs to the entries of codes, `(n, k)`, in the form of `_compressed_last`."""
        return self._compressed_last(x.unflatten(1, self.code_shape))

    def decode(self, S: Tensor) -> Tensor:
        """Return the samples of the codes."""
        S, *factors = self._promoted(S)
        X = S.reshape(S.shape[0], *self.code_shape)
        for mode, A in zip(self.modes, factors, strict=True):
            X = torch.tensordot(X, A, dims=([mode], [1])).movedim(-1, mode)
        return X

    def _map(self, factors: list[Tensor]) -> ModeProduct:
        return ModeProduct(factors, self.modes)


def _khatri_rao(factors: Sequence[Tensor]) -> Tensor:
    return reduce(lambda K, U: (K[:, None] * U).flatten(0, 1), factors)


def _checked_shape(shape: Any, name: str = "feature_shape") -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or not shape:
        raise TypeError(f"{name} must be a sequence of integers, got {shape!r}")
    for d in shape:
        check_number(d, f"each entry of {name}", low=1, integer=True)
    return tuple(int(d) for d in shape)


def _as_samples(X: Tensor, shape: tuple[int, ...], weights: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Return samples, which may be flattened, and their weights in the shape of samples."""
    check_tensor("X", X)
    if tuple(X.shape[1:]) not in (shape, (math.prod(shape),)):
        raise ValueError(f"X must have shape (n, {', '.join(map(str, shape))}), got {tuple(X.shape)}")
    in_shape = X.reshape(X.shape[0], *shape)
    if weights is None:
        return in_shape, None
    is_flat = isinstance(weights, Tensor) and X.ndim == weights.ndim == MATRIX and weights.shape[1] == X.shape[1]
    return in_shape, weights_of_entries(weights, X if is_flat else in_shape).reshape(in_shape.shape)
