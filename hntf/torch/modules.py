"""Nonnegative least-squares layers of torch networks: dense, CP and Tucker."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, LinearMap, ModeProduct
from hntf.torch.checks import broadcast, check_dense, check_factor, check_finite, check_tensor
from hntf.torch.functional import nnls
from hntf.torch.gram_form import nnls_gram
from hntf.torch.parametrization import Nonnegative
from hntf.torch.scaling import cast_code, scaled_columns, scaled_penalty, times_power
from hntf.validation import check_flag, check_number


class Layer(nn.Module):
    """Base of the layers `S = argmin_{S ≥ 0} ½‖X − M(S)‖² + l1 ΣS + ½ l2‖S‖²` over a linear map `M` with trainable factors.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        The names of the factors and their shapes, in the order of the factors of the map.
    l1, l2 : float
        Sparsity and ridge penalties on the code, at least 0.
    nonnegative : bool
        Whether the factors are parametrized by `Nonnegative`, so that every optimizer keeps them nonnegative.
    """

    def __init__(
        self, shapes: dict[str, tuple[int, int]], l1: float, l2: float, nonnegative: bool, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        check_number(l1, "l1")
        check_number(l2, "l2")
        check_flag(nonnegative, "nonnegative")
        self.l1, self.l2 = l1, l2
        self.factor_names = tuple(shapes)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(*shape, device=device, dtype=dtype).uniform_()))
            if nonnegative:
                parametrize.register_parametrization(self, name, Nonnegative())
        self.reset_parameters()

    @property
    def factors(self) -> list[Tensor]:
        """The factors of the map."""
        return [getattr(self, name) for name in self.factor_names]

    @torch.no_grad()
    def set_factors_(self, factors: Sequence[Any]) -> Self:
        """Set the factors, given as tensors or NumPy arrays of the same shapes, through their parametrizations if they have any."""
        if len(factors) != len(self.factor_names):
            raise ValueError(f"factors must hold {len(self.factor_names)} factors, got {len(factors)}")
        for name, own, new in zip(self.factor_names, self.factors, factors, strict=True):
            value = check_factor(name, torch.as_tensor(new), tuple(own.shape)).to(own)
            if parametrize.is_parametrized(self, name):
                # A copy in order of memory: a parametrization may keep what it is given.
                setattr(self, name, value.clone(memory_format=torch.contiguous_format))
            else:
                own.copy_(value)
        return self

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw new random factors, with columns of unit norm."""
        drawn = [torch.rand_like(U) for U in self.factors]
        self.set_factors_([U / torch.linalg.vector_norm(U, dim=0) for U in drawn])

    @torch.no_grad()
    def project_(self) -> None:
        """Set negative entries of the factors to zero, for example after every step of an optimizer.

        Under a parametrization the factors are set through its `right_inverse`.

        Raises
        ------
        ValueError
            If a parametrization does not keep the factors nonnegative.
        """
        self.set_factors_([U.clamp(min=0) for U in self.factors])
        for name, U in zip(self.factor_names, self.factors, strict=True):
            smallest, rounding = float(U.amin()), torch.finfo(U.dtype).eps ** 0.5 * float(U.abs().amax())
            if parametrize.is_parametrized(self, name) and smallest < -rounding:
                raise ValueError(
                    f"{name} must have a parametrization that keeps nonnegative entries to be projected, got {smallest:g}"
                )

    @property
    @abstractmethod
    def in_shape(self) -> tuple[int, ...]:
        """The shape of a sample."""

    @property
    @abstractmethod
    def out_features(self) -> int:
        """Number of entries of a code."""

    @abstractmethod
    def decode(self, S: Tensor) -> Tensor:
        """Return the samples `M(S)`, `(n, …)`, of the codes `(n, k)`."""

    @abstractmethod
    def _map(self, factors: list[Tensor]) -> LinearMap:
        """Return the map with these factors."""

    def _promoted(self, S: Tensor) -> list[Tensor]:
        """Return codes and the factors in the wider dtype of both; raise `TypeError` or `ValueError` if they are no codes."""
        check_tensor("S", S)
        if S.ndim == 0 or S.shape[-1] != self.out_features:
            raise ValueError(f"S must have codes of {self.out_features} entries, got shape {tuple(S.shape)}")
        dtype = torch.promote_types(S.dtype, self.factors[0].dtype)
        return [x.to(dtype) for x in (S, *self.factors)]

    def _scaled_penalties(self, exponents: Tensor) -> tuple[Any, Any]:
        """Return the penalties on codes that are divided by powers of two, `(k,)`; 0.0 and 0.0 for none."""
        return (
            scaled_penalty(self.l1, exponents) if self.l1 else 0.0,
            scaled_penalty(self.l2, 2 * exponents) if self.l2 else 0.0,
        )

    def to_layer(self) -> NNLSLayer:
        """Return the layer as a `hntf.layers.NNLSLayer` with copies of the factors in float64."""
        return NNLSLayer(self._map([U.detach().double().clone() for U in self.factors]), l1=self.l1, l2=self.l2)

    def extra_repr(self) -> str:
        """Return the parameters of the layer for its printed representation."""
        return f"in_shape={self.in_shape}, out_features={self.out_features}, l1={self.l1}, l2={self.l2}"


class NNLS(Layer):
    """The layer `S = argmin_{S ≥ 0} ½‖X − S Aᵀ‖² + l1 ΣS + ½ l2‖S‖²` with a trainable dictionary `A`.

    Parameters
    ----------
    in_features : int
        Number of features of a sample, `m`.
    k : int
        Number of components of a code.
    l1, l2 : float
        Sparsity and ridge penalties on the code, at least 0.
    nonnegative : bool
        Whether the dictionary is parametrized to be nonnegative. Otherwise training does not keep it so; for a nonnegative
        factorization call `project_` after every step.
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
        l1: float = 0.0,
        l2: float = 0.0,
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
        l1: float = 0.0,
        l2: float = 0.0,
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
        X = _as_samples(X, self.feature_shape)
        if weights is not None:
            check_dense("weights", weights)
            weights = broadcast(weights, "weights", tuple(X.shape)).expand(X.shape).flatten(1)
        factors, exponents = zip(*[scaled_columns(U.double()) for U in self.factors], strict=True)
        exponent = sum(exponents[1:], exponents[0])
        l1, l2 = self._scaled_penalties(exponent)
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
        l1: float = 0.0,
        l2: float = 0.0,
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

    def forward(self, X: Tensor) -> Tensor:
        """Return the codes of the samples `(n, d_2, …, d_N)` as tensors that are flattened to `(n, k)`, the last mode fastest."""
        compressed = _as_samples(X, self.feature_shape).double()
        check_finite("X", X)
        factors, exponents = zip(*[scaled_columns(A.double()) for A in self.factors], strict=True)
        for mode, A in zip(self.modes, factors, strict=True):
            compressed = torch.tensordot(compressed, A, dims=([mode], [0])).movedim(-1, mode)
        # Modes that are not compressed only separate problems.
        separate = [mode for mode in range(compressed.ndim) if mode not in self.modes]
        order = [*separate, *self.modes]
        moved = compressed.permute(order)
        exponent = reduce(lambda a, b: (a[:, None] + b).flatten(), exponents)
        l1, l2 = self._scaled_penalties(exponent)
        G = reduce(torch.kron, [A.mT @ A for A in factors])
        G = G + torch.diag(l2) if self.l2 else G
        S = times_power(nnls_gram(G, moved.reshape(-1, len(exponent)) - l1), exponent).reshape(moved.shape)
        inverse = sorted(range(len(order)), key=order.__getitem__)
        return cast_code(S.permute(inverse).flatten(1), X.dtype)

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


def _as_samples(X: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return samples, which may be flattened, in their shape."""
    check_tensor("X", X)
    if tuple(X.shape[1:]) not in (shape, (math.prod(shape),)):
        raise ValueError(f"X must have shape (n, {', '.join(map(str, shape))}), got {tuple(X.shape)}")
    return X.reshape(X.shape[0], *shape)
