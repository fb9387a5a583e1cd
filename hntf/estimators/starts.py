"""Starts as users pass them: a name, factors in the nesting of `factors_`, a TensorLy tensor, or a fitted estimator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from tensorly.cp_tensor import CPTensor
from tensorly.tucker_tensor import TuckerTensor

from hntf.algebra import random_columns
from hntf.arrays import Array, as_float64, from_numpy, in_backend_of, is_torch, to_numpy
from hntf.costs.label_terms import LABEL_DIVERGENCES
from hntf.costs.labels import LabelL2
from hntf.costs.penalties import Penalties
from hntf.estimators.inputs import Input
from hntf.estimators.results import arrays_in
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS, matrix_start, positive
from hntf.fitting.parts import START_SAMPLES, Part, Parts
from hntf.fitting.updates.joint import Joint, JointUpdates, TermOf, sizes_of_terms
from hntf.models.product import best_code
from hntf.validation import check_choice, check_real_array, check_same_home, check_shape

ROUNDING = 1e-12
"""Difference of a cosine from 1 below which two columns are the same up to rounding."""


def check_init(
    init: Any,
    names: Sequence[str],
    shapes: Sequence[tuple[int, int]],
    given: Input,
    *,
    nonnegative: bool = True,
    n_first: int | None = None,
) -> list[Array] | None:
    """Return the user's starting factors, checked against these shapes, where the data are processed; None for a start by name.

    Zero columns, and components that equal an earlier one of their level, are replaced by random ones. With `n_first`,
    the first `n_first` factors alone will do: those of the first level.

    Factors may come as a flat or nested list, as a `CPTensor` or `TuckerTensor` (the core is recomputed by the fit), or as a
    fitted estimator, whose `factors_` are used.
    """
    if isinstance(init, str):
        check_choice(init, "init", names)
        return None
    of_results = not isinstance(init, list | tuple)
    init = factors_of(init)
    if isinstance(init, np.ndarray) or is_torch(init) or not isinstance(init, Sequence):
        raise TypeError(f"init must be the name of a start or a list of factors, got {type(init).__name__}")
    init = arrays_in([list(level) if isinstance(level, tuple) else level for level in init])
    numbers = (len(shapes), n_first or len(shapes))
    if of_results and len(init) - 1 in numbers and len(init[0]) == given.shape[0]:
        init = init[1:]  # without the factor of the samples, which this method finds from the others
    if len(init) not in numbers:
        first = f", or the first {n_first}" if n_first not in (None, len(shapes)) else ""
        raise ValueError(f"init must hold {len(shapes)} factors, of shapes {list(shapes)}{first}; got {len(init)}")
    factors = []
    for i, (A, shape) in enumerate(zip(init, shapes, strict=False)):
        A = check_real_array(A, f"init[{i}]", orders=(2,), nonnegative=nonnegative)  # noqa: PLW2901
        check_shape(A, f"init[{i}]", shape, "what it maps to × components")
        if of_results:  # a model fitted on one backend serves the other
            (A,) = in_backend_of([A], given.prototype)  # noqa: PLW2901
        check_same_home({f"init[{i}]": A, "X": given.prototype})
        factors.append(as_float64(A) if is_torch(given.parts.prototype) else to_numpy(as_float64(A)))
    of_levels = [list(level) for _, level in groupby(factors, key=lambda A: A.shape[1])]
    return [A for level in of_levels for A in without_twins(level)]


def without_twins(factors: Sequence[Array]) -> list[Array]:
    """Replace zero columns by random ones, and the components that equal an earlier one, up to scale, in all factors.

    Updates would leave them zero and equal. A column that is drawn has the mean norm of the columns of its factor.
    """
    norms = [np.linalg.norm(to_numpy(A), axis=0) for A in factors]
    units = [to_numpy(A) / (norm + (norm == 0)) for A, norm in zip(factors, norms, strict=True)]
    equal = np.prod([U.T @ U for U in units], axis=0) > 1 - ROUNDING
    useless = [np.triu(equal, 1).any(axis=0) | (norm == 0) for norm in norms]
    return [
        from_numpy(np.where(zero, to_numpy(random_columns(A)) * (norm.mean() or 1.0), to_numpy(A)), A)
        if zero.any()
        else A
        for A, norm, zero in zip(factors, norms, useless, strict=True)
    ]


def factors_of(init: Any) -> Any:
    """Return the factors of a fitted estimator or TensorLy tensor, CP weights multiplied into the first; else `init` itself."""
    if hasattr(init, "factors_"):
        return init.factors_
    if isinstance(init, CPTensor):
        first, *others = init.factors
        return [first if init.weights is None else first * init.weights, *others]
    return list(init.factors) if isinstance(init, TuckerTensor) else init


def split_base(init: Any) -> tuple[Any, Any]:
    """Return the start of the base and the start of the levels above, None if only the base or a name is given."""
    init = factors_of(init)
    if isinstance(init, Sequence) and not isinstance(init, str) and init and isinstance(init[0], Sequence):
        return list(init[0]), list(init[1:]) or None
    return init, None


def level_shapes(m: int, ranks: Sequence[int]) -> list[tuple[int, int]]:
    """Return the shapes of the factors of a hierarchy on `m` features."""
    return list(zip([m, *ranks], ranks, strict=False))


def joint_starts(
    init: Any, rank: int, joint: Joint, given: Input, random_state: np.random.RandomState
) -> Callable[[], JointUpdates]:
    """Return a function that draws a start of updates of a matrix and its labels."""
    factors = check_init(init, MATRIX_STARTS, [(given.shape[1], rank)], given)
    return lambda: joint_updates(given.parts, joint, init if factors is None else factors[0], rank, random_state)


def joint_updates(
    parts: Parts, joint: Joint, init: Any, rank: int, random_state: np.random.RandomState
) -> JointUpdates:
    """Return updates from a start by name or from a checked factor: scaled by the penalties, and positive for `"mu"`."""
    parts.check_solver(joint.solver)
    A, n_screened = init, 0
    if isinstance(init, str):
        _, A, n_screened = matrix_start(parts.sample(START_SAMPLES, random_state), rank, init, random_state)
    if joint.penalties.are_balanced:
        sums, squares = parts.total(sums_of_code, A)
        A = joint.penalties.balanced(sums, squares, A)
    factors = [A]
    if len(joint.terms) > 1:
        factors.append(LabelL2.classifier_of(parts.each(label_summary, A)).T)
    if not joint.is_exact:
        factors = list(map(positive, factors))
    return JointUpdates(parts, joint, factors, n_screened=n_screened)


def joint_of(
    parts: Parts, loss: str, solver: str, penalties: Penalties, supervision: tuple[str, float] | None
) -> Joint:
    """Return what is fitted to the data and, with a loss and a weight of the labels, to the labels of the samples.

    For a model of zero, the term of the labels is its weight times that of the data.
    """
    terms = [TermOf(loss)]
    if supervision is not None:
        name, weight = supervision
        terms.append(TermOf(LABEL_DIVERGENCES[name], of_labels=True))
        of_data, of_labels = parts.total(sizes_of_terms, Joint(tuple(terms)))
        terms[1] = terms[1]._replace(weight=weight * (of_data or 1.0) / (of_labels or 1.0))
    return Joint(tuple(terms), solver, penalties)


def sums_of_code(part: Part, A: Array) -> tuple[Array, Array]:
    """Return the sums of the columns of the best code of a part, and the sums of their squares."""
    S = best_code(part.data, A)
    return S.sum(0), (S * S).sum(0)


def label_summary(part: Part, A: Array) -> Any:
    """Return what the classifier on the best code requires from a part."""
    return LabelL2.summary(best_code(part.data, A), part.labels)  # type: ignore[arg-type]
