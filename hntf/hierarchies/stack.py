"""A stack of layers: codes of codes, and the chain rule through them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hntf.arrays import Array, as_float64, cast_like
from hntf.data import Data, DenseData, as_data
from hntf.hierarchies.base import Model, add
from hntf.hierarchies.squared_error import relative, squared_error
from hntf.layers import LayerTape, NNLSLayer
from hntf.maps import Dense, ModeProduct
from hntf.validation import check_real_array, check_same_home, check_shape


@dataclass
class Gradients:
    """The gradient of a loss with respect to what a forward pass computed.

    Attributes
    ----------
    codes : list of arrays or None, one a level
    factors : list of lists of arrays or None, one a level
        The loss's direct dependence on the factors of a level's map.
    gram, adjoint : array (or gradient of a structured Gram) or None
        The loss's direct dependence on the first level's `G` and `C`.
    """

    codes: list[Array | None]
    factors: list[list[Array] | None] = field(default_factory=list)
    gram: Any = None
    adjoint: Array | None = None


class Hierarchy(Model):
    """A stack of nonnegative least-squares layers: `S_0 = X`, `S_l = q(S_{l−1}, M_l)`.

    Parameters
    ----------
    layers : sequence of NNLSLayer
        From the data up: each one's data are the codes of the one before.

    Attributes
    ----------
    layers : list of NNLSLayer
    factors : list of arrays
        The factors of all levels, one after the other; for matrices `[A_1, …, A_L]`, `A_l` being `(k_{l−1}, k_l)`.

    Raises
    ------
    TypeError, ValueError
        If a layer is no `NNLSLayer`, or a level does not fit on the one below.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> A = [np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([[1.0], [1.0]])]
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(A_l)) for A_l in A])
    >>> codes, tape = hierarchy.forward(np.array([[2.0, 2.0, 4.0]]))
    >>> codes
    [array([[2., 4.]]), array([[3.]])]
    """

    def __init__(self, layers: Sequence[NNLSLayer]) -> None:
        self.layers = list(layers)
        if not self.layers:
            raise ValueError("layers must hold at least one layer, got none")
        for layer in self.layers:
            if not isinstance(layer, NNLSLayer):
                raise TypeError(f"layers must hold hntf.layers.NNLSLayer, got {type(layer).__name__}")
        check_same_home({f"factor {i}": A for i, A in enumerate(self.factors)})
        first = self.layers[0].map
        if not isinstance(first, ModeProduct):
            # Its factors alone tell the shape of the data.
            self.code_shapes((1, *(len(A) for A in first.factors)))

    @property
    def factors(self) -> list[Array]:
        return [factor for layer in self.layers for factor in layer.map.factors]

    def with_factors(self, factors: Sequence[Array]) -> Hierarchy:
        remaining = iter(factors)
        return Hierarchy([layer.with_factors([next(remaining) for _ in layer.map.factors]) for layer in self.layers])

    def forward(self, X: Any, *, supports: Sequence[Array] | None = None) -> tuple[list[Array], list[LayerTape]]:
        """Solve for the codes of all levels.

        Parameters
        ----------
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
        supports : sequence of bool arrays, one a level, optional
            Where to start the searches.

        Returns
        -------
        codes : list of arrays, `(n, k_l)`
            In the dtype of `X`.
        tape : list of LayerTape
            For `backward`.
        """
        data = as_data(X)
        self.check_input(data)
        tape = self._solve(data, supports)
        return [cast_like(level.S, data.prototype) for level in tape], tape

    def backward(self, tape: Sequence[LayerTape], dcodes: Sequence[Array | None]) -> tuple[Any, list[Array]]:
        """Return the gradients with respect to the input and to all factors.

        Parameters
        ----------
        tape : list of LayerTape
            From `forward`.
        dcodes : sequence of arrays or None, one a level, `(n, k_l)`
            Gradients with respect to the codes; None stands for zero.

        Returns
        -------
        dX : array of the shape of `X`; for a sparse `X` a sparse matrix, the gradient with respect to its stored entries
        dfactors : list of arrays
            In the order of `factors`.
        """
        if len(dcodes) != len(self.layers):
            raise ValueError(f"dcodes must have one entry a level, {len(self.layers)}; got {len(dcodes)}")
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
        return cast_like(dX, tape[0].X.prototype), dfactors

    def check_input(self, X: Data) -> None:
        self.layers[0].map.check_input(X)
        self.code_shapes(X.shape)

    def code_shapes(self, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shapes of the codes of all levels, as tensors, for data of a shape."""
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

    def solve(self, X: Data, start: Sequence[LayerTape] | None = None) -> list[LayerTape]:
        return self._solve(X, None if start is None else [record.support for record in start])

    def _solve(self, X: Data, supports: Sequence[Array] | None) -> list[LayerTape]:
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
            codes = self.decode(tape, level)
            error = squared_error(tape[0], codes[-1], norm_squared, weight)
            total += error.value
            gradients.gram = add(gradients.gram, error.gram)
            gradients.adjoint = add(gradients.adjoint, error.adjoint)
            gradients.codes[level - 1], dfactors = self.decode_pullback(tape, codes, error.code)
            for i, dlevel in enumerate(dfactors, start=1):
                sums = gradients.factors[i]
                gradients.factors[i] = dlevel if sums is None else [a + b for a, b in zip(sums, dlevel, strict=True)]
        return total, gradients

    def layer_errors(self, tape: Sequence[LayerTape], weights: Sequence[float]) -> tuple[float, Gradients]:
        """Return `Σ_l w_l ‖S_{l−1} − M_l(S_l)‖²` and its gradients with respect to what the forward pass computed."""
        total = 0.0
        gradients = self.no_gradients(tape)
        for level, (layer, record, weight) in enumerate(zip(self.layers, tape, weights, strict=True)):
            error = squared_error(record, record.S, record.X.norm_squared(), weight)
            total += error.value
            gradients.codes[level] = add(gradients.codes[level], error.code)
            if level == 0:
                gradients.gram, gradients.adjoint = error.gram, error.adjoint
                continue
            gradients.factors[level] = layer.map.pullback(record.X, error.gram, error.adjoint, record.contracted)
            below = tape[level - 1].S
            model = layer.map.apply(record.S.reshape(layer.map.code_shape(record.X.shape))).reshape(below.shape)
            gradients.codes[level - 1] = add(gradients.codes[level - 1], 2 * weight * (below - model))
        return total, gradients

    def relative_errors(self, tape: Sequence[LayerTape]) -> list[float]:
        base = tape[0]
        norm_squared = base.X.norm_squared()
        if norm_squared == 0.0:
            return [0.0] * len(tape)
        errors = []
        for level in range(1, len(tape) + 1):
            Z = self.decode(tape, level)[-1]
            squared = squared_error(base, Z, norm_squared, 1.0).value
            residual = partial(self.layers[0].map.residual_norm_squared, base.X, Z)
            errors.append(relative(squared, norm_squared, residual))
        return errors

    def pullback(self, tape: Sequence[LayerTape], gradients: Gradients) -> list[Array]:
        return self.adjoint_and_factor_gradients(tape, gradients)[1]

    def adjoint_and_factor_gradients(
        self, tape: Sequence[LayerTape], gradients: Gradients, penalties: list[tuple[float, float]] | None = None
    ) -> tuple[Array, list[Array]]:
        """Return the gradients with respect to the first level's adjoint `C`, and to all factors.

        To `penalties` are appended the derivatives with respect to the penalties of every layer, the last one first.
        """
        dfactors: list[list[Array]] = []
        dS: Array | None = None
        for level in reversed(range(len(self.layers))):
            layer, record = self.layers[level], tape[level]
            dS = add(gradients.codes[level], dS)
            dG, dC = layer.solution_pullback(record, 0 * record.S if dS is None else dS)
            if penalties is not None:
                # They enter as C − λ₁ and G + λ₂I.
                penalties.append((-float(dC.sum()), -float((dC * record.S).sum())))
            if level == 0:
                dG, dC = add(dG, gradients.gram), add(dC, gradients.adjoint)
            dlevel = layer.map.pullback(record.X, dG, dC, record.contracted)
            direct = gradients.factors[level] if gradients.factors else None
            if direct is not None:
                dlevel = [d + e for d, e in zip(dlevel, direct, strict=True)]
            dfactors.append(dlevel)
            dS = layer.map.input_gradient(record.X, dC).reshape(tape[level - 1].S.shape) if level > 0 else None
        return dC, [factor for level in reversed(dfactors) for factor in level]

    def decode(self, tape: Sequence[LayerTape], level: int) -> list[Array]:
        """Return the codes of levels `level`, …, 1 (in this order) that the code of `level` (from 1) stands for."""
        codes = [tape[level - 1].S]
        for layer, record in reversed(list(zip(self.layers[1:level], tape[1:level], strict=True))):
            code = codes[-1].reshape(layer.map.code_shape(record.X.shape))
            codes.append(layer.map.apply(code).reshape(record.X.shape[0], -1))
        return codes

    def decode_to_data(self, S: Array, level: int, feature_shape: tuple[int, ...]) -> Array:
        """Return the data `(n, *feature_shape)` that the code `S` of `level` (from 1) stands for."""
        shapes = self.code_shapes((len(S), *feature_shape))
        for layer, shape in reversed(list(zip(self.layers[:level], shapes, strict=False))):
            S = layer.map.apply(S.reshape(shape))
        return S

    def decode_pullback(
        self, tape: Sequence[LayerTape], codes: Sequence[Array], d_base: Array
    ) -> tuple[Array, list[list[Array]]]:
        """Return the gradients with respect to the decoded code and to the factors of levels 2, …, `level`."""
        dfactors = []
        gradient = d_base
        for level, code in enumerate(reversed(codes[:-1]), start=1):
            layer, shape = self.layers[level], tape[level].X.shape
            gradient, dlevel = layer.map.apply_pullback(code.reshape(layer.map.code_shape(shape)), gradient)
            dfactors.append(dlevel)
        return gradient, dfactors


def dense_hierarchy(factors: Sequence[Array], *, l1: float = 0.0, l2: float = 0.0) -> Hierarchy:
    """Return the hierarchy of dense levels with these factors and penalties of the codes."""
    return Hierarchy([NNLSLayer(Dense(A), l1=l1, l2=l2) for A in factors])
