"""A Numba type for eight numbers that the processor handles as one, and access to arrays that is the same for one and for eight.

Small systems are too short to fill a vector register. Of eight that are interleaved in memory, the same entry of all is one
register, and every step is taken for all at once (Dongarra et al. 2017, *The design and performance of batched BLAS on modern
high-performance computing systems*). A kernel that reads by `load` and writes by `store` works on a single system, in an array
`(n,)`, as on eight, in an array `(n, 8)`. None of these functions checks whether an index is negative, as Numba does.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.errors import TypingError
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
"""Number of systems that are interleaved: as many as doubles in the widest registers."""

_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_INDEX = ir.IntType(32)


class Lanes(types.Type):
    """The type of eight numbers."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Lanes) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _contiguous(array: types.Array) -> types.Array:
    """Return the type of an array; refuse one that is not in order in memory, as these functions take for granted."""
    if array.layout != "C":
        raise TypingError(f"the array must be C-contiguous, got {array}")
    return array


def _element(array: types.Array) -> types.Type:
    """Return the type of an element: a number of an array `(n,)`, eight numbers of an array `(n, 8)`."""
    return types.float64 if _contiguous(array).ndim == 1 else lanes


def _pointer(context: Any, builder: Any, array_type: types.Array, array: Any, i: Any) -> Any:
    if array_type.ndim == 1:
        return builder.gep(context.make_array(array_type)(context, builder, array).data, [i])
    return _pointer_to_eight(context, builder, array_type, array, builder.mul(i, ir.Constant(i.type, LANES)))


def _load(builder: Any, pointer: Any) -> Any:
    value = builder.load(pointer)
    # Arrays are aligned to a number, not to eight of them.
    value.align = 8
    return value


def _pointer_to_eight(context: Any, builder: Any, array_type: types.Array, array: Any, i: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), _VECTOR.as_pointer())


@intrinsic
def load(context, array, i):  # type: ignore[no-untyped-def]
    """Return the element `i` of an array `(n,)` or `(n, 8)`."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _load(builder, _pointer(context, builder, signature.args[0], *arguments))

    return _element(array)(array, types.intp), generate


@intrinsic
def store(context, array, i, value):  # type: ignore[no-untyped-def]
    """Write the element `i` of an array `(n,)` or `(n, 8)`."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, i, value = arguments
        builder.store(value, _pointer(context, builder, signature.args[0], array, i)).align = 8
        return context.get_dummy_value()

    return types.void(array, types.intp, _element(array)), generate


@intrinsic
def entry(context, array, i):  # type: ignore[no-untyped-def]
    """Return the entry `i` of a contiguous array, in the order of memory."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, i = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        return context.unpack_value(builder, signature.return_type, builder.gep(data, [i]))

    return array.dtype(_contiguous(array), types.intp), generate


@intrinsic
def set_entry(context, array, i, number):  # type: ignore[no-untyped-def]
    """Write the entry `i` of a contiguous array, in the order of memory."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, i, number = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        context.pack_value(builder, signature.args[2], number, builder.gep(data, [i]))
        return context.get_dummy_value()

    return types.void(_contiguous(array), types.intp, array.dtype), generate


@intrinsic
def load_eight(context, array, i):  # type: ignore[no-untyped-def]
    """Return the entries `i … i + 7` of a contiguous array, in the order of memory."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _load(builder, _pointer_to_eight(context, builder, signature.args[0], *arguments))

    return lanes(_contiguous(array), types.intp), generate


@intrinsic
def store_eight(context, array, i, value):  # type: ignore[no-untyped-def]
    """Write the entries `i … i + 7` of a contiguous array, in the order of memory."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array, i, value = arguments
        builder.store(value, _pointer_to_eight(context, builder, signature.args[0], array, i)).align = 8
        return context.get_dummy_value()

    return types.void(_contiguous(array), types.intp, lanes), generate


@intrinsic
def filled(context, array, number):  # type: ignore[no-untyped-def]
    """Return an element of an array `(n,)` or `(n, 8)` with the same number in it everywhere."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        number = arguments[1]
        return number if signature.return_type != lanes else _eight_times(builder, number)

    return _element(array)(array, types.float64), generate


@intrinsic
def eight_times(context, number):  # type: ignore[no-untyped-def]
    """Return eight times the same number."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _eight_times(builder, arguments[0])

    return lanes(types.float64), generate


@intrinsic
def sum_of_eight(context, eight):  # type: ignore[no-untyped-def]
    """Return the sum of eight numbers, by halves."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        (vector,) = arguments
        width = LANES
        while width > 1:
            width //= 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            half = ir.VectorType(_INDEX, width)
            left, right = (
                builder.shuffle_vector(vector, undefined, ir.Constant(half, [*range(first, first + width)]))
                for first in (0, width)
            )
            vector = builder.fadd(left, right)
        return builder.extract_element(vector, ir.Constant(_INDEX, 0))

    return types.float64(eight), generate


def _eight_times(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


@intrinsic
def square_root(context, x):  # type: ignore[no-untyped-def]
    """Return the square root of a number or of eight."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _call(builder, "sqrt", arguments)

    return x(x), generate


@intrinsic
def with_sign_of(context, size, x):  # type: ignore[no-untyped-def]
    """Return numbers of the size of the first and with the sign of the second."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _call(builder, "copysign", arguments)

    return size(size, x), generate


def _call(builder: Any, name: str, arguments: Any) -> Any:
    """Call a function that the processor has."""
    value = arguments[0].type
    full_name = f"llvm.{name}.{'f64' if value == _DOUBLE else f'v{LANES}f64'}"
    function = get_or_insert_function(builder.module, ir.FunctionType(value, [value] * len(arguments)), full_name)
    return builder.call(function, arguments)


def _arithmetic(function: Callable[..., Any], emit: Callable[..., Any]) -> None:
    """Define an operator between eight numbers and eight others."""

    @infer_global(function)
    class _Template(AbstractTemplate):
        def generic(self, arguments: Any, keywords: Any) -> Any:
            return signature(lanes, *arguments) if tuple(arguments) == (lanes, lanes) else None

    @lower_builtin(function, Lanes, Lanes)
    def _lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # A product and a sum may be one instruction, as in every kernel.
        return emit(builder, *arguments, flags=("contract",))


_arithmetic(operator.add, ir.IRBuilder.fadd)
_arithmetic(operator.sub, ir.IRBuilder.fsub)
_arithmetic(operator.mul, ir.IRBuilder.fmul)
_arithmetic(operator.truediv, ir.IRBuilder.fdiv)
