"""What can be checked, as functions of arrays that return a value and its gradients."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.arrays import Array, as_float64, backend_of, from_numpy, is_torch, to_numpy
from hntf.costs import Energy, Loss
from hntf.data import Data, DenseData
from hntf.gradient_check.rounding import sizes
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import apply_gram, symmetric_outer
from hntf.maps import LinearMap
from hntf.models import Hierarchy, Trainable

Checkable = Callable[..., Any] | NNLSLayer | Hierarchy | LinearMap | Trainable | Loss


OUTSIDE = (ValueError, ArithmeticError, RuntimeError)
"""What a function may raise where it is not defined."""


class Function(NamedTuple):
    """A function of arrays.

    Attributes
    ----------
    value_and_grad : callable
        `value_and_grad(left_out, *arrays)` returns the value without some samples, and the gradients.
    arrays : list of arrays
        The point at which it is checked.
    n_samples : int
        Number of samples that can be left out, 0 if the function does not tell them apart.
    by_rows : tuple of int
        The inputs that have a row for each sample, if it is not known whether samples depend on each other.
    """

    value_and_grad: Callable[..., Any]
    arrays: list[Array]
    n_samples: int = 0
    by_rows: tuple[int, ...] = ()

    def can_leave_out(self, samples: frozenset[int]) -> bool:
        """Tell whether the value without some samples does not depend on them."""
        if not 0 < len(samples) < self.n_samples:
            return False
        if not self.by_rows:
            return True
        _, gradients = self.value_and_grad(samples, *self.arrays)
        return not any(bool((gradients[i][sorted(samples)] != 0).any()) for i in self.by_rows)

    def value(self, left_out: frozenset[int], *arrays: Array) -> float:
        """Return the value alone, beside the point at which the function is checked; NaN where it is not defined."""
        try:
            return float(self.value_and_grad(left_out, *arrays)[0])
        except OUTSIDE:
            return np.nan


def as_function(function: Checkable, inputs: Any, order: int) -> Function:
    """Return what is checked as a function of arrays; raise `TypeError` or `ValueError` if it cannot be."""
    points = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    arrays = [x.detach() if is_torch(x) else x for x in points]
    if order == 2 and not _is_of_torch(function, arrays):
        raise TypeError(
            "order must be 1 except for callables and modules of torch, whose gradients autograd can follow"
        )
    if isinstance(function, Loss):
        return _of_loss(function, arrays)
    if isinstance(function, LinearMap):
        return _of_map(function, arrays)
    if isinstance(function, NNLSLayer | Hierarchy):
        return _of_layers(function, arrays)
    if isinstance(function, Trainable):
        return _of_loss(Energy(), [function, *arrays])
    if not callable(function):
        raise TypeError(
            f"function must be a callable, module, layer, hierarchy, map, loss, or a model that is trained by gradients; got "
            f"{type(function).__name__}"
        )
    called, arrays = _with_fixed_integers(function, arrays)
    if _is_module(called):
        return _of_module(called, arrays, order)
    return _of_callable(called, arrays, order)


def _with_fixed_integers(function: Any, arrays: list[Any]) -> tuple[Any, list[Any]]:
    """Return a function of the tensors of floating-point numbers alone; those of integers and booleans have no gradient."""
    fixed = {i: x for i, x in enumerate(arrays) if is_torch(x) and not x.dtype.is_floating_point}
    for i, x in fixed.items():
        if x.is_complex():
            raise TypeError(f"inputs[{i}] must hold real numbers, got {x.dtype}")
    if not fixed:
        return function, arrays
    if len(fixed) == len(arrays) and not _is_module(function):
        raise TypeError("inputs must hold a tensor of floating-point numbers, which alone have a gradient")
    torch = sys.modules["torch"]

    def with_integers(call: Callable[..., Any], moved: Sequence[Any]) -> Any:
        rest = iter(moved)
        return call(*(fixed[i] if i in fixed else next(rest) for i in range(len(arrays))))

    remaining = [x for i, x in enumerate(arrays) if i not in fixed]
    if not _is_module(function):
        return lambda *moved: with_integers(function, moved), remaining

    class Remaining(torch.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.module = function

        def forward(self, *moved: Any) -> Any:
            return with_integers(self.module, moved)

    return Remaining(), remaining


def _is_module(function: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, torch.nn.Module)


def _is_of_torch(function: Any, arrays: Sequence[Any]) -> bool:
    known = isinstance(function, Loss | LinearMap | NNLSLayer | Trainable)
    return callable(function) and not known and all(map(is_torch, arrays))


def _of_module(module: Any, arrays: list[Array], order: int) -> Function:
    torch = sys.modules["torch"]
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    parameters = dict(module.named_parameters())
    # Buffers and parameters that are not trained take part in double precision, too.
    fixed = {
        name: x.detach().double() if x.is_floating_point() else x.detach()
        for name, x in [*module.named_buffers(), *module.named_parameters()]
        if name not in names
    }

    def function(*tensors: Any) -> Any:
        moved = dict(zip(names, tensors[len(arrays) :], strict=True))
        # Copies, since a module may update its buffers.
        unmoved = {name: x.clone() for name, x in fixed.items()}
        # A module returns outputs, and not a value with its gradients.
        return [torch.func.functional_call(module, {**unmoved, **moved}, tensors[: len(arrays)])]

    return _of_callable(function, [*arrays, *(parameters[name].detach() for name in names)], order)


class _Directions:
    """Fixed random directions on which outputs are projected, with entries of both signs.

    An entry is as large as the inverse of that of the output at the first point, or of those beside it, so that no output hides
    another in rounding.
    """

    def __init__(self) -> None:
        self._known: dict[int, np.ndarray] = {}

    def __call__(self, output: Array, number: int = 0) -> Array:
        """Return the direction of an output, which is known by its number."""
        if number not in self._known:
            direction = np.random.default_rng(number).uniform(-1.0, 1.0, tuple(output.shape))
            self._known[number] = np.asarray((direction + np.sign(direction)) / sizes(to_numpy(output)))
        return from_numpy(self._known[number].copy(), output)


def _of_callable(function: Callable[..., Any], arrays: list[Array], order: int) -> Function:
    """Return a callable of a user; samples are told apart if all outputs and an input have a row for each."""
    checked = Function(_user_function(function, order), arrays)
    if order == 2 or not all(map(is_torch, arrays)):
        return checked
    result = function(*map(as_float64, arrays))
    if _is_value_and_gradients(result):
        return checked
    lengths = {len(output) if output.ndim else 0 for output in _tensors(result)}
    n_samples = lengths.pop() if len(lengths) == 1 else 0
    by_rows = tuple(i for i, x in enumerate(arrays) if x.ndim and len(x) == n_samples)
    return checked._replace(n_samples=n_samples, by_rows=by_rows) if n_samples > 1 and by_rows else checked


def _user_function(function: Callable[..., Any], order: int) -> Callable[..., Any]:
    direction = _Directions()

    def value_and_grad(left_out: frozenset[int], *arrays: Array) -> tuple[Any, Sequence[Array]]:
        leaves = [x.detach().clone().requires_grad_() if is_torch(x) else x for x in arrays]
        result = function(*leaves)
        if _is_value_and_gradients(result):
            return result
        outputs = list(_tensors(result))
        if not any(output.requires_grad for output in outputs):
            raise TypeError("function must return (value, gradients), or torch tensors that autograd can follow")
        if len(outputs) == 1 and outputs[0].ndim == 0:
            value = outputs[0]
        else:
            directions = [_without(direction(output, i), left_out) for i, output in enumerate(outputs)]
            value = sum((output * D).sum() for output, D in zip(outputs, directions, strict=True))
        if order == 2:
            slopes = _gradients(value, leaves, create_graph=True)
            numbers = range(len(outputs), len(outputs) + len(slopes))
            value = sum((slope * direction(slope, i)).sum() for i, slope in zip(numbers, slopes, strict=True))
        if not value.requires_grad:
            return float(value.detach()), [0 * x for x in leaves]
        return float(value.detach()), _gradients(value, leaves)

    return value_and_grad


def _is_value_and_gradients(result: Any) -> bool:
    """Tell a number with a sequence of gradients from several outputs."""
    is_pair = isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], tuple | list)
    return is_pair and np.ndim(result[0].detach() if is_torch(result[0]) else result[0]) == 0


def _tensors(result: Any) -> Iterator[Any]:
    """Yield the tensors of floating-point numbers in an output, which may be nested in tuples, lists and dictionaries."""
    if is_torch(result):
        if result.dtype.is_floating_point:
            yield result
    elif isinstance(result, dict):
        yield from _tensors(list(result.values()))
    elif isinstance(result, tuple | list):
        for part in result:
            yield from _tensors(part)
    else:
        raise TypeError(f"function must return (value, gradients) or torch tensors, got {type(result).__name__}")


def _gradients(value: Any, leaves: Sequence[Any], *, create_graph: bool = False) -> Sequence[Any]:
    """Return the gradients of a tensor by autograd, zero where a leaf is not used."""
    grad = sys.modules["torch"].autograd.grad
    return grad(value, leaves, create_graph=create_graph, allow_unused=True, materialize_grads=True)


def _of_layers(layers: Any, arrays: list[Any]) -> Function:
    if len(arrays) != 1:
        raise ValueError(f"inputs must hold X alone, got {len(arrays)} inputs")
    (X,) = arrays
    # Data objects, such as weighted data, are not moved.
    is_fixed = isinstance(X, Data)
    sparse = X.tocsr() if scipy.sparse.issparse(X) else None
    factors = layers.factors if isinstance(layers, Hierarchy) else layers.map.factors
    direction = _Directions()

    def value_and_grad(left_out: frozenset[int], *moving: Array) -> tuple[float, list[Array]]:
        entries, factors = (X, moving) if is_fixed else (moving[0], moving[1:])
        moved = layers.with_factors(factors)
        data = (
            entries
            if sparse is None
            else scipy.sparse.csr_array((entries, sparse.indices, sparse.indptr), sparse.shape)
        )
        codes, tape = moved.forward(data)
        codes = codes if isinstance(codes, list) else [codes]
        directions = [_without(direction(S, level), left_out) for level, S in enumerate(codes)]
        value = sum(float((S * D).sum()) for S, D in zip(codes, directions, strict=True))
        dX, dfactors = moved.backward(tape, directions if isinstance(moved, Hierarchy) else directions[0])
        of_entries = [] if is_fixed else [dX if sparse is None else _stored(dX, data)]
        return value, [*of_entries, *dfactors]

    entries = [] if is_fixed else [X if sparse is None else sparse.data]
    return Function(value_and_grad, [*entries, *factors], X.shape[0] if hasattr(X, "shape") else len(X))


def _without(direction: Array, left_out: frozenset[int]) -> Array:
    """Set the rows of some samples to zero."""
    for i in left_out:
        direction[i] = 0
    return direction


def _stored(gradient: Any, X: Any) -> np.ndarray:
    """Return the entries of a sparse gradient at the stored entries of `X`, in their order."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    return np.asarray(gradient.tocsr()[rows, X.indices]).ravel()


def _of_map(linear_map: LinearMap, arrays: list[Array]) -> Function:
    if len(arrays) != 2:
        raise ValueError(f"inputs must hold a code S and data X, got {len(arrays)} inputs")
    direction = _Directions()

    def value_and_grad(left_out: frozenset[int], S: Array, X: Array, *factors: Array) -> tuple[float, list[Array]]:
        moved, data = linear_map.with_factors(factors), DenseData(X)
        contracted = moved.contracted(data)
        G, C, model = moved.gram(data), moved.adjoint(data, contracted), moved.apply(S)
        # The Gram matrix is checked by its action on a fixed code, because it may be too large to be formed.
        code = direction(C, 0)
        image = apply_gram(G, code)
        dimage, dC, dmodel = direction(image, 1), direction(C, 2), direction(model, 3)
        dG = symmetric_outer(dimage, code, G)
        tl = backend_of(S)
        value = float(tl.sum(image * dimage) + tl.sum(C * dC) + tl.sum(model * dmodel))
        dS, from_model = moved.apply_pullback(S, dmodel)
        from_products = moved.pullback(data, dG, dC, contracted)
        dfactors = [a + b for a, b in zip(from_model, from_products, strict=True)]
        return value, [dS.reshape(S.shape), moved.input_gradient(data, dC), *dfactors]

    return Function(value_and_grad, [*arrays, *linear_map.factors])


def _of_loss(loss: Loss, inputs: list[Any]) -> Function:
    if len(inputs) < 2 or not isinstance(inputs[0], Trainable):
        raise ValueError("inputs must hold a hierarchy and X (and what else value_and_grad takes)")
    hierarchy, *data = inputs

    def value_and_grad(left_out: frozenset[int], *factors: Array) -> tuple[float, list[Array]]:
        return loss.value_and_grad(hierarchy.with_factors(factors), *data)

    return Function(value_and_grad, hierarchy.factors)
