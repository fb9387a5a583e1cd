"""Decompositions as their factors by mode, whatever holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.algebra import MATRIX
from hntf.arrays import to_numpy
from hntf.axes import in_order_of
from hntf.data import Data, as_data
from hntf.data.units import moderate_scale, multiplied
from hntf.scales import with_exponents
from hntf.validation import check_real_array, check_shape


def is_of_texts(model: Any) -> bool:
    """Return whether a model is one of texts, which holds the hierarchy of their words."""
    return "hierarchy_" in getattr(type(model), "__annotations__", {})


def check_fitted(model: Any, name: str) -> Any:
    """Return a fitted estimator, of a topic model that of its documents.

    Raises `TypeError` if it is something else, and scikit-learn's `NotFittedError` if it is not fitted.
    """
    kind = type(model)
    if not (hasattr(kind, "n_levels_") or is_of_texts(model)) or isinstance(model, type):
        raise TypeError(f"{name} must be a fitted estimator of hntf, got {kind.__module__}.{kind.__qualname__}")
    check_is_fitted(model, "codes_")
    return getattr(model, "hierarchy_", model)


def codes_by_level(x: Any, name: str) -> Any:
    """Return the codes of a fitted estimator, or the clusters or codes of a sequence."""
    if hasattr(x, "fit"):
        return check_fitted(x, name).codes_
    if not isinstance(x, Sequence | np.ndarray) or not len(x):
        raise TypeError(f"{name} must be an estimator, or the clusters or codes of at least one level, got {x!r}")
    if isinstance(x, np.ndarray) and x.ndim == MATRIX and x.dtype.kind == "f":
        # Its rows would be taken for levels.
        raise TypeError(f"{name} must be a sequence with the codes of every level, got one array of shape {x.shape}")
    return x


def factors_of(model: Any, level: int = 0) -> list[np.ndarray]:
    """Return the factors of a level of a fitted estimator by mode, that of the samples first."""
    profiles = model.components_[level]
    modes = profiles[1:] if isinstance(profiles, list) else [profiles]
    return [to_numpy(np.asarray(model.codes_[level])), *(to_numpy(np.asarray(P)).T for P in modes)]


def factor_matrices(x: Any, name: str) -> list[np.ndarray]:
    """Return checked factors of an estimator, of a sequence of matrices, or of a `CPTensor` or a pair of weights and factors.

    Weights go to the first mode.
    """
    if hasattr(x, "fit"):
        x = check_fitted(x, name)
        if _is_tucker(x):
            raise TypeError(
                f"{name} must be a CP decomposition or a matrix factorization, got a Tucker model: {type(x).__name__}"
            )
        return factors_of(x)
    weights = None
    if hasattr(x, "factors"):
        weights, x = x.weights, x.factors
    elif isinstance(x, tuple) and len(x) == 2 and isinstance(x[1], list | tuple):
        weights, x = x
    if not isinstance(x, Sequence) or not len(x):
        raise TypeError(f"{name} must be an estimator, a CPTensor or a sequence of factors, got {type(x).__name__}")
    if any(np.ndim(U) == 2 and not np.shape(U)[1] for U in x):
        raise ValueError(f"{name} must have at least one component, got factors without columns")
    factors = [to_numpy(check_real_array(U, f"each factor of {name}", orders=(2,))).astype(float) for U in x]
    if len({U.shape[1] for U in factors}) > 1:
        raise ValueError(f"{name} must have factors with the same number of columns, got {[U.shape for U in factors]}")
    if weights is not None:
        weights = to_numpy(check_real_array(weights, f"weights of {name}", orders=(1,)))
        check_shape(weights, f"weights of {name}", factors[0].shape[1:], "one for each component")
        factors[0] = factors[0] * weights
    return factors


def _is_tucker(model: Any) -> bool:
    """Return whether the finest level of a fitted estimator is a Tucker decomposition."""
    if not hasattr(model, "tucker_tensor"):
        return False
    try:
        model.tucker_tensor(0)
    except ValueError:
        return False
    return True


def factors_and_data(model: Any, X: Any, mask: Any, weights: Any) -> tuple[list[np.ndarray], Data]:
    """Return checked factors and the data, with their dimensions in the order of the fit where they have names.

    Extreme data and models are in units in which the squares of their entries neither overflow nor vanish.
    """
    model = check_fitted(model, "model") if hasattr(model, "fit") else model
    factors = factor_matrices(model, "model")
    X = in_order_of(X, [axis.name for axis in getattr(model, "axes_", [])] or [None])
    data = as_data(X, mask=mask, weights=weights)
    if tuple(data.shape) != tuple(len(U) for U in factors):
        raise ValueError(
            f"X must have the shape of the model, {tuple(len(U) for U in factors)}, got {tuple(data.shape)}"
        )
    scale = 1.0 if isinstance(X, Data) else moderate_scale(*data.minimum_and_maximum())
    if scale != 1.0:
        data = as_data(multiplied(X, scale), mask=mask, weights=weights)
    return in_first_mode(factors, scale), data


def in_first_mode(factors: list[np.ndarray], scale: float) -> list[np.ndarray]:
    """Return factors of the same model times a power of two, each column with a largest entry near 1 but in the first mode."""
    moderate, exponents = zip(*[with_exponents(U) for U in factors], strict=True)
    total = np.sum(exponents, axis=0) + np.frexp(scale)[1] - 1
    with np.errstate(over="ignore"):
        first = np.ldexp(moderate[0], total)
    if not np.isfinite(first).all():
        raise ValueError("model must have factors whose products are finite numbers, got larger ones")
    return [first, *moderate[1:]]
