"""Components of two decompositions, matched by their congruence over all modes: the factor match score and what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from hntf.metrics.inputs import factor_matrices
from hntf.scales import LARGEST_EXPONENT, with_exponents


def congruences(U: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Return the cosines of the columns of two factors, `(k, k')`; those with a zero column are 0."""
    return unit(U).T @ unit(V)


def similarities(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> np.ndarray:
    """Return the products over the modes of the congruences of all pairs of components, `(k, k')`."""
    return np.prod([congruences(U, V) for U, V in zip(first, second, strict=True)], axis=0)


def matched(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return which component of the second decomposition matches each of the first, and their similarities.

    The sum of the similarities is largest (Hungarian method). With fewer components in the second, -1 has no partner.
    """
    return assigned(similarities(first, second))


def assigned(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which column is assigned to each row so that the sum is largest, -1 for none, and the similarities of the pairs."""
    rows, columns = linear_sum_assignment(-similarity)
    order, score = np.full(len(similarity), -1), np.zeros(len(similarity))
    order[rows], score[rows] = columns, similarity[rows, columns]
    return order, score


def congruence(first: Any, second: Any) -> np.ndarray:
    r"""Return Tucker's congruence coefficients of all pairs of columns of two factors.

    .. math:: c_{ij} = u_i^T v_j / (\|u_i\| \|v_j\|)

    Parameters
    ----------
    first, second : arrays, `(d, k)` and `(d, k')`
        The factors.

    Returns
    -------
    array, `(k, k')`

    References
    ----------
    Tucker (1951), *A method for synthesis of factor analysis studies*.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.metrics.congruence(np.eye(2), np.array([[1.0], [1.0]])).round(2)
    array([[0.71],
           [0.71]])
    """
    (U,), (V,) = factor_matrices([first], "first"), factor_matrices([second], "second")
    if len(U) != len(V):
        raise ValueError(f"first and second must have the same number of rows, got {len(U)} and {len(V)}")
    return congruences(U, V)


def factor_match_score(first: Any, second: Any, *, weighted: bool = False, return_permutation: bool = False) -> Any:
    r"""Return how well the components of two decompositions match, between 0 (or -1 with signs) and 1.

    .. math:: \frac1k \sum_{r} w_r \prod_i \frac{u_{i,r}^T v_{i,π(r)}}{\|u_{i,r}\| \|v_{i,π(r)}\|}

    with the best permutation π. With `weighted`, `w_r = 1 − |λ_r − μ_{π(r)}| / max(λ_r, μ_{π(r)})` for the norms λ, μ of the
    components; otherwise 1. A component without a partner counts as 0.

    Parameters
    ----------
    first, second : CPTensor, estimator, or sequence of arrays, `(d_i, k)`
        The decompositions, by their factors of all modes. A fitted estimator stands for its finest level.
    weighted : bool
        Whether the norms have to match as well.
    return_permutation : bool
        Whether to return the permutation, too.

    Returns
    -------
    float, or tuple of float and array
        The score, and for every component of the first the matching one of the second, -1 for none.

    References
    ----------
    Acar, Dunlavy, Kolda (2011), *A scalable optimization approach for fitting canonical tensor decompositions*, J. Chemometrics.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> S, A = np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 1.0], [0.0, 1.0]])
    >>> round(hntf.metrics.factor_match_score([S, A], [S[:, ::-1], A[:, ::-1]]), 12)
    1.0
    """
    F, G = factor_matrices(first, "first"), factor_matrices(second, "second")
    if [len(U) for U in F] != [len(U) for U in G]:
        raise ValueError(
            f"first and second must have factors of the same dimensions, got {[len(U) for U in F]} and {[len(U) for U in G]}"
        )
    similarity = similarities(F, G)
    if weighted:
        a, b = (sizes_of(factors) for factors in (F, G))
        similarity = similarity * _ratios_of_sizes(a, b)
    order, score = assigned(similarity)
    result = float(score.sum() / max(F[0].shape[1], G[0].shape[1]))
    return (result, order) if return_permutation else result


def sizes_of(factors: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the norms of components as `m` and integers `e` with norms `m 2^e`, which neither overflow nor vanish."""
    moderate, exponents = zip(*[with_exponents(U) for U in factors], strict=True)
    return np.prod([np.linalg.norm(V, axis=0) for V in moderate], axis=0), np.sum(exponents, axis=0)


def _ratios_of_sizes(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return for all pairs the smaller size over the larger one, `1 − |λ − μ| / max(λ, μ)`; 0 where one or both are zero."""
    both = np.multiply.outer(a[0], b[0]) > 0
    quotients = np.divide.outer(a[0], np.where(b[0] > 0, b[0], 1.0)), np.subtract.outer(a[1], b[1])
    # Beyond the range of exponents the ratio is 0 or infinite, whatever the mantissa.
    ratios = np.ldexp(quotients[0], np.clip(quotients[1], -LARGEST_EXPONENT, LARGEST_EXPONENT))
    return both * np.minimum(ratios, 1.0 / np.where(both, ratios, 1.0))


def unit(U: np.ndarray) -> np.ndarray:
    """Return a factor with columns of unit norm, or zero."""
    U, _ = with_exponents(U)
    norms = np.linalg.norm(U, axis=0)
    return U / np.where(norms > 0, norms, 1.0)
