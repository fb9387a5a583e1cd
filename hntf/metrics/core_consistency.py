"""Core consistency: whether the components of a CP model interact only as the model says."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import as_float64, from_numpy, to_numpy
from hntf.metrics.inputs import factors_and_data
from hntf.metrics.matching import unit
from hntf.scales import with_exponents


def core_consistency(model: Any, X: Any, *, mask: Any = None, weights: Any = None) -> float:
    r"""Return the core consistency (CORCONDIA) of a CP decomposition, in percent.

    .. math:: 100 \left( 1 - \frac{\sum (G - I)^2}{k} \right)

    with the superdiagonal `I` of ones and the Tucker core `G = X ×_i U_i^+` that fits the data best with the factors of the model,
    scaled so that each component is as large in every mode.
    100 says that the components interact as the CP model assumes; values far below, or negative ones, that there are too many.
    0 is returned if a component is zero. With more components than a mode has entries, many cores fit as well, and `G` is the one
    of least norm. Of a matrix nothing can be told: every fit by least squares has `G = I`.

    Hidden entries are replaced by those of the model, and those of a smaller weight than the largest by a mean of both: few large
    weights say little about the rest.

    Parameters
    ----------
    model : CPTensor, estimator, or sequence of arrays, `(d_i, k)`
        The decomposition, by its factors of all modes; of a fitted estimator the finest level.
    X : array, sparse tensor or Data
        The tensor.
    mask, weights
        As in `fit`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or X is a matrix.

    References
    ----------
    Bro, Kiers (2003), *A new efficient method for determining the number of components in PARAFAC models*, J. Chemometrics.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> factors = [np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]])] * 3
    >>> X = np.einsum("ir,jr,kr->ijk", *factors)
    >>> round(hntf.metrics.core_consistency(factors, X))
    100
    """
    factors, data = factors_and_data(model, X, mask, weights)
    if len(factors) < 3:
        raise ValueError(f"X must be a tensor of order 3 or more, got order {len(factors)}")
    k = factors[0].shape[1]
    # Products of sizes, or their squares, may overflow.
    moderate, exponents = zip(*map(with_exponents, factors), strict=True)
    sizes = np.prod([np.linalg.norm(U, axis=0) for U in moderate], axis=0)
    if not sizes.all():
        return 0.0
    # The size of a component is spread evenly over the modes: that of the core depends on it.
    spread = sizes ** (1.0 / len(factors)) * np.exp2(np.sum(exponents, axis=0) / len(factors))
    units = [unit(U) * spread for U in moderate]
    inverses = [from_numpy(np.linalg.pinv(U).T, data.prototype) for U in units]
    completed = data.completed(lambda: [from_numpy(U, data.prototype) for U in units])
    core = to_numpy(as_float64(completed.multi_mode_dot(inverses, skip=-1))).copy()
    core[(np.arange(k),) * len(units)] -= 1.0
    return float(100.0 * (1.0 - (core**2).sum() / k))
