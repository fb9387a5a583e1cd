"""The public check, which goes over the entries of all inputs."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from hntf.arrays import Array, as_float64, from_numpy, to_numpy
from hntf.gradient_check.comparison import RESOLUTION, Comparison
from hntf.gradient_check.derivative import Derivative, derivative
from hntf.gradient_check.functions import Checkable, Function, as_function
from hntf.gradient_check.report import GradcheckReport, Worst
from hntf.gradient_check.rounding import coarse_rounding_of, rounding_of, sizes
from hntf.least_squares.kinks import KinkRecorder, recording
from hntf.validation import check_number, check_real_array

NEARBY = 1e-2
"""Distance, relative to the size of an entry, of the point beside a kink at which entries are judged instead."""

FARTHEST = 1e3
"""Step, relative to the largest entry of an input, up to which a function that small steps leave as it is is asked again."""


def gradcheck(
    function: Checkable, inputs: Any, *, eps: float = 1e-5, rtol: float = 1e-5, order: int = 1
) -> GradcheckReport:
    """Compare analytic gradients with central differences.

    Every entry is judged by itself, by its own size and by what its differences can resolve, which two step lengths and the
    rounding of the function tell; what they cannot resolve is counted, not judged. Of layers and hierarchies the samples at a
    kink are left out, and all entries are judged by the other samples. Other entries whose differences cross a kink have no
    derivative: they are judged by the gradients at a point nearby, so that a kink of one sample hides nothing about the others,
    and left out if they are at a kink there too. An input of which nothing could be judged has no verdict, and `ok` is false.

    Parameters
    ----------
    function : callable, Module, NNLSLayer, Hierarchy, LinearMap, trainable model or Loss
        What to check, and the inputs with respect to which it is checked:

        - a callable of the inputs that returns `(value, gradients)`, a number and one array per input;
        - a callable of torch tensors that returns tensors, which are differentiated by autograd;
        - a torch module, with its inputs: the gradients with respect to the inputs, but for those of integers, and to all
          parameters;
        - a layer or a hierarchy, with `X` as its input, which may be a sparse matrix: the gradients with respect to `X` (its
          stored entries) and to all factors; of a data object, such as `as_data(X, weights=W)`, to the factors alone;
        - a map, with a code `S` and data `X` as inputs: the pullbacks of its application, its Gram matrix and its adjoint with
          respect to the code, the data and all factors;
        - a loss, with a model, `X` and what else `value_and_grad` takes as inputs: the gradients with respect to all factors;
        - another model that is trained by gradients, as `model_` of the neural estimators, with `X`: those of the sum of its
          squared errors.

        Outputs that are not scalars are projected on a fixed random direction, in which all entries weigh about the same.
    inputs : array or sequence of arrays
        The point at which to check, as NumPy arrays or torch tensors; computed in float64.
    eps : float
        The largest step, relative to the size of an entry or of those beside it. Smaller ones are tried where the differences
        do not agree or cross a kink.
    rtol : float
        Largest relative error at which an entry counts as equal.
    order : {1, 2}
        The order of the derivatives. 2 checks the derivatives of the gradient in a fixed random direction, of torch callables and
        modules only.

    Returns
    -------
    GradcheckReport
        The largest error and where it occurs, what was left out, and the distance to the nearest kink.

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
    if order not in (1, 2):
        raise ValueError(f"order must be 1 or 2, got {order!r}")
    checked = as_function(function, inputs, order)
    arrays = [_checked_input(x, f"inputs[{i}]") for i, x in enumerate(checked.arrays)]
    left_out: frozenset[int] = frozenset()
    entries, margin = _compare(checked, arrays, left_out, eps, rtol)
    samples = frozenset().union(*(entry.samples for entry in entries))
    if checked._replace(arrays=arrays).can_leave_out(samples):
        left_out = samples
        entries, margin = _compare(checked, arrays, left_out, eps, rtol)
    judged: dict[Any, _Entry] = {}
    if places := _without_verdict(entries):
        nearby, _ = _compare(checked, list(map(_beside, arrays)), left_out, eps, rtol, places)
        judged = {entry.place: entry for entry in nearby if entry.is_answered}
        entries = [judged.get(entry.place, entry) for entry in entries]
    return _report(entries, len(arrays), rtol, margin, left_out, n_nearby=len(judged))


def _without_verdict(entries: list[_Entry]) -> set[tuple[int, tuple[int, ...]]]:
    """Return where to ask nearby: at kinks, and in inputs of which nothing is resolved, such as `x³` at 0."""
    answered = _answered(entries)
    return {
        entry.place
        for entry in entries
        if entry.verdict == "at a kink" or (entry.verdict == "unresolved" and entry.values.input not in answered)
    }


def _answered(entries: list[_Entry]) -> set[int]:
    """Return the inputs of which an entry has a verdict."""
    return {entry.values.input for entry in entries if entry.is_answered}


def _beside(x: Array) -> Array:
    """Return a point near `x` that is none of those special ones where functions have kinks; no entry changes its sign."""
    host = to_numpy(x)
    moved = host + NEARBY * np.random.default_rng(0).uniform(0.5, 1.0, host.shape) * sizes(host) * np.where(
        host < 0, -1, 1
    )
    return from_numpy(np.asarray(moved), x)


def _checked_input(x: Any, name: str) -> Array:
    """Return an input, which may be a number or empty, in float64."""
    shape = getattr(x, "shape", None)
    if shape == ():
        return as_float64(check_real_array(x.reshape(1), name)).reshape(())
    return as_float64(x if shape is not None and 0 in shape else check_real_array(x, name))


def _compare(
    function: Function,
    arrays: list[Array],
    left_out: frozenset[int],
    eps: float,
    rtol: float,
    only: set[tuple[int, tuple[int, ...]]] | None = None,
) -> tuple[list[_Entry], float]:
    """Return the verdicts on all entries or `only` on some, without some samples, and the distance to the nearest kink."""
    with recording() as here:
        value, gradients = function.value_and_grad(left_out, *arrays)
    if len(gradients) != len(arrays):
        raise ValueError(f"function must return one gradient an input, {len(arrays)}; got {len(gradients)}")
    value = float(value)
    point = [to_numpy(x) for x in arrays]

    def value_at(inputs: list[np.ndarray]) -> float:
        return function.value(left_out, *map(from_numpy, inputs, arrays))

    roundings = rounding_of(value_at, point, value), coarse_rounding_of(value_at, point)
    measured: list[_Measured] = []
    for i, (x, gradient) in enumerate(zip(arrays, gradients, strict=True)):
        analytic = to_numpy(gradient)
        if analytic.shape != tuple(x.shape):
            raise ValueError(f"the gradient of input {i} must have its shape {tuple(x.shape)}, got {analytic.shape}")
        steps = eps * sizes(to_numpy(x))
        farthest = FARTHEST * (float(abs(to_numpy(x)).max(initial=0.0)) or 1.0)
        for at in np.ndindex(analytic.shape):
            if only is not None and (i, at) not in only:
                continue
            expected, step = float(analytic[at]), float(steps[at])
            numeric = _derivative(
                function,
                arrays,
                i,
                at,
                left_out,
                Comparison(value, step, eps * abs(float(to_numpy(x)[at])), farthest, expected, rtol, *roundings),
            )
            measured.append(_Measured(Worst(i, at, expected, numeric.value), numeric, step / eps))
    unit = min(abs(value), max((entry.resolved_change for entry in measured), default=0.0))
    return [_judged(entry, rtol, unit) for entry in measured], here.margin


class _Measured(NamedTuple):
    """An entry with its derivative by differences, and the size of the input there."""

    values: Worst
    numeric: Derivative
    size: float

    @property
    def resolved_change(self) -> float:
        """How much the function changes, at least, with the input relative to its size."""
        resolved = (abs(self.numeric.value) - RESOLUTION * self.numeric.error) * self.size
        return resolved if resolved > 0 else 0.0


class _Entry(NamedTuple):
    """An entry with its error and verdict, and the samples whose support changed."""

    values: Worst
    error: float
    verdict: Literal["judged", "negligible", "at a kink", "unresolved"]
    samples: frozenset[int]

    @property
    def place(self) -> tuple[int, tuple[int, ...]]:
        """The input and the index."""
        return self.values.input, self.values.index

    @property
    def is_answered(self) -> bool:
        """Whether there is a verdict."""
        return self.verdict in ("judged", "negligible")


def _judged(entry: _Measured, rtol: float, unit: float) -> _Entry:
    """Return the verdict on an entry; `unit` is a change of the function.

    A derivative is resolved if its differences tell `rtol` of it. One of which they tell less is negligible if they tell `rtol` of
    the unit, such as a derivative that is zero but for rounding.
    """
    values, numeric = entry.values, entry.numeric
    if numeric.crossed and np.isfinite(values.analytic):
        return _Entry(values, 0.0, "at a kink", numeric.samples)
    error = _relative_error(values.analytic, numeric, rtol)
    size = max(abs(values.analytic), abs(numeric.value))
    if error > rtol or RESOLUTION * numeric.error <= rtol * size:
        return _Entry(values, error, "judged", frozenset())
    negligible = not numeric.hidden and RESOLUTION * numeric.error <= rtol * unit / entry.size
    return _Entry(values, error, "negligible" if negligible else "unresolved", frozenset())


def _relative_error(analytic: float, numeric: Derivative, rtol: float) -> float:
    """Return the error of an entry, at most `rtol` if the error of the differences explains it."""
    if not np.isfinite(analytic):
        return np.inf
    if not np.isfinite(numeric.error):
        return 0.0  # no difference exists, and nothing is resolved
    size = max(abs(analytic), abs(numeric.value)) + RESOLUTION * numeric.error / rtol
    return abs(analytic - numeric.value) / size if size > 0 else 0.0


def _report(
    entries: list[_Entry], n_inputs: int, rtol: float, margin: float, left_out: frozenset[int], *, n_nearby: int
) -> GradcheckReport:
    """Return the report on the entries of all inputs."""
    judged = [entry for entry in entries if entry.verdict == "judged"]
    verdicts = [entry.verdict for entry in entries]
    answered = _answered(entries)
    worst = max(
        judged, key=lambda entry: entry.error, default=_Entry(Worst(0, (), 0.0, 0.0), 0.0, "judged", frozenset())
    )
    # Inputs without entries are left out, but for the case that there are no others.
    with_entries = {entry.values.input for entry in entries} or set(range(n_inputs))
    not_judged = tuple(sorted(with_entries - answered))
    return GradcheckReport(
        ok=bool(answered) and not not_judged and worst.error <= rtol,
        max_rel_error=worst.error,
        rtol=rtol,
        margin=margin,
        worst=worst.values,
        n_judged=len(judged),
        n_at_kinks=verdicts.count("at a kink"),
        n_unresolved=verdicts.count("unresolved") + verdicts.count("negligible"),
        inputs_not_judged=not_judged,
        samples_at_kinks=tuple(sorted(left_out)),
        n_nearby=n_nearby,
    )


def _derivative(
    function: Function,
    arrays: list[Array],
    i: int,
    at: tuple[int, ...],
    left_out: frozenset[int],
    comparison: Comparison,
) -> Derivative:
    """Return the derivative with respect to one entry by differences."""

    def moved(distance: float) -> float:
        x = to_numpy(arrays[i]).copy()
        x[at] += distance
        return function.value(left_out, *arrays[:i], from_numpy(x, arrays[i]), *arrays[i + 1 :])

    def crossings(one: KinkRecorder, other: KinkRecorder) -> tuple[bool, frozenset[int]]:
        if function.n_samples == 0:
            return one.crossed(other), frozenset()
        samples = one.crossed_samples(other, function.n_samples)
        if samples is None:
            return one.crossed(other), frozenset()
        return bool(samples - left_out), samples - left_out

    return derivative(moved, comparison, crossings)
