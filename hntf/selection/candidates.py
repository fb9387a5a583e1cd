"""The candidates of a selection: numbers of components, or tuples with those of all levels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import clone

from hntf.algebra import MATRIX
from hntf.estimators import NCPD, NMF, NTD, NeuralNTF
from hntf.estimators.base import Estimator
from hntf.metrics.inputs import is_of_texts
from hntf.selection.problem import QUICK
from hntf.validation import check_number

FIRST, LATER = 6, (7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64)
"""Numbers of components that are tried first without candidates, and those after them."""

STEP = 4
"""How many of these are tried at a time, until all of a step are worse than the best before."""


class Candidates(NamedTuple):
    """What is tried, of which model.

    Attributes
    ----------
    values : list of int or of tuple, or None
        Numbers of components, or tuples with those of all levels, in ascending order; None for `"auto"`.
    model : estimator, class or None
        The model; None for the default one.
    """

    values: list[Any] | None
    model: Any

    @classmethod
    def of(cls, candidates: Any, model: Any) -> Self:
        """Return checked candidates; raise `TypeError` or `ValueError` if they are none, or none of the model."""
        values = _checked_candidates(candidates)
        check_model(model)
        if values and model is not None and not has_levels(model) and not is_tucker_model(model):
            values = _of_one_level(values, model)
        found = cls(values, model)
        if _are_like_levels(candidates, values) and (model is None or has_levels(model)):
            warnings.warn(
                f"candidates are read as numbers of components, each by itself; the hierarchy {candidates} is [{candidates}]",
                UserWarning,
                stacklevel=3,
            )
        if found.have_levels and not all(a > b for candidate in values or [] for a, b in pairwise(candidate)):
            raise ValueError(
                f"candidates must have fewer components at every level than at the one below, got {values}"
            )
        return found

    @property
    def have_levels(self) -> bool:
        """Whether levels above the finest one are asked for, each with a number of components."""
        if self.model is not None and not has_levels(self.model):
            return False
        return self.values is None or (isinstance(self.values[0], tuple) and not self._name_modes)

    @property
    def finest(self) -> list[Any] | None:
        """The numbers of components of the finest level; None for `"auto"`."""
        if self.values is None or not self.have_levels:
            return self.values
        return sorted({candidate[0] for candidate in self.values})

    @property
    def are_of_tucker(self) -> bool:
        """Whether a component is one of a Tucker core."""
        return is_tucker_model(self.model) or self._name_modes

    def finest_model(self, order: int) -> Any:
        """Return the estimator that is fitted for every rank: the model, or the single level that a hierarchy begins with."""
        begins_with_a_single_level = self.model is None or (has_levels(self.model) and not takes_signs(self.model))
        if begins_with_a_single_level and not self._name_modes:
            return (NMF() if order == MATRIX else NCPD()).set_params(**QUICK)
        model = NeuralNTF if self.model is None else self.model
        if isinstance(model, type):
            supported = {name: value for name, value in QUICK.items() if name in model().get_params()}
            return model(**supported)
        model = clone(model)
        return model.set_params(random_state=0) if model.random_state is None else model

    @property
    def _name_modes(self) -> bool:
        """Whether candidates have Tucker levels, which name a rank for every mode."""
        return any(isinstance(rank, tuple) for c in self.values or [] if isinstance(c, tuple) for rank in c)


def _checked_candidates(candidates: Any) -> list[Any] | None:
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


def _are_like_levels(candidates: Any, values: list[Any] | None) -> bool:
    """Tell whether candidates look like the numbers of components of the levels of one hierarchy: a tuple that decreases."""
    if not isinstance(candidates, tuple) or values is None or not isinstance(values[0], int):
        return False
    return len(values) > 1 and list(candidates) == values[::-1]


def _of_one_level(candidates: list[Any], model: Any) -> list[int]:
    """Return the candidates of a model with one level, each a number or a tuple of one, as numbers."""
    numbers = [c[0] if isinstance(c, tuple) and len(c) == 1 else c for c in candidates]
    if any(isinstance(number, tuple) for number in numbers):
        name = class_of(model).__name__
        raise ValueError(f"candidates must be numbers of components for {name}, which has one level; got {candidates}")
    return numbers


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


def class_of(model: Any) -> type:
    """Return the class of a model, or the class that is given in its place."""
    return model if isinstance(model, type) else type(model)


def check_model(model: Any) -> None:
    """Raise `TypeError` if a model is no estimator of this library, nor its class."""
    if model is not None and not issubclass(class_of(model), Estimator):
        raise TypeError(f"model must be an estimator of hntf, such as hntf.NMF, or its class, got {described(model)}")


def described(model: Any) -> str:
    """Return what is not an estimator, and for a class or a model of texts what to give instead."""
    if isinstance(model, type) and issubclass(model, Estimator):
        return f"the class {model.__name__} in place of an object of it"
    if not is_of_texts(model):
        package = class_of(model).__module__.partition(".")[0]
        name = f"the class {model.__name__}" if isinstance(model, type) else repr(model)
        return name if package == "builtins" else f"{name} of {package}"
    return f"a {type(model).__name__}; give its hierarchy_ and the counts of words, vectorizer_.transform(texts)"


def is_tucker_model(model: Any) -> bool:
    """Return whether a model is a Tucker decomposition."""
    return isinstance(model, NTD) or model is NTD


def takes_signs(model: Any) -> bool:
    """Return whether a model takes data of any sign, and has profiles of any sign."""
    return bool(getattr(model, "_takes_signs", False))


def has_levels(model: Any) -> bool:
    """Return whether a model, or its class, is a hierarchy, with a number of components for every level."""
    default = class_of(model)().n_components
    return isinstance(default, tuple) and not is_tucker_model(model)
