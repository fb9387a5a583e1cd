"""Where a model does not fit: the errors of every sample or other entry of a mode, and its weight in the model."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import scipy.sparse

from hntf.arrays import to_numpy
from hntf.axes import in_order_of
from hntf.data import as_data
from hntf.data.conversion import observed_entries
from hntf.data.masks import on_host
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.data.units import moderate_scale, multiplied
from hntf.metrics.inputs import check_fitted, factors_of, in_first_mode
from hntf.scales import EPS, inverse_power, with_exponents
from hntf.validation import check_real_array, level_index, mode_index


def residuals(model: Any, X: Any, *, mode: int = 0, level: int = 0, mask: Any = None) -> np.ndarray:
    r"""Return the relative error of every entry of a mode, `(d_mode,)`: `‖X_i − X̂_i‖ / ‖X_i‖`, 0 where `X_i` is zero.

    Parameters
    ----------
    model : Estimator
        A fitted estimator; codes are those that the samples have from their features.
    X : array, tensor, sparse matrix or sparse tensor, `(n, …)`
        Samples with the features of the fit; sparse tensors need a model with `cp_tensor`.
    mode : int
        The mode: 0 for the samples.
    level : int
        The level.
    mask : bool array, "nan", HoldOut or a tuple of these, optional
        The entries that are observed, as in `fit`, for dense data.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> X = np.outer([1.0, 2.0, 3.0], [1.0, 1.0, 0.0, 1.0])
    >>> X[2] = [0.0, 0.0, 5.0, 0.0]
    >>> hntf.metrics.residuals(hntf.NMF(1, random_state=0).fit(X), X).round(2)
    array([1., 1., 0.])
    """
    model = check_fitted(model, "model")
    X = in_order_of(X, [axis.name for axis in model.axes_])
    S = to_numpy(np.asarray(model.transform(X, level, **({} if mask is None else {"mask": mask}))))
    order = len(model.feature_shape_) + 1
    mode = mode_index(mode, order)
    if scipy.sparse.issparse(X) or is_sparse_tensor(X):
        if mask is not None:
            raise TypeError("mask must be None for sparse X")
        if order == 2:
            return _of_sparse(X, [S, *factors_of(model, level)[1:]], mode)
        # Components that are sums of outer products have a CP decomposition of more terms.
        return _of_sparse(X, [to_numpy(U) for U in model.model_.to(S).cp_factors(level, S)], mode)
    fitted = to_numpy(model.inverse_transform(S, level))
    array = to_numpy(check_real_array(X, "X", entries=False)).astype(float)
    observed = observed_entries(array, on_host(mask))
    observed = np.ones(array.shape, bool) if observed is None else observed
    array = np.where(observed, array, 0.0)
    others = tuple(i for i in range(array.ndim) if i != mode)
    # Squares of extreme entries would overflow or vanish.
    sizes = inverse_power(np.abs(array).max(axis=others, keepdims=True))
    errors = (array - np.where(observed, fitted, 0.0)) * sizes
    return _ratios(np.sum(errors**2, axis=others), np.sum((array * sizes) ** 2, axis=others))


def _of_sparse(X: Any, factors: list[np.ndarray], mode: int) -> np.ndarray:
    """Return the errors of the entries of a mode for a CP decomposition, from products with the stored entries alone."""
    scale = moderate_scale(*as_data(X).minimum_and_maximum())
    X, factors = multiplied(X, scale), in_first_mode(factors, scale)
    others = [None if i == mode else U for i, U in enumerate(factors)]
    ones = [None if i == mode else np.ones((len(U), 1)) for i, U in enumerate(factors)]
    sizes = to_numpy(as_data(_squared(X)).mttkrp(ones, mode))[:, 0]
    products = (factors[mode] * to_numpy(as_data(X).mttkrp(others, mode))).sum(axis=1)
    gram = reduce(np.multiply, [U.T @ U for i, U in enumerate(factors) if i != mode])
    squares = np.einsum("ij,jk,ik->i", factors[mode], gram, factors[mode])
    return _ratios(np.maximum(sizes - 2 * products + squares, 0.0), sizes)


def _squared(X: Any) -> Any:
    """Return the squares of the entries of a sparse matrix or of those of a sparse tensor."""
    return X.multiply(X) if scipy.sparse.issparse(X) else X._replace(values=X.values**2)


def _ratios(errors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    return np.sqrt(errors / np.where(sizes > 0, sizes, 1.0)) * (sizes > 0)


def leverage(model: Any, *, mode: int = 0, level: int = 0) -> np.ndarray:
    r"""Return the leverage of every entry of a mode, `(d_mode,)`: the diagonal of `U (UᵀU)⁺ Uᵀ` for the components `U` of the mode.

    It is from 0 to 1 and sums to the rank of `U`. An entry of large leverage shapes the components; with a large residual beside
    it, it is an outlier that was not fitted.

    Parameters
    ----------
    model : Estimator
        A fitted estimator with its codes.
    mode : int
        The mode: 0 for the samples of the fit.
    level : int
        The level.

    References
    ----------
    Bro, Smilde (2003), *Centering and scaling in component analysis*, J. Chemometrics 17; what is called outlyingness there and in
    tlviz is this beside the residual.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> hntf.metrics.leverage(hntf.NMF(2, random_state=0).fit(X)).round(2)
    array([0.5, 0.5, 1. ])
    """
    model = check_fitted(model, "model")
    level = level_index(level, model.n_levels_)
    factors = factors_of(model, level)
    U, _ = with_exponents(factors[mode_index(mode, len(factors))])
    Q, sizes, _ = np.linalg.svd(U, full_matrices=False)
    kept = sizes > sizes.max(initial=0.0) * max(U.shape) * EPS
    return np.square(Q[:, kept]).sum(axis=1)
