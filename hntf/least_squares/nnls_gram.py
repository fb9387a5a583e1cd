"""The public solver in Gram form."""

from __future__ import annotations

import numpy as np

from hntf.arrays import Array, as_bool, as_float64, backend_of, cast_like, to_numpy
from hntf.least_squares.certificate import NNLSInfo, Rows
from hntf.least_squares.gram import apply_gram, unit_columns
from hntf.least_squares.solver import solve
from hntf.validation import check_boolean, check_real_array, check_same_home, check_shape


def nnls_gram(
    G: Array, C: Array, *, support: Array | None = None, return_info: bool = False
) -> Array | tuple[Array, NNLSInfo]:
    r"""Solve nonnegative least-squares problems given in Gram form.

    .. math:: \min_{s_i \ge 0} \; \tfrac12 s_i^T G_i s_i - c_i^T s_i, \qquad i = 1, \dots, n

    With `G = AᵀA` and `C = X A` this is `min_{S ≥ 0} ½‖X − S Aᵀ‖²`.

    Parameters
    ----------
    G : array, `(k, k)` or `(n, k, k)`
        Symmetric positive semidefinite Gram matrix: one for all rows, or one per row.
    C : array, `(n, k)`
        Right-hand sides; each row must be in the range of its Gram matrix. A part along eigenvectors whose eigenvalues are rounding
        (below `32 k ε` with unit columns) is not fitted.
    support : bool array, `(n, k)`, optional
        The support from which the search starts, for example that of the solution of a nearby problem.
    return_info : bool
        Whether to return information on the solution as well.

    Returns
    -------
    S : array, `(n, k)`
        The solution, in the backend and floating dtype and on the device of `C`.
    info : NNLSInfo
        Support, KKT residual, margin, uniqueness and number of iterations; only if `return_info`.

    Raises
    ------
    TypeError, ValueError
        If an argument holds NaN, infinite or complex entries, has an empty axis or the wrong shape, is not symmetric or
        not positive semidefinite, or belongs to another backend or device.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.nnls_gram(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [3.0, 3.0]]))
    array([[1.5, 0. ],
           [1. , 1. ]])
    """
    C = check_real_array(C, "C", orders=(2,))
    G = check_real_array(G, "G", orders=(2, 3))
    check_same_home({"G": G, "C": C, "support": support})
    n, k = C.shape
    check_shape(G, "G", (k, k) if G.ndim == 2 else (n, k, k), "one Gram for all rows of C, or one a row")
    grams, rows = as_float64(G), as_float64(C)
    _check_gram(grams)
    if support is not None:
        support = as_bool(check_boolean(support, "support", (n, k), "that of C"))
    solution = solve(grams, rows, support)
    S = cast_like(solution.S, C)
    if not return_info:
        return S
    Y = apply_gram(grams, solution.S) - rows
    return S, NNLSInfo(solution.support, solution.n_iter, [Rows(grams, rows, solution.S, solution.support, Y)])


INDEFINITE = 1e-6
"""Size of a negative eigenvalue, relative to the largest one, that rounding in single precision does not explain."""


def _check_gram(G: Array) -> None:
    diagonal = backend_of(G).einsum("...jj->...j", G)
    if float(diagonal.min()) < 0:
        raise ValueError(f"G must be positive semidefinite, got a diagonal entry of {float(diagonal.min()):g}")
    asymmetry, largest = float(abs(G - G.mT).max()), float(abs(G).max())
    if asymmetry > 1e-6 * largest:
        raise ValueError(f"G must be symmetric, got entries that differ from their mirror image by {asymmetry:g}")
    values = np.linalg.eigvalsh(to_numpy(unit_columns(G)[0]))
    if values.min() < -INDEFINITE * values.max():
        raise ValueError(
            f"G must be positive semidefinite, got a negative eigenvalue, {values.min():g} with unit columns"
        )
