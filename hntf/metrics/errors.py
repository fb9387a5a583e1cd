"""How well a model fits: relative error over observed entries, what each component explains, and the deviance of counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import from_numpy, to_numpy
from hntf.costs.squared import cp_squared_residual
from hntf.data import Data
from hntf.data.conversion import observed_entries
from hntf.data.masks import on_host
from hntf.metrics.inputs import factors_and_data
from hntf.validation import check_real_array


def relative_error(model: Any, X: Any, *, mask: Any = None, weights: Any = None) -> float:
    r"""Return the relative error over the observed entries.

    .. math:: \| X - \hat X \| / \| X \|

    Of data that are zero, it is 0 for a model that is zero, and infinite for others.

    Parameters
    ----------
    model : CPTensor, estimator, or sequence of arrays, `(d_i, k)`
        The decomposition, by its factors of all modes; of a fitted estimator the finest level.
    X : array, sparse matrix, sparse tensor or Data
        The data.
    mask, weights
        As in `fit`.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> S, A = np.ones((3, 1)), np.ones((2, 1))
    >>> hntf.metrics.relative_error([S, A], 2 * np.ones((3, 2)))
    0.5
    """
    factors, data = _of_same_shape(model, X, mask, weights)
    size, squared = data.norm_squared(), max(cp_squared_residual(data, factors), 0.0)
    # Of data that are zero, only a model that is zero has no error.
    return math.sqrt(squared / size) if size else math.inf if squared else 0.0


def explained_variance(model: Any, X: Any, *, mask: Any = None, weights: Any = None) -> np.ndarray:
    r"""Return the fraction of `‖X‖²` that is lost without each component, `(k,)`.

    .. math:: \frac{\| X - \hat X_{-r} \|^2 - \| X - \hat X \|^2}{\| X \|^2}

    with the model without component `r`. Components that share what they explain lose less than it when one of them is left out,
    so that the fractions need not sum to that of the model, `1 - relative_error(model, X) ** 2`. Of data that are zero nothing is
    explained: 0 for a component that is zero, and −∞ for others.

    Parameters
    ----------
    model, X, mask, weights
        As in `relative_error`.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.metrics.explained_variance([np.eye(2), np.diag([1.0, 3.0])], np.diag([1.0, 3.0]))
    array([0.1, 0.9])
    """
    factors, data = _of_same_shape(model, X, mask, weights)
    size = data.norm_squared()
    whole = cp_squared_residual(data, factors)
    k = factors[0].shape[1]
    if not size:
        return np.where(np.all([np.abs(U).max(axis=0) > 0 for U in factors], axis=0), -np.inf, 0.0)
    if k == 1:
        return np.array([(size - whole) / size])
    others = [[j for j in range(k) if j != r] for r in range(k)]
    without = [cp_squared_residual(data, [U[:, kept] for U in factors]) for kept in others]
    return (np.array(without) - whole) / size


def poisson_deviance(X: Any, expected: Any, *, mask: Any = None) -> float:
    r"""Return the mean Poisson deviance of counts, twice the generalised Kullback–Leibler divergence, over observed entries.

    .. math:: \frac2N \sum_i x_i \log \frac{x_i}{\hat x_i} - x_i + \hat x_i

    The likelihood of counts that were held out from a fit is that of `mask` and of the model of the other counts.

    Parameters
    ----------
    X : array or sparse matrix
        The counts.
    expected : array
        What a model expects, of the same shape, positive where there are counts.
    mask : bool array, "nan", HoldOut or a tuple of these, optional
        The entries over which the mean is taken, as in `fit`.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.metrics.poisson_deviance(np.array([[1.0, 2.0]]), np.array([[1.0, 2.0]]))
    0.0
    """
    counts, means = (
        to_numpy(check_real_array(x.toarray() if scipy.sparse.issparse(x) else x, name, entries=False)).astype(float)
        for x, name in ((X, "X"), (expected, "expected"))
    )
    if counts.shape != means.shape:
        raise ValueError(f"expected must have the shape of X, {counts.shape}, got {means.shape}")
    masked = observed_entries(counts, on_host(mask))
    observed = np.ones(counts.shape, bool) if masked is None else masked
    x, m = counts[observed], means[observed]
    for values, name in ((x, "X"), (m, "expected")):
        wrong = values[~((values >= 0) & np.isfinite(values))]
        if len(wrong):
            raise ValueError(f"{name} must hold finite numbers of at least 0 where it is observed, got {wrong[0]:g}")
    if not len(x):
        raise ValueError("mask must observe some entries")
    if (m[x > 0] <= 0).any():
        return math.inf
    logs = np.zeros_like(x)
    logs[x > 0] = np.log(x[x > 0] / m[x > 0])
    return float(2.0 * (x * logs - x + m).mean())


def _of_same_shape(model: Any, X: Any, mask: Any, weights: Any) -> tuple[list[Any], Data]:
    factors, data = factors_and_data(model, X, mask, weights)
    return [from_numpy(U, data.prototype) for U in factors], data
