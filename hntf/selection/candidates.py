"""The candidates of a selection: numbers of components, or tuples with those of all levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from hntf.estimators import NCPD, NMF, NTD, NeuralNTF
from hntf.estimators.base import Estimator
from hntf.selection.problem import QUICK
from hntf.validation import check_number

FIRST, LATER = 6, (7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
"""Numbers of components that are tried first without candidates, and those after them."""

STEP = 4
"""How many of these are tried at a time, until all of a step are worse than the best before."""


def as_candidates(candidates: Any) -> list[Any] | None:
    """Return checked candidates, integers or tuples; None for `"auto"`."""
    if isinstance(candidates, str):
        if candidates != "auto":
            raise ValueError(f"candidates must be 'auto' or a sequence of ranks, got {candidates!r}")
        return None
    if not isinstance(candidates, Iterable):
        raise TypeError(f"candidates must be 'auto' or a sequence of ranks, got {candidates!r}")
    checked = [_checked(candidate) for candidate in candidates]
    if not checked:
        raise ValueError("candidates must name at least one number of components, got none")
    if len({isinstance(candidate, tuple) for candidate in checked}) > 1:
        raise ValueError(f"candidates must be all integers or all tuples, got {checked}")
    return sorted(set(checked), key=lambda candidate: (_size(candidate), repr(candidate)))


def of_one_level(candidates: list[Any] | None, model: Any) -> list[int] | None:
    """Return the candidates of a model with one level, each a number or a tuple of one, as numbers."""
    numbers = [c[0] if isinstance(c, tuple) and len(c) == 1 else c for c in candidates or []]
    if any(isinstance(number, tuple) for number in numbers):
        name = (model if isinstance(model, type) else type(model)).__name__
        raise ValueError(f"candidates must be numbers of components for {name}, which has one level; got {candidates}")
    return numbers if candidates else None


def _size(candidate: Any) -> int:
    """Return the sum of all ranks that a candidate names."""
    return sum(map(_size, candidate)) if isinstance(candidate, tuple) else candidate


def _checked(candidate: Any) -> Any:
    if isinstance(candidate, Sequence | np.ndarray) and not isinstance(candidate, str):
        if not len(candidate):
            raise ValueError("candidates must name at least one rank each, got an empty one")
        return tuple(_checked(rank) for rank in candidate)
    check_number(candidate, "each of candidates", low=1, integer=True)
    return int(candidate)


def check_model(model: Any) -> None:
    """Raise `TypeError` if a model is no estimator of this library, nor its class."""
    kind = model if isinstance(model, type) else type(model)
    if model is not None and not issubclass(kind, Estimator):
        raise TypeError(f"model must be an estimator of hntf, such as hntf.NMF, got {described(model)}")


def described(model: Any) -> str:
    """Return what is not an estimator, and for a model of texts what to give instead."""
    if "hierarchy_" not in getattr(type(model), "__annotations__", {}):
        return repr(model)
    return f"a {type(model).__name__}; give its hierarchy_ and the counts of words, vectorizer_.transform(texts)"


def is_tucker_model(model: Any) -> bool:
    """Return whether a model is a Tucker decomposition."""
    return isinstance(model, NTD) or model is NTD


def takes_signs(model: Any) -> bool:
    """Return whether a model takes data of any sign, and has profiles of any sign."""
    return bool(getattr(model, "_takes_signs", False))


def has_levels(model: Any) -> bool:
    """Return whether a model, or its class, is a hierarchy, with a number of components for every level."""
    default = (model if isinstance(model, type) else type(model))().n_components
    return isinstance(default, tuple) and not is_tucker_model(model)


def finest_model(model: Any, order: int, candidates: list[Any] | None) -> Any:
    """Return the estimator that is fitted for every rank: the model, or the single level that a hierarchy begins with."""
    if model is None and _are_compressed(candidates):
        model = NeuralNTF
    begins_with_a_single_level = model is None or (has_levels(model) and not takes_signs(model))
    if begins_with_a_single_level and not _are_compressed(candidates):
        return (NMF() if order == 2 else NCPD()).set_params(**QUICK)
    if isinstance(model, type):
        supported = {name: value for name, value in QUICK.items() if name in model().get_params()}
        return model(**supported)
    model = clone(model)
    return model.set_params(random_state=0) if model.random_state is None else model


def _are_compressed(candidates: list[Any] | None) -> bool:
    """Return whether candidates have Tucker levels, which name a rank for every mode."""
    return any(isinstance(rank, tuple) for c in candidates or [] if isinstance(c, tuple) for rank in c)
