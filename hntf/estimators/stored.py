"""What is stored of a fitted estimator: its parameters, its model as the arguments from which it is built, and its results.

Models are built again by their constructors, which check what they are given, so a file can name nothing but the kinds below.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from hntf.arrays import to_numpy
from hntf.axes import Axis
from hntf.costs.penalties import Penalties
from hntf.estimators.results import arrays_in
from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models import (
    ComponentStacks,
    GatheredComponents,
    Hierarchy,
    Model,
    Pooled,
    Product,
    SeparateLevels,
    SparseCoding,
    Tucker,
    Unrolled,
)
from hntf.models.pooling import Pooling
from hntf.validation import warn_user

STORED_FORMAT = 1
"""The format of the files of stored models."""

_MODELS = (
    ComponentStacks,
    GatheredComponents,
    Hierarchy,
    Pooled,
    Product,
    SeparateLevels,
    SparseCoding,
    Tucker,
    Unrolled,
)
_PARTS = (NNLSLayer, Dense, KhatriRao, ModeProduct, Penalties, Pooling)

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (*_MODELS, *_PARTS)}
"""What a model is built of. Every kind keeps the arguments of its constructor under their names."""


def described_model(x: Any) -> Any:
    """Return a model, or a part of one, as the names of the kinds and the arguments of their constructors."""
    if type(x).__name__ in KINDS:
        names = inspect.signature(type(x)).parameters
        arguments = {name: described_model(getattr(x, name)) for name in names}
        return {"kind": type(x).__name__, "arguments": arguments}
    return [described_model(item) for item in x] if isinstance(x, list | tuple) else x


def model_of(x: Any) -> Any:
    """Return the model, or the part of one, that `described_model` described."""
    if isinstance(x, dict):
        return KINDS[x["kind"]](**{name: model_of(value) for name, value in x["arguments"].items()})
    return [model_of(item) for item in x] if isinstance(x, list) else x


def state_of(estimator: Any, *, codes: bool) -> dict[str, Any]:
    """Return the state of a fitted estimator, with the codes of the training samples or with their sums alone."""
    results = {name: value for name, value in vars(estimator).items() if name in RESULTS}
    results["_code_sums"] = [to_numpy(estimator._code_sum(level))[0] for level in range(estimator.n_levels_)]
    # Codes that are in parts are gathered only where they are asked for.
    results["codes_"] = [
        to_numpy(estimator._code(level)) if codes else np.zeros((0, k))
        for level, k in enumerate(estimator.model_.code_sizes)
    ]
    results["axes_"] = [
        axis._replace(labels=_storable(axis.labels) if codes or mode else None)
        for mode, axis in enumerate(estimator.axes_)
    ]
    return {
        "class": type(estimator).__name__,
        "parameters": plain_parameters(estimator),
        "model": described_model(estimator.model_),
        "results": results,
    }


def _storable(labels: np.ndarray | None) -> np.ndarray | None:
    """Return names of entries as numbers or texts; dates and other objects by their texts."""
    if labels is None or labels.dtype.kind in "iufb":
        return labels
    return np.array([str(label) for label in labels])


def plain_parameters(estimator: Any, but: Sequence[str] = ()) -> dict[str, Any]:
    """Return the parameters that can be stored, except some, with a warning that names the others."""
    parameters = {name: value for name, value in estimator.get_params(deep=False).items() if name not in but}
    parameters = {name: _as_tuple(value) for name, value in parameters.items()}
    plain = {name: value for name, value in parameters.items() if _is_plain(value)}
    defaults = type(estimator)().get_params(deep=False) if len(plain) < len(parameters) else {}
    lost = [name for name in parameters if name not in plain]
    if lost:
        warn_user(
            f"{', '.join(lost)} of {type(estimator).__name__} cannot be stored: a loaded model has the default "
            f"({', '.join(repr(defaults[name]) for name in lost)})"
        )
    return plain


def _as_tuple(value: Any) -> Any:
    """Return a range, or an array of one axis, as a tuple of numbers, and anything else as it is."""
    if isinstance(value, range):
        return tuple(value)
    return tuple(value.tolist()) if isinstance(value, np.ndarray) and value.ndim == 1 else value


def _is_plain(value: Any) -> bool:
    """Return whether a parameter is None, a number, a text, or nested sequences of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.integer | np.floating)


def new_estimator(name: str, parameters: dict[str, Any]) -> Any:
    """Return an estimator that is not fitted; raise `ValueError` if it is none of ours or a parameter is not plain."""
    estimators = import_module("hntf.estimators")
    if name not in estimators.__all__:
        raise ValueError(f"it holds a {name!r}, which is no model")
    if not all(map(_is_plain, parameters.values())):
        raise ValueError("its parameters are not plain")
    return getattr(estimators, name)(**parameters)


def estimator_of(state: dict[str, Any]) -> Any:
    """Return the fitted estimator of a state.

    Raises
    ------
    TypeError, ValueError, LookupError, AttributeError
        If the state is not that of an estimator.
    """
    estimator = new_estimator(state["class"], state["parameters"])
    model, results = model_of(state["model"]), state["results"]
    if not isinstance(model, Model):
        raise ValueError("it has no model")
    for name, value in results.items():
        RESULTS[name](value)
        setattr(estimator, name, value)
    estimator.model_ = model
    estimator.axes_ = [Axis(*axis) for axis in estimator.axes_]
    _check_fit(estimator, model)
    return estimator


def _check_fit(estimator: Any, model: Model) -> None:
    """Raise if the model and the results do not fit together, so that what is loaded can be used."""
    if not all(np.isfinite(to_numpy(A)).all() for A in arrays_in(list(model.parameters))):
        raise ValueError("its factors are not finite")
    sizes, shape = model.code_sizes, tuple(estimator.feature_shape_)
    estimator._check_order(len(shape) + 1)
    if estimator.n_features_in_ != shape[0]:
        raise ValueError("its features are not those of its shape")
    for axis, d in zip(estimator.axes_, (len(estimator.codes_[0]), *shape), strict=True):
        if axis.labels is not None and len(axis.labels) != d:
            raise ValueError("the names of its entries are not those of its shape")
    for level, k in enumerate(sizes):
        if tuple(model.decode(np.zeros((1, k)), level).shape[1:]) != shape:
            raise ValueError(f"level {level} does not have the shape of its data")
    for name in ("codes_", "_code_sums"):
        if [S.shape[-1] for S in getattr(estimator, name)] != sizes:
            raise ValueError(f"its {name} are not those of its model")
    if len(estimator.reconstruction_err_) != len(sizes):
        raise ValueError("it has not one error a level")
    if hasattr(estimator, "classifier_"):
        k = sizes[range(len(sizes))[estimator._classifier_level]]
        if estimator.classifier_.shape != (k, len(estimator.classes_)):
            raise ValueError("its classifier is not one of its codes")


def _check_number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")


def _check_index(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no integer")


def _check_integers(low: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, tuple) or not all(isinstance(d, int) and d >= low for d in value):
            raise ValueError(f"{value!r} holds no integers from {low}")

    return check


def _check_array(order: int) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.ndim != order or value.dtype.kind not in "fiub":
            raise ValueError(f"it holds no array of order {order} where there should be one")
        if not np.isfinite(value).all():
            raise ValueError("it holds numbers that are not finite")

    return check


def _check_each(check: Callable[[Any], None]) -> Callable[[Any], None]:
    def check_all(values: Any) -> None:
        if not isinstance(values, list):
            raise ValueError("it holds no list where there should be one")
        for value in values:
            check(value)

    return check_all


def _check_names(value: Any) -> None:
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise ValueError("it holds no names where there should be some")


def _check_axis(value: Any) -> None:
    if not isinstance(value, tuple) or len(value) != 2 or not isinstance(value[0], str | None):
        raise ValueError("it holds no axis where there should be one")
    if value[1] is not None:
        _check_names(value[1])


def _check_course(value: Any) -> None:
    if not isinstance(value, dict):
        raise ValueError("it holds no course of the fit")
    for numbers in value.values():
        _check_each(_check_number)(list(numbers) if isinstance(numbers, Sequence | np.ndarray) else numbers)


RESULTS: dict[str, Callable[[Any], None]] = {
    "n_features_in_": _check_index,
    "feature_names_in_": _check_names,
    "feature_shape_": _check_integers(1),
    "axes_": _check_each(_check_axis),
    "lead_mode_": _check_index,
    "modes_": _check_integers(0),
    "reconstruction_err_": _check_array(1),
    "level_ratios_": _check_array(1),
    "codes_": _check_each(_check_array(2)),
    "_code_sums": _check_each(_check_array(1)),
    "n_iter_": _check_index,
    "history_": _check_course,
    "penalties_": _check_array(2),
    "classifier_": _check_array(2),
    "classes_": _check_names,
    "_classifier_level": _check_index,
}
"""The results of a fit that are stored, and how each one is checked when it is loaded."""
