"""Comparison of analytic gradients with central differences, with the distance to the nearest kink.

A nonnegative least-squares solution has no derivative where its support changes. The check records the supports of all problems
that are solved at both points of a difference, so that a mismatch at a kink can be distinguished from an error in the gradient.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hntf.arrays import Array, as_float64, backend_of, from_numpy, is_torch, to_numpy
from hntf.costs import Loss
from hntf.data import DenseData
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import apply_gram, symmetric_outer
from hntf.least_squares.kinks import recording
from hntf.maps import LinearMap
from hntf.models import Hierarchy, Trainable
from hntf.validation import check_number, check_real_array

Checkable = Callable[..., Any] | NNLSLayer | Hierarchy | LinearMap | Loss


@dataclass(frozen=True)
class Worst:
    """The entry with the largest relative error, with its analytic and numeric derivative."""

    input: int
    index: tuple[int, ...]
    analytic: float
    numeric: float
    crosses_kink: bool


@dataclass(frozen=True)
class GradcheckReport:
    """The result of `gradcheck`.

    Attributes
    ----------
    ok : bool
        Whether the error of every entry is at most `rtol`.
    max_rel_error : float
        Largest `|analytic − numeric|`, relative to the largest entry of the gradient with respect to the same input.
    margin : float
        The strict-complementarity margin of all nonnegative least-squares problems solved, that is the distance to the nearest
        kink, in the units of the data; infinite if none was solved.
    worst : Worst
        The input, index and both values of the largest error, and whether a support changes between the two points of its
        difference. If it does, the difference crosses a kink and does not approximate a derivative, so the mismatch is not an
        error in the gradient.
    """

    ok: bool
    max_rel_error: float
    margin: float
    worst: Worst

    @property
    def at_kink(self) -> bool:
        """Whether the check failed at an entry whose difference crosses a kink."""
        return not self.ok and self.worst.crosses_kink

    def __str__(self) -> str:
        worst = self.worst
        verdict = "gradients agree" if self.ok else "KINK, no verdict" if self.at_kink else "GRADIENTS DIFFER"
        return (
            f"{verdict}: largest relative error {self.max_rel_error:.2e} in input {worst.input} at {worst.index} "
            f"(analytic {worst.analytic:.6g}, numeric {worst.numeric:.6g}); margin to the nearest kink {self.margin:.2e}"
        )


def gradcheck(function: Checkable, inputs: Any, *, eps: float = 1e-6, rtol: float = 1e-5) -> GradcheckReport:
    """Compare analytic gradients with central differences.

    Parameters
    ----------
    function : callable, NNLSLayer, Hierarchy, LinearMap or Loss
        What to check, and the inputs with respect to which it is checked:

        - a callable of the inputs that returns `(value, gradients)`, a number and one array per input;
        - a callable of torch tensors that returns one tensor, which is differentiated by autograd;
        - a layer or a hierarchy, with `X` as its input: the gradients with respect to `X` and to all factors;
        - a map, with a code `S` and data `X` as inputs: the pullbacks of its application, its Gram matrix and its adjoint with
          respect to the code, the data and all factors;
        - a loss, with a hierarchy (or another model) and `X` as inputs: the gradients with respect to all factors.

        Outputs that are not scalars are projected on a fixed random direction.
    inputs : array or sequence of arrays
        The point at which to check, as NumPy arrays or torch tensors; computed in float64.
    eps : float
        Half the distance between the two points of a difference, relative to the largest entry of the input.
    rtol : float
        Largest relative error at which the gradients count as equal.

    Returns
    -------
    GradcheckReport
        The largest error and where it occurs, and the distance to the nearest kink.

    Raises
    ------
    TypeError, ValueError
        If `function` is none of the above, or an input is not a finite real array.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> report = hntf.gradcheck(lambda x: ((x**2).sum(), [2 * x]), [np.array([1.0, -3.0])])
    >>> report.ok, report.margin
    (True, inf)
    >>> layer = hntf.layers.NNLSLayer(hntf.maps.Dense(np.array([[1.0, 0.0], [1.0, 1.0]])))
    >>> hntf.gradcheck(layer, np.array([[1.0, 3.0], [2.0, 1.0]])).ok
    True
    """
    check_number(eps, "eps", strict=True)
    check_number(rtol, "rtol", strict=True)
    value_and_grad, arrays = _as_function_of_arrays(function, inputs)
    arrays = [as_float64(check_real_array(x, f"inputs[{i}]")) for i, x in enumerate(arrays)]
    with recording() as here:
        _, gradients = value_and_grad(*arrays)
    if len(gradients) != len(arrays):
        raise ValueError(f"function must return one gradient an input, {len(arrays)}; got {len(gradients)}")
    worst, largest = Worst(0, (), 0.0, 0.0, False), -1.0
    for i, (x, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        analytic = to_numpy(gradient)
        if analytic.shape != tuple(x.shape):
            raise ValueError(f"the gradient of input {i} must have its shape {tuple(x.shape)}, got {analytic.shape}")
        numeric, crossed = _central_differences(value_and_grad, arrays, i, eps)
        scale = max(np.abs(analytic).max(), np.abs(numeric).max(), np.finfo(float).tiny)
        errors = np.abs(analytic - numeric) / scale
        errors[np.isnan(errors)] = np.inf
        at = tuple(int(j) for j in np.unravel_index(np.argmax(errors), errors.shape))
        if errors[at] > largest:
            largest = float(errors[at])
            worst = Worst(i, at, float(analytic[at]), float(numeric[at]), bool(crossed[at]))
    return GradcheckReport(largest <= rtol, largest, here.margin, worst)


def _central_differences(
    value_and_grad: Callable[..., Any], arrays: list[Array], i: int, eps: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the difference of every entry of input `i`, and whether a support changes between its two points."""
    x = to_numpy(arrays[i])
    step = eps * (np.abs(x).max() or 1.0)
    numeric, crossed = np.empty(x.shape), np.empty(x.shape, bool)
    for at in np.ndindex(x.shape):
        values, recorders = [], []
        for sign in (1, -1):
            moved = x.copy()
            moved[at] += sign * step
            with recording() as recorder:
                values.append(float(value_and_grad(*arrays[:i], from_numpy(moved, arrays[i]), *arrays[i + 1 :])[0]))
            recorders.append(recorder)
        numeric[at] = (values[0] - values[1]) / (2 * step)
        crossed[at] = recorders[0].crossed(recorders[1])
    return numeric, crossed


def _as_function_of_arrays(function: Checkable, inputs: Any) -> tuple[Callable[..., Any], list[Array]]:
    """Return a function of arrays only that returns `(value, gradients)`, and the arrays."""
    arrays = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if isinstance(function, Loss):
        return _loss_function(function, arrays)
    if isinstance(function, LinearMap):
        return _map_function(function, arrays)
    if isinstance(function, NNLSLayer):
        return _hierarchy_function(Hierarchy([function]), arrays)
    if isinstance(function, Hierarchy):
        return _hierarchy_function(function, arrays)
    if not callable(function):
        raise TypeError(f"function must be a callable, layer, hierarchy, map or loss; got {type(function).__name__}")
    return _user_function(function), arrays


def _direction(x: Array, seed: int = 0) -> Array:
    """Return a fixed random direction of the shape of `x`, with entries of both signs that are not small."""
    direction = np.random.default_rng(seed).uniform(-1.0, 1.0, tuple(x.shape))
    return from_numpy(direction + np.sign(direction), x)


def _user_function(function: Callable[..., Any]) -> Callable[..., Any]:
    def value_and_grad(*arrays: Array) -> tuple[Any, Sequence[Array]]:
        leaves = [x.detach().clone().requires_grad_() if is_torch(x) else x for x in arrays]
        result = function(*leaves)
        if isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], tuple | list):
            return result[0], result[1]
        if not is_torch(result) or result.grad_fn is None:
            raise TypeError("function must return (value, gradients), or one torch tensor that autograd can follow")
        value = (result * _direction(result)).sum() if result.ndim else result
        zeros_where_unused = sys.modules["torch"].autograd.grad(
            value, leaves, allow_unused=True, materialize_grads=True
        )
        return float(value), zeros_where_unused

    return value_and_grad


def _hierarchy_function(hierarchy: Hierarchy, arrays: list[Array]) -> tuple[Callable[..., Any], list[Array]]:
    if len(arrays) != 1:
        raise ValueError(f"inputs must hold X alone, got {len(arrays)} inputs")

    def value_and_grad(X: Array, *factors: Array) -> tuple[float, list[Array]]:
        moved = hierarchy.with_factors(factors)
        codes, tape = moved.forward(X)
        directions = [_direction(S) for S in codes]
        value = sum(float((S * D).sum()) for S, D in zip(codes, directions, strict=True))
        dX, dfactors = moved.backward(tape, directions)
        return value, [dX, *dfactors]

    return value_and_grad, [*arrays, *hierarchy.factors]


def _map_function(linear_map: LinearMap, arrays: list[Array]) -> tuple[Callable[..., Any], list[Array]]:
    if len(arrays) != 2:
        raise ValueError(f"inputs must hold a code S and data X, got {len(arrays)} inputs")

    def value_and_grad(S: Array, X: Array, *factors: Array) -> tuple[float, list[Array]]:
        moved, data = linear_map.with_factors(factors), DenseData(X)
        contracted = moved.contracted(data)
        G, C, model = moved.gram(data), moved.adjoint(data, contracted), moved.apply(S)
        # The Gram matrix is checked by its action on a fixed code, because it may be too large to be formed.
        code = _direction(C)
        image, dimage = apply_gram(G, code), _direction(C, seed=1)
        dG, dC, dmodel = symmetric_outer(dimage, code, G), _direction(C), _direction(model)
        tl = backend_of(S)
        value = float(tl.sum(image * dimage) + tl.sum(C * dC) + tl.sum(model * dmodel))
        dS, from_model = moved.apply_pullback(S, dmodel)
        from_products = moved.pullback(data, dG, dC, contracted)
        dfactors = [a + b for a, b in zip(from_model, from_products, strict=True)]
        return value, [dS.reshape(S.shape), moved.input_gradient(data, dC), *dfactors]

    return value_and_grad, [*arrays, *linear_map.factors]


def _loss_function(loss: Loss, inputs: list[Any]) -> tuple[Callable[..., Any], list[Array]]:
    if len(inputs) < 2 or not isinstance(inputs[0], Trainable):
        raise ValueError("inputs must hold a hierarchy and X (and what else value_and_grad takes)")
    hierarchy, *data = inputs

    def value_and_grad(*factors: Array) -> tuple[float, list[Array]]:
        return loss.value_and_grad(hierarchy.with_factors(factors), *data)

    return value_and_grad, hierarchy.factors
