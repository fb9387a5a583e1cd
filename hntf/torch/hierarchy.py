"""A stack of nonnegative least-squares layers as a torch module, and its losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from hntf.arrays import as_bool
from hntf.data import as_data
from hntf.estimators import NeuralNMF, NeuralNTF
from hntf.estimators.architecture import architecture_of
from hntf.fitting.initializers.tensor import tensor_levels
from hntf.fitting.loop import Ended, Solution
from hntf.layers import NNLSLayer
from hntf.maps import KhatriRao, ModeProduct
from hntf.models import Hierarchy as HierarchyModel
from hntf.torch.checks import check_dense, check_finite, check_nonnegative, check_tensor, weights_of_entries
from hntf.torch.gram_form import nnls_gram
from hntf.torch.layer import Layer
from hntf.torch.modules import CP, NNLS, Tucker
from hntf.torch.scaling import scaled_columns
from hntf.validation import as_random_state, check_boolean, check_number, level_index


class Hierarchy(nn.Module):
    """A stack of layers `S_0 = X`, `S_l = q(S_{l−1}, M_l)`: the torch counterpart of `hntf.Hierarchy`.

    Parameters
    ----------
    layers : sequence of Layer
        The layers, from the data up: CP or `NNLS` first, or Tucker layers, then `NNLS` layers.

    Raises
    ------
    TypeError, ValueError
        If a layer is not one of `hntf.torch`, or does not fit the codes of the layer below.

    Examples
    --------
    >>> import torch, hntf
    >>> X = torch.tensor(hntf.datasets.make_hierarchical_blocks(random_state=0).X)
    >>> model = hntf.torch.Hierarchy([hntf.torch.NNLS(87, 9), hntf.torch.NNLS(9, 4)]).double().initialize_(X)
    >>> codes = model(X)
    >>> [tuple(S.shape) for S in codes]
    [(90, 9), (90, 4)]
    >>> hntf.torch.energy(model, X).backward()
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        _check_layers(layers)
        self.layers: Any = nn.ModuleList(layers)

    def forward(
        self, X: Tensor, weights: Tensor | None = None, supports: Sequence[Tensor] | None = None
    ) -> list[Tensor]:
        """Return the codes `(n, k_l)` of the samples at all levels.

        Weights that can be broadcast to the samples weigh their entries, which those of 0 hide. The searches start from supports
        `(n, k_l)`, one for each level, for example those of the last step of a training, `[S > 0 for S in codes]`.
        """
        starts: Sequence[Tensor | None] = [None] * len(self.layers) if supports is None else supports
        if len(starts) != len(self.layers):
            raise ValueError(f"supports must have one entry per level, {len(self.layers)}; got {len(starts)}")
        codes: list[Tensor] = []
        for layer, support in zip(self.layers, starts, strict=True):
            below, of_entries = (codes[-1], None) if codes else (X, weights)
            codes.append(layer(below, weights=of_entries, support=support))
        return codes

    def decode(self, S: Tensor, level: int = -1) -> Tensor:
        """Return the samples of codes at a level."""
        level = level_index(level, len(self.layers))
        check_tensor("S", S)
        for layer in reversed(self.layers[: level + 1]):
            S = layer.decode(S.flatten(1))
        return S

    def project_(self) -> None:
        """Set negative entries of all factors to zero."""
        for layer in self.layers:
            layer.project_()

    def initialize_(self, X: Any, weights: Any = None, *, random_state: Any = None) -> Self:
        """Set the factors to the start that the estimators take from data: a factorization of each rank, and the factors between.

        Parameters
        ----------
        X : tensor or array, `(n, …)`
            The samples.
        weights : tensor or array, optional
            Weights of their entries, or a mask of booleans, that can be broadcast to the samples.
        random_state : int, RandomState, Generator or None
            Seed or generator of the random starts; by default a seed drawn by torch.

        Returns
        -------
        self
        """
        X, weights = (x.detach() if isinstance(x, Tensor) else x for x in (X, weights))
        data = as_data(X, weights=weights, nonnegative=True)
        self._check_samples(data.shape)
        architecture = architecture_of(self.to_model().layers, data.shape)
        seed = int(torch.randint(2**31, ())) if random_state is None else random_state
        factors = iter(tensor_levels(data, architecture, as_random_state(seed)).factors)
        for layer in self.layers:
            layer.set_factors_([next(factors) for _ in layer.factor_names])
        return self

    def _check_samples(self, shape: tuple[int, ...]) -> None:
        of_sample = self.layers[0].in_shape
        if shape[1:] != of_sample:
            raise ValueError(f"X must have shape (n, {', '.join(map(str, of_sample))}), got {shape}")

    def to_model(self) -> HierarchyModel:
        """Return the stack as a `hntf.Hierarchy` with copies of the factors in float64."""
        return HierarchyModel([layer.to_layer() for layer in self.layers], feature_shape=self.layers[0].in_shape)

    @classmethod
    def from_estimator(cls, estimator: Any) -> Hierarchy:
        """Return the stack of a fitted estimator, in float64: the codes of samples are those of its `transform`.

        Parameters
        ----------
        estimator : NeuralNMF, NeuralNTF, or another estimator whose model is a stack of least-squares layers
            For example `NMF` with the Frobenius loss or `HierarchicalNMF`. A classifier of labels stays with the estimator: it is
            no part of the stack, and `to_estimator` gives one that was fitted without labels.
        """
        model = getattr(estimator, "model_", None)
        if not isinstance(model, HierarchyModel):
            raise TypeError(
                f"estimator must be fitted and hold a stack of least-squares layers, as NeuralNMF does; got {estimator!r}"
            )
        shape = tuple(estimator.feature_shape_)
        layers = []
        for layer in model.layers:
            layers.append(_module_of(layer, shape))
            code = layer.map.code_shape((1, *shape))[1:]
            shape = code if isinstance(layer.map, ModeProduct) else (int(np.prod(code)),)
        return cls(layers)

    def to_estimator(self, X: Any, weights: Any = None) -> Any:
        """Return a fitted `NeuralNMF` or `NeuralNTF` with the factors of the stack and the codes of the samples `X`.

        Entries may have weights, as in `initialize_`.
        """
        model = self.to_model()
        penalties: dict[str, Any] = {"code_l1": model.layers[0].l1, "code_l2": model.layers[0].l2}
        if len({(layer.l1, layer.l2) for layer in model.layers}) > 1:
            raise ValueError("layers must have the same penalties l1 and l2 at all levels, as an estimator has")
        if any(float(U.detach().min()) < 0 for layer in self.layers for U in layer.factors):
            raise ValueError("factors must be nonnegative; call project_ first")
        X, weights = (x.detach() if isinstance(x, Tensor) else x for x in (X, weights))
        shape = tuple(X.shape if hasattr(X, "shape") else np.shape(X))
        self._check_samples(shape)
        architecture = architecture_of(model.layers, shape)
        if isinstance(self.layers[0], NNLS):
            estimator: Any = NeuralNMF(architecture.ranks, **penalties)
        else:
            ranks = (*architecture.tucker_ranks, *architecture.ranks)
            modes = architecture.modes or None
            estimator = NeuralNTF(ranks, modes=modes, **penalties)
            estimator.modes_ = architecture.modes
        given = estimator._validated(X, weights=weights, reset=True)
        ended = Ended(True, "trained outside")
        estimator._keep(model.to(given.data.prototype), given, Solution(model, 0, ended, {"loss": np.empty(0)}))
        return estimator


def _check_layers(layers: Any) -> None:
    if not isinstance(layers, Sequence | nn.ModuleList):
        raise TypeError(f"layers must be a sequence of layers of hntf.torch, got {type(layers).__name__}")
    if not len(layers):
        raise ValueError("layers must hold at least one layer, got none")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must hold layers of hntf.torch, got {type(layer).__name__}")
    for lower, upper in pairwise(layers):
        size = math.prod(upper.in_shape)
        if size != lower.out_features:
            raise ValueError(
                f"layers must fit together: codes of {lower.out_features} entries below a layer for {size}"
            )
        if not isinstance(upper, NNLS) and not (isinstance(upper, Tucker) and isinstance(lower, Tucker)):
            raise ValueError(
                f"layers must be CP or NNLS first, or Tucker layers, then NNLS layers; got {type(upper).__name__} above "
                f"{type(lower).__name__}"
            )


def _module_of(layer: NNLSLayer, shape: tuple[int, ...]) -> Layer:
    """Return a least-squares layer on samples of a shape as a module in float64."""
    linear_map, factors = layer.map, layer.map.factors
    options: dict[str, Any] = {"l1": layer.l1, "l2": layer.l2, "dtype": torch.float64}
    module: Layer
    if isinstance(linear_map, ModeProduct):
        module = Tucker(shape, [A.shape[1] for A in factors], linear_map.modes, **options)
    elif isinstance(linear_map, KhatriRao):
        module = CP(shape, factors[0].shape[1], **options)
    else:
        module = NNLS(*factors[0].shape, **options)
    return module.set_factors_(factors)


def energy(
    model: Hierarchy,
    X: Tensor,
    codes: Sequence[Tensor] | None = None,
    *,
    level_weights: Sequence[float] | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """Return the energy `Σ_l w_l ‖√W ∘ (X − M_1(… M_l(S_l)))‖²` of a hierarchy, a differentiable scalar.

    Parameters
    ----------
    model : Hierarchy
        The hierarchy.
    X : tensor, `(n, …)`
        The samples.
    codes : sequence of tensors, optional
        The codes `model(X, weights)`, if they are known.
    level_weights : sequence of float, optional
        The weights of the levels, at least 0; 1 by default.
    weights : tensor, optional
        Weights `W` of the entries, or a mask of booleans, that can be broadcast to the samples; an entry with weight 0 is never
        looked at.

    Raises
    ------
    ValueError
        If there is not one code and one weight for each level, or a weight is negative or not finite.
    """
    codes = model(X, weights) if codes is None else codes
    n_levels = len(model.layers)
    level_weights = [1.0] * n_levels if level_weights is None else level_weights
    for name, of_levels in (("codes", codes), ("level_weights", level_weights)):
        if len(of_levels) != n_levels:
            raise ValueError(f"{name} must have one entry per level, {n_levels}; got {len(of_levels)}")
    for level, weight in enumerate(level_weights):
        if not isinstance(weight, Tensor):
            check_number(weight, f"level_weights[{level}]")
    if weights is not None:
        weights = weights_of_entries(weights, X)
        check_nonnegative("weights", weights)
        X = X.where(weights > 0, 0.0)
    errors = []
    for level, S in enumerate(codes):
        squares = (X - model.decode(S, level).reshape(X.shape)).square()
        errors.append((squares if weights is None else weights * squares).sum())
    return sum((w * error for w, error in zip(level_weights, errors, strict=True)), start=X.new_zeros(()))


def label_l2(S: Tensor, Y: Tensor, known: Tensor | None = None) -> Tensor:
    """Return the label loss `½ min_{B ≥ 0} ‖L∘(Y − S B)‖²` of codes, a differentiable scalar.

    The classifier is the best one for these codes and needs no training.

    Parameters
    ----------
    S : tensor, `(n, k)`
        Codes.
    Y : tensor, `(n, p)`
        Labels, one column for each class.
    known : bool tensor, `(n,)`, optional
        The samples whose labels are known.

    Raises
    ------
    TypeError, ValueError
        If `S` and `Y` do not have as many rows, or `known` is no mask of them.
    """
    check_tensor("S", S)
    check_dense("Y", Y)
    for name, x in (("S", S), ("Y", Y)):
        if x.ndim != 2:
            raise ValueError(f"{name} must be a matrix with one row for each sample, got shape {tuple(x.shape)}")
    if len(S) != len(Y):
        raise ValueError(f"Y must have one row per code, {len(S)}; got {len(Y)}")
    if known is not None:
        known = as_bool(check_boolean(known, "known", (len(S),), "one entry per code"))
        S, Y = S[known], Y[known]
    for name, x in (("S", S), ("Y", Y)):
        check_finite(name, x, " where labels are known; hide unknown ones by known")
    # The classifier takes up the scale of the codes.
    S, Y = scaled_columns(S.double())[0], Y.double()
    B = nnls_gram(S.mT @ S, Y.mT @ S)
    return 0.5 * (Y - S @ B.mT).square().sum()
