"""The base of the least-squares layers of torch networks: trainable factors, and penalties that may be trained, too."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from hntf.layers import NNLSLayer
from hntf.maps import LinearMap
from hntf.torch.checks import check_factor, check_tensor, checked_penalty
from hntf.torch.functional import Penalty
from hntf.torch.parametrization import Nonnegative
from hntf.validation import check_flag, check_number


class Layer(nn.Module):
    """Base of the layers `S = argmin_{S ≥ 0} ½‖X − M(S)‖² + l1 ΣS + ½ l2‖S‖²` over a linear map `M` with trainable factors.

    Parameters
    ----------
    shapes : dict of str to tuple of int
        The names of the factors and their shapes, in the order of the factors of the map.
    l1, l2 : float or tensor, () or (k,)
        Sparsity and ridge penalties on the code, at least 0. A tensor belongs to the layer, as a buffer or, if it is a `Parameter`,
        as one that is trained.
    nonnegative : bool
        Whether the factors, and penalties that are trained, are parametrized by `Nonnegative`, so that every optimizer keeps them
        nonnegative.
    """

    l1: Any
    l2: Any

    def __init__(
        self, shapes: dict[str, tuple[int, int]], l1: Penalty, l2: Penalty, nonnegative: bool, device: Any, dtype: Any
    ) -> None:
        super().__init__()
        check_flag(nonnegative, "nonnegative")
        for name, value in (("l1", l1), ("l2", l2)):
            self._add_penalty(name, value, nonnegative)
        self.factor_names = tuple(shapes)
        for name, shape in shapes.items():
            setattr(self, name, nn.Parameter(torch.empty(*shape, device=device, dtype=dtype).uniform_()))
            if nonnegative:
                parametrize.register_parametrization(self, name, Nonnegative())
        self.reset_parameters()

    def _add_penalty(self, name: str, value: Penalty, nonnegative: bool) -> None:
        """Keep a penalty: a number, a buffer, or a parameter, which is parametrized if it is to stay nonnegative."""
        if not isinstance(value, Tensor):
            check_number(value, name)
            setattr(self, name, value)
            return
        checked_penalty(value, name, (self.out_features,), value)
        if not isinstance(value, nn.Parameter):
            self.register_buffer(name, value)
            return
        self.register_parameter(name, value)
        if nonnegative:
            parametrize.register_parametrization(self, name, Nonnegative())

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
        """Set negative entries of the factors, and of penalties that are trained, to zero, for example after every step.

        Under a parametrization the factors are set through its `right_inverse`.

        Raises
        ------
        ValueError
            If a parametrization does not keep the factors nonnegative.
        """
        self.set_factors_([U.clamp(min=0) for U in self.factors])
        for penalty in (self.l1, self.l2):
            if isinstance(penalty, nn.Parameter):
                penalty.clamp_(min=0)
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

    def _penalties(self, like: Tensor) -> list[Tensor | None]:
        """Return both penalties in float64 on the device of a tensor, each of shape `()` or `(k,)`; None for 0."""
        return [checked_penalty(getattr(self, name), name, (self.out_features,), like) for name in ("l1", "l2")]

    def to_layer(self) -> NNLSLayer:
        """Return the layer as a `hntf.layers.NNLSLayer` with copies of the factors in float64."""
        factors = [U.detach().double().clone() for U in self.factors]
        return NNLSLayer(self._map(factors), l1=self._as_number("l1"), l2=self._as_number("l2"))

    def _as_number(self, name: str) -> float:
        """Return a penalty as one number, which layers and estimators outside of torch have."""
        penalty = getattr(self, name)
        if not isinstance(penalty, Tensor):
            return float(penalty)
        distinct = penalty.detach().unique()
        if len(distinct) != 1:
            raise ValueError(f"{name} must be the same for all components outside of torch, got {distinct.tolist()}")
        return float(distinct)

    def extra_repr(self) -> str:
        """Return the parameters of the layer for its printed representation."""
        l1, l2 = (f"tensor of shape {tuple(x.shape)}" if isinstance(x, Tensor) else x for x in (self.l1, self.l2))
        return f"in_shape={self.in_shape}, out_features={self.out_features}, l1={l1}, l2={l2}"
