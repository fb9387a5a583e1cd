"""Conversion of results: casts to the backend and dtype of the data, containers with named columns, TensorLy objects."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from sklearn.base import TransformerMixin
from tensorly.cp_tensor import CPTensor
from tensorly.tucker_tensor import TuckerTensor

from hntf.arrays import Array, cast_like, is_torch, to_numpy
from hntf.fitting.scaling import unit_components


def cast_nested(x: Any, prototype: Any) -> Any:
    """Return copies of an array, or of nested lists of arrays, in the backend and dtype of `prototype`."""
    return [cast_nested(item, prototype) for item in x] if isinstance(x, list) else _copied(cast_like(x, prototype))


def arrays_in(x: Any) -> list[Array]:
    """Return the arrays of nested lists."""
    return [array for item in x for array in arrays_in(item)] if isinstance(x, list) else [x]


class NamedColumns(TransformerMixin):
    """Puts codes into the container chosen with `set_output`, with the column names of their level.

    scikit-learn expects one list of names per transformer, whatever the level, so this object stands in for the estimator.
    """

    def __init__(self, names: np.ndarray, config: dict[str, str]) -> None:
        self.names = names
        self._sklearn_output_config = config

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns."""
        return self.names

    def transform(self, X: Any, codes: Array) -> Any:
        """Return the codes, which scikit-learn puts into the container with the index of `X`."""
        return codes


def in_container(codes: Array, X: Any, names: np.ndarray, estimator: Any) -> Any:
    """Return codes in the container that the estimator's `set_output` or scikit-learn's configuration selects."""
    config = getattr(estimator, "_sklearn_output_config", {})
    if config.get("transform", sklearn.get_config()["transform_output"]) == "default":
        return codes
    return NamedColumns(names, config).transform(X, to_numpy(codes) if is_torch(codes) else codes)


class _OwnCPTensor(CPTensor):
    """A CP tensor that is created without TensorLy's global backend, which may differ from that of the arrays."""

    def __init__(self, weights: Array, factors: list[Array]) -> None:
        self.weights, self.factors = weights, factors
        self.shape = tuple(len(U) for U in factors)
        self.rank = factors[0].shape[1]


class _OwnTuckerTensor(TuckerTensor):
    """A Tucker tensor that is created without TensorLy's global backend, which may differ from that of the arrays."""

    def __init__(self, core: Array, factors: list[Array]) -> None:
        self.core, self.factors = core, factors
        self.shape = tuple(len(U) for U in factors)
        self.rank = tuple(core.shape)


def _copied(x: Array) -> Array:
    return x.clone() if is_torch(x) else np.array(x)


def cp_tensor(self: Any, level: int = -1, *, normalize: bool = False) -> CPTensor:
    """Return the model of a level as a CP tensor.

    Its rank is the number of rank-one terms of the level. This is `k_l` if every component of the level has rank one; if the
    components are sums of the components of the base or of the first layer (`NeuralNCPD`, `HierarchicalNCPD`, `NeuralNTF`), it is
    the rank of the base or of the first layer.

    Parameters
    ----------
    level : int
        Index of the level: 0 is the finest, -1 the last.
    normalize : bool
        Whether the columns of the factors are scaled to unit norm, with their sizes in the weights.

    Returns
    -------
    CPTensor
        A TensorLy object with copies of the arrays, in the backend and floating dtype of the training data.

    Raises
    ------
    ValueError
        If the level is not a CP decomposition.
    """
    level, code = self._level_and_code(level)
    factors = self.model_.cp_factors(level, code)
    weights = 0 * factors[0][0] + 1
    if normalize:
        factors, weights = unit_components(factors)
    prototype = self.codes_[0]
    return _OwnCPTensor(_copied(cast_like(weights, prototype)), [_copied(cast_like(U, prototype)) for U in factors])


def tucker_tensor(self: Any, level: int = -1) -> TuckerTensor:
    """Return the model of a level as a Tucker tensor with the ranks of that level.

    A mode that is not compressed has an identity matrix as its factor.

    Parameters
    ----------
    level : int
        Index of the level: 0 is the finest, -1 the last.

    Returns
    -------
    TuckerTensor
        A TensorLy object with copies of the arrays, in the backend and floating dtype of the training data.

    Raises
    ------
    ValueError
        If the level is not a Tucker decomposition.
    """
    level, code = self._level_and_code(level)
    core, factors = self.model_.tucker_factors(level, code)
    prototype = self.codes_[0]
    return _OwnTuckerTensor(_copied(cast_like(core, prototype)), [_copied(cast_like(U, prototype)) for U in factors])
