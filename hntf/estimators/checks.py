"""Checks that estimators share: of parameters, of the shape and names of data, and of where a checkpoint goes."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

from sklearn.utils.validation import validate_data

from hntf.arrays import to_numpy
from hntf.axes import axes_of, check_same_entries, in_order_of
from hntf.costs.targets import Labels
from hntf.data.units import MODERATE
from hntf.estimators.inputs import Input
from hntf.estimators.of_part import fingerprint
from hntf.fitting.checkpoint import Checkpoint, described
from hntf.fitting.loop import Settings
from hntf.storage import read_if_there
from hntf.validation import check_choice, check_number, checked_file, warn_user

OF_THE_COURSE = ("max_iter", "tol", "verbose", "callback", "output_level")
"""Parameters that may differ when a fit goes on from a checkpoint."""


def settings_of(estimator: Any, solvers: Sequence[str], given: Input | None = None) -> Settings:
    """Return the checked parameters of a fit, with the checkpoint of the data for methods that take one."""
    check_choice(estimator.solver, "solver", tuple(solvers))
    check_number(estimator.max_iter, "max_iter", low=1, integer=True)
    check_number(estimator.tol, "tol")
    check_number(estimator.n_init, "n_init", low=1, integer=True)
    if estimator.learning_rate is not None:
        check_number(estimator.learning_rate, "learning_rate", strict=True)
    if estimator.callback is not None and not callable(estimator.callback):
        raise TypeError(f"callback must be callable, got {type(estimator.callback).__name__}")
    return Settings(
        estimator.solver,
        estimator.max_iter,
        estimator.tol,
        estimator.n_init,
        estimator.learning_rate,
        bool(estimator.verbose),
        estimator.callback,
        checkpoint=None if given is None else given.checkpoint,
    )


def with_checkpoint(estimator: Any, given: Input, labels: Labels | None, path: Any, every: int) -> Input:
    """Return the input with the checkpoint that the user asks for."""
    check_number(every, "every", low=1, integer=True)
    if path is None:
        return given
    if not estimator._takes_checkpoints:
        raise TypeError(f"checkpoint must be None: {type(estimator).__name__} keeps no state that could be saved")
    path = checked_file(path, "checkpoint")
    if given.parts.is_first and not path.parent.is_dir():
        raise FileNotFoundError(f"checkpoint must be in a folder that exists, got {path}")
    parameters = {name: value for name, value in estimator.get_params().items() if name not in OF_THE_COURSE}
    if isinstance(seed := parameters.get("random_state"), numbers.Integral):
        parameters["random_state"] = int(seed)
    else:
        parameters.pop("random_state", None)  # its state is in the checkpoint
    signature = {
        "estimator": type(estimator).__name__,
        "parameters": described(parameters),
        "shape": list(given.shape),
        "norm_squared": given.parts.norm_squared,
        "sums": to_numpy(given.with_labels(labels).parts.total(fingerprint)).tolist(),
        "classes": None if labels is None else repr(labels.classes.tolist()),
    }
    content = given.parts.from_first(lambda: read_if_there(path))
    return given._replace(checkpoint=Checkpoint(path, every, signature, content, writes=given.parts.is_first))


def in_order_of_fit(estimator: Any, X: Any, mask: Any, weights: Any, *, reset: bool) -> tuple[Any, Any, Any]:
    """Return named data with their dimensions in the order of the fit, and a named mask and weights in that of the data."""
    if not reset:
        X = in_order_of(X, [axis.name for axis in estimator.axes_])
    of_data = axes_of(X, getattr(X, "shape", ()))
    names = [axis.name for axis in of_data]
    mask, weights = in_order_of(mask, names, "mask"), in_order_of(weights, names, "weights")
    for argument, given in (("mask", mask), ("weights", weights)):
        shape = getattr(given, "shape", None)
        if isinstance(shape, tuple) and len(shape) == len(of_data):
            check_same_entries(axes_of(given, shape), of_data, argument)
    return X, mask, weights


def check_shape(estimator: Any, X: Any, shape: tuple[int, ...], *, reset: bool) -> None:
    """Store the features in `fit` (`reset`), otherwise compare with those of the fit."""
    estimator._check_order(len(shape))
    validate_data(estimator, X, reset=reset, skip_check_array=True)
    if reset:
        estimator.feature_shape_ = tuple(shape[1:])
    elif tuple(shape[1:]) != estimator.feature_shape_:
        raise ValueError(
            f"X must have shape (n, {', '.join(map(str, estimator.feature_shape_))}) as in fit, got {tuple(shape)}"
        )


def check_moderate(given: Input, why: str) -> None:
    """Raise `ValueError` if the data are so extreme that they were rescaled."""
    if given.scale != 1.0:
        raise ValueError(f"X must have its largest entry between {MODERATE[0]:g} and {MODERATE[1]:g} {why}; scale it")


def warn_of_rank(rank: int, shape: Sequence[int]) -> None:
    """Warn if there are more components than the largest rank of data of this shape: the others are redundant and cost time."""
    largest = math.prod(shape) // max(shape)
    if rank > largest:
        warn_user(
            f"n_components names {rank} components, and data of shape {tuple(shape)} have rank {largest} at most: "
            "the others are redundant and the fit takes longer for them"
        )
