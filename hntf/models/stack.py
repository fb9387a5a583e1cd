"""A stack of nonnegative least-squares layers, and the chain rule through it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial, reduce
from operator import mul
from typing import Any

from hntf.algebra import add, add_to, kronecker
from hntf.arrays import Array, as_float64, cast_like, identity_like
from hntf.costs.squared import squared_error, squared_residual
from hntf.data import Data, DenseData, as_data
from hntf.layers import LayerTape, NNLSLayer
from hntf.maps import Dense, ModeProduct
from hntf.models.base import Trainable, rank_one_profiles, summed_profiles
from hntf.models.multilinear import mode_products, outer_products
from hntf.validation import check_real_array, check_same_home, check_shape, checked_support


@dataclass
class Gradients:
    """The gradient of a loss with respect to the results of a forward pass.

    Attributes
    ----------
    codes : list of arrays or None, one per level
        The gradients with respect to the codes.
    factors : list of lists of arrays or None, one per level
        The direct gradients with respect to the factors of a level's map.
    gram, adjoint : array (or gradient of a structured Gram) or None
        The direct gradients with respect to the `G` and `C` of the first level.
    """

    codes: list[Array | None]
    factors: list[list[Array] | None] = field(default_factory=list)
    gram: Any = None
    adjoint: Array | None = None


class Hierarchy(Trainable):
    """A stack of nonnegative least-squares layers: `S_0 = X`, `S_l = q(S_{l−1}, M_l)`.

    Parameters
    ----------
    layers : sequence of NNLSLayer
        The layers, from the data up: the data of each layer are the codes of the one before.
    feature_shape : tuple of int, optional
        The shape of a sample. Only required to reconstruct data from codes if the first layer is a Tucker layer that does not
        compress all modes.

    Attributes
    ----------
    layers : list of NNLSLayer
        The layers.
    feature_shape : tuple of int or None
        The shape of a sample, None if it is not known.
    factors : list of arrays
        The factors of all levels, one after the other; for matrices `[A_1, …, A_L]` with `A_l` of shape `(k_{l−1}, k_l)`.

    Raises
    ------
    TypeError, ValueError
        If a layer is not an `NNLSLayer`, or a level does not fit the level below.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> A = [np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[1.0], [1.0]])]
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(A_l)) for A_l in A])
    >>> codes, tape = hierarchy.forward(np.array([[2.0, 2.0, 4.0]]))
    >>> codes
    [array([[2., 4.]]), array([[3.]])]
    """

    def __init__(self, layers: Sequence[NNLSLayer], *, feature_shape: Sequence[int] | None = None) -> None:
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("layers must hold at least one layer, got none")
        for layer in self.layers:
            if not isinstance(layer, NNLSLayer):
                raise TypeError(f"layers must hold hntf.layers.NNLSLayer, got {type(layer).__name__}")
        check_same_home({f"factor {i}": A for i, A in enumerate(self.factors)})
        first = self.layers[0].map
        if not isinstance(first, ModeProduct):
            # The shape of the data follows from the factors.
            feature_shape = [len(A) for A in first.factors]
            self.code_shapes((1, *feature_shape))
        self.feature_shape: Any = None if feature_shape is None else tuple(feature_shape)

    @property
    def factors(self) -> list[Array]:
        return [factor for layer in self.layers for factor in layer.map.factors]

    def with_factors(self, factors: Sequence[Array]) -> Hierarchy:
        remaining = iter(factors)
        return self.with_layers(
            [layer.with_factors([next(remaining) for _ in layer.map.factors]) for layer in self.layers]
        )

    def with_layers(self, layers: Sequence[NNLSLayer]) -> Hierarchy:
        """Return a hierarchy with other layers for data of the same shape; that they fit together is not checked."""
        hierarchy = copy(self)
        hierarchy.layers = list(layers)
        return hierarchy

    def forward(self, X: Any, *, supports: Sequence[Array] | None = None) -> tuple[list[Array], list[LayerTape]]:
        """Compute the codes of all levels.

        Parameters
        ----------
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
            Samples along mode 0.
        supports : sequence of bool arrays, one per level, optional
            The supports from which the searches start.

        Returns
        -------
        codes : list of arrays, `(n, k_l)`
            The codes of all levels, in the dtype of `X`.
        tape : list of LayerTape
            The record of the forward pass, for `backward`.
        """
        data = as_data(X)
        self.check_input(data)
        for layer in self.layers:
            layer.map.check_factors()
        tape = self._solve(data, None if supports is None else self._checked_supports(supports, data))
        return [cast_like(level.S, data.prototype) for level in tape], tape

    def backward(self, tape: Sequence[LayerTape], dcodes: Sequence[Array | None]) -> tuple[Any, list[Array]]:
        """Return the gradients with respect to the input and to all factors.

        Parameters
        ----------
        tape : list of LayerTape
            The record that `forward` returned.
        dcodes : sequence of arrays or None, one per level, `(n, k_l)`
            Gradients with respect to the codes; None is zero.

        Returns
        -------
        dX : array of the shape of `X`
            Gradient with respect to the input; for a sparse `X` a sparse matrix with the gradient at its stored entries.
        dfactors : list of arrays
            Gradients with respect to the factors, in the order of `factors`.
        """
        if len(dcodes) != len(self.layers):
            raise ValueError(f"dcodes must have one entry per level, {len(self.layers)}; got {len(dcodes)}")
        checked: list[Array | None] = []
        for level, (record, dS) in enumerate(zip(tape, dcodes, strict=True)):
            name = f"dcodes[{level}]"
            if dS is not None:
                dS = as_float64(check_real_array(dS, name))  # noqa: PLW2901
                check_same_home({name: dS, "the code": record.S})
                check_shape(dS, name, tuple(record.S.shape), "that of the code")
            checked.append(dS)
        dC, dfactors = self.adjoint_and_factor_gradients(tape, Gradients(checked))
        dX = self.layers[0].map.input_gradient(tape[0].X, dC)
        return tape[0].X.gradient_like(dX), dfactors

    def _checked_supports(self, supports: Any, X: Data) -> list[Array | None]:
        """Return the supports of all levels for the codes of data; raise `TypeError` or `ValueError` if they are none."""
        if not isinstance(supports, list | tuple) or len(supports) != len(self.layers):
            got = len(supports) if isinstance(supports, list | tuple) else type(supports).__name__
            raise ValueError(f"supports must be a list with one entry per level, {len(self.layers)}; got {got}")
        sizes = [(X.shape[0], math.prod(shape[1:])) for shape in self.code_shapes(X.shape)]
        return [
            checked_support(support, f"supports[{level}]", size, "that of the code of the level", X=X.prototype)
            for level, (support, size) in enumerate(zip(supports, sizes, strict=True))
        ]

    def check_input(self, X: Data) -> None:
        self.layers[0].map.check_input(X)
        self.code_shapes(X.shape)

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shapes of the codes of all levels, as tensors, for data of the given shape."""
        shapes: list[tuple[int, ...]] = []
        for level, layer in enumerate(self.layers, start=1):
            if level > 1:
                shape = layer.map.input_shape(shape)
                if not layer.map.fits(shape):
                    raise ValueError(
                        f"layers must fit on each other: level {level - 1} gives codes of shape {shape}, but the factors of "
                        f"level {level} have shapes {[tuple(A.shape) for A in layer.map.factors]}"
                    )
            shape = layer.map.code_shape(shape)
            shapes.append(shape)
        return shapes

    @property
    def n_levels(self) -> int:
        return len(self.layers)

    @property
    def code_sizes(self) -> list[int]:
        return [math.prod(shape[1:]) for shape in self.code_shapes((1, *self.feature_shape))]

    def solve(self, X: Data, start: Sequence[LayerTape] | None = None) -> list[LayerTape]:
        return self._solve(X, None if start is None else [record.support for record in start])

    def warm_start(self, tape: Sequence[LayerTape]) -> list[LayerTape]:
        nothing: Any = None
        return [LayerTape(nothing, nothing, nothing, nothing, record.support, None) for record in tape]

    def _solve(self, X: Data, supports: Sequence[Array | None] | None) -> list[LayerTape]:
        tape: list[LayerTape] = []
        data = X
        for level, layer in enumerate(self.layers):
            if level > 0:
                below = self.layers[level - 1].map.code_shape(data.shape)
                data = DenseData(tape[-1].S.reshape(layer.map.input_shape(below)))
            tape.append(layer.solve(data, None if supports is None else supports[level]))
        return tape

    def codes(self, tape: Sequence[LayerTape]) -> list[Array]:
        return [record.S for record in tape]

    def no_gradients(self, tape: Sequence[LayerTape]) -> Gradients:
        return Gradients([None] * len(tape), [None] * len(tape))

    def squared_errors(self, tape: Sequence[LayerTape], weights: Sequence[float]) -> tuple[float, Gradients]:
        total = 0.0
        gradients = self.no_gradients(tape)
        norm_squared = tape[0].X.norm_squared()
        for level, weight in enumerate(weights, start=1):
            if weight == 0.0:
                continue
            total += self._add_error(gradients, tape, level, weight, norm_squared)
        return total, gradients

    def _add_error(
        self, gradients: Gradients, tape: Sequence[LayerTape], level: int, weight: float, norm_squared: float
    ) -> float:
        """Add the gradients of the error of a level to those of others, and return the error."""
        codes = self.decoded_codes(tape, level)
        gradients.adjoint = add_to(gradients.adjoint, (-2 * weight) * codes[-1])
        error = squared_error(tape[0].G, tape[0].C, codes[-1], norm_squared, weight)
        gradients.gram = add(gradients.gram, error.gram)
        gradients.codes[level - 1], dfactors = self.decode_pullback(tape, codes, error.code)
        for i, dlevel in enumerate(dfactors, start=1):
            sums = gradients.factors[i]
            gradients.factors[i] = dlevel if sums is None else [a + b for a, b in zip(sums, dlevel, strict=True)]
        return error.value

    def layer_errors(self, tape: Sequence[LayerTape], weights: Sequence[float]) -> tuple[float, Gradients]:
        """Return `Σ_l w_l ‖S_{l−1} − M_l(S_l)‖²` and its gradients with respect to the results of the forward pass."""
        total = 0.0
        gradients = self.no_gradients(tape)
        for level, (layer, record, weight) in enumerate(zip(self.layers, tape, weights, strict=True)):
            error = squared_error(record.G, record.C, record.S, record.X.norm_squared(), weight)
            d_adjoint = (-2 * weight) * record.S
            total += error.value
            gradients.codes[level] = add(gradients.codes[level], error.code)
            if level == 0:
                gradients.gram, gradients.adjoint = error.gram, d_adjoint
                continue
            gradients.factors[level] = layer.map.pullback(record.X, error.gram, d_adjoint, record.contracted)
            below = tape[level - 1].S
            model = layer.map.apply(record.S.reshape(layer.map.code_shape(record.X.shape))).reshape(below.shape)
            gradients.codes[level - 1] = add(gradients.codes[level - 1], 2 * weight * (below - model))
        return total, gradients

    def pullback(self, tape: Sequence[LayerTape], gradients: Gradients) -> list[Array]:
        return self.adjoint_and_factor_gradients(tape, gradients)[1]

    def adjoint_and_factor_gradients(
        self, tape: Sequence[LayerTape], gradients: Gradients, penalties: list[tuple[float, float]] | None = None
    ) -> tuple[Array, list[Array]]:
        """Return the gradients with respect to the first level's adjoint `C`, and to all factors; those given are used up.

        The derivatives with respect to the penalties of the layers are appended to `penalties`, last layer first.
        """
        dfactors: list[list[Array]] = []
        dS: Array | None = None
        for level in reversed(range(len(self.layers))):
            layer, record = self.layers[level], tape[level]
            dS = add(gradients.codes[level], dS)
            gradients.codes[level] = None  # each is as large as the codes
            dG, dC = layer.solution_pullback(record, 0 * record.S if dS is None else dS)
            if penalties is not None:
                # The penalties enter as C − λ₁ and G + λ₂I.
                penalties.append((-float(dC.sum()), -float((dC * record.S).sum())))
            if level == 0:
                dS, dG, dC = None, add(dG, gradients.gram), add_to(gradients.adjoint, dC)
            dlevel = layer.map.pullback(record.X, dG, dC, record.contracted)
            direct = gradients.factors[level] if gradients.factors else None
            if direct is not None:
                dlevel = [d + e for d, e in zip(dlevel, direct, strict=True)]
            dfactors.append(dlevel)
            dS = layer.map.input_gradient(record.X, dC).reshape(tape[level - 1].S.shape) if level > 0 else None
        return dC, [factor for level in reversed(dfactors) for factor in level]

    def decoded_codes(self, tape: Sequence[LayerTape], level: int) -> list[Array]:
        """Return the codes of levels `level`, …, 1 (in this order) that the code of `level` (from 1) reconstructs."""
        codes = [tape[level - 1].S]
        for layer, record in reversed(list(zip(self.layers[1:level], tape[1:level], strict=True))):
            code = codes[-1].reshape(layer.map.code_shape(record.X.shape))
            codes.append(layer.map.apply(code).reshape(record.X.shape[0], -1))
        return codes

    @property
    def parameters(self) -> list[Array]:
        return self.factors

    def mapped(self, function: Callable[[Array], Array]) -> Hierarchy:
        return self.with_factors(list(map(function, self.factors)))

    def in_units(self, c: float) -> Hierarchy:
        return self.with_layers([layer.with_penalties(c * layer.l1, layer.l2) for layer in self.layers])

    def encode(self, X: Data, level: int) -> Array:
        return self.up_to(level).solve(X)[level].S

    def up_to(self, level: int) -> Hierarchy:
        """Return the hierarchy of the levels 0, …, `level`."""
        return self.with_layers(self.layers[: level + 1])

    def encode_levels(self, X: Data) -> list[Array]:
        return self.codes(self.solve(X))

    def decode(self, S: Array, level: int) -> Array:
        features = self.feature_shape
        shapes = self.code_shapes((len(S), *features))
        for layer, shape in reversed(list(zip(self.layers[: level + 1], shapes, strict=False))):
            S = layer.map.apply(S.reshape(shape))
        return S.reshape(-1, *features)

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        first, shapes = self.layers[0].map, self.code_shapes(X.shape)
        G, C = first.gram(X), first.adjoint(X, first.contracted(X))
        errors = []
        for level, S in codes.items():
            Z = S
            for layer, shape in reversed(list(zip(self.layers[1 : level + 1], shapes[1:], strict=False))):
                Z = layer.map.apply(Z.reshape(shape))
                Z = Z.reshape(len(Z), -1)
            squared = squared_error(G, C, Z, X.norm_squared(), 1.0).value
            errors.append(squared_residual(squared, X, partial(first.residual_norm_squared, X, Z)))
        return errors

    def profiles(self, level: int, code: Array) -> list[Array]:
        by_mode, weights = self._outer_products(level)
        return rank_one_profiles(code, by_mode) if weights is None else summed_profiles(code, by_mode, weights)

    def unit_sums(self, level: int) -> Array:
        by_mode, weights = self._outer_products(level)
        sums = reduce(mul, [U.sum(0) for U in by_mode])
        return sums if weights is None else sums @ weights

    def _outer_products(self, level: int) -> tuple[list[Array], Array | None]:
        return outer_products([layer.map for layer in self.layers[: level + 1]], self.feature_shape)

    def memberships(self, level: int) -> Array:
        layer = self.layers[level]
        if level == 0:
            k = math.prod(self.code_shapes((1, *self.feature_shape))[0][1:])
            return identity_like(k, self.factors[0])
        if isinstance(layer.map, Dense):
            return layer.map.factors[0]
        compressed = dict(zip(layer.map.modes, layer.map.factors, strict=True))  # type: ignore[attr-defined]
        below = self.code_shapes((1, *self.feature_shape))[level - 1][1:]
        return kronecker([compressed.get(mode, identity_like(d, self.factors[0])) for mode, d in enumerate(below, 1)])

    def cp_factors(self, level: int, code: Array) -> list[Array]:
        first = self.layers[0].map
        if isinstance(first, ModeProduct):
            raise ValueError("cp_tensor needs a CP as the first layer; use tucker_tensor")
        for layer in reversed(self.layers[1 : level + 1]):
            code = layer.map.apply(code)
        return [code, *first.factors]

    def tucker_factors(self, level: int, code: Array) -> tuple[Array, list[Array]]:
        if not isinstance(self.layers[level].map, ModeProduct):
            raise ValueError(f"tucker_tensor needs a Tucker layer, and level {level} is none")
        core = code.reshape(len(code), *self.code_shapes((1, *self.feature_shape))[level][1:])
        return core, [
            identity_like(len(code), code),
            *mode_products([each.map for each in self.layers[: level + 1]], self.feature_shape),
        ]

    def decode_pullback(
        self, tape: Sequence[LayerTape], codes: Sequence[Array], d_base: Array
    ) -> tuple[Array, list[list[Array]]]:
        """Return the gradients of the code of `level` and of the factors of levels 2, …, `level`, from those of the first code."""
        dfactors = []
        gradient = d_base
        for level, code in enumerate(reversed(codes[:-1]), start=1):
            layer, shape = self.layers[level], tape[level].X.shape
            gradient, dlevel = layer.map.apply_pullback(code.reshape(layer.map.code_shape(shape)), gradient)
            dfactors.append(dlevel)
        return gradient, dfactors


def dense_hierarchy(factors: Sequence[Array], *, l1: float = 0.0, l2: float = 0.0) -> Hierarchy:
    """Return the hierarchy of dense layers with these factors and penalties of the codes."""
    return Hierarchy([NNLSLayer(Dense(A), l1=l1, l2=l2) for A in factors])
