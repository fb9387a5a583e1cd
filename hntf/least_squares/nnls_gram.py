"""The public solver in Gram form."""

from __future__ import annotations

import numpy as np

from hntf.arrays import Array, arange_like, as_bool, as_float64, backend_of, cast_like, from_numpy, to_numpy
from hntf.least_squares.certificate import NNLSInfo, Rows, kkt_residual
from hntf.least_squares.gram import apply_gram, column_norms, row_grams, unit_columns
from hntf.least_squares.solver import Solution, solve
from hntf.scales import EPS, exponents_of, inverse_power
from hntf.validation import check_boolean, check_real_array, check_same_home


def nnls_gram(
    G: Array, C: Array, *, support: Array | None = None, return_info: bool = False
) -> Array | tuple[Array, NNLSInfo]:
    r"""Solve nonnegative least-squares problems given in Gram form.

    .. math:: \min_{s_i \ge 0} \; \tfrac12 s_i^T G_i s_i - c_i^T s_i, \qquad i = 1, \dots, n

    With `G = AᵀA` and `C = X A` this is `min_{S ≥ 0} ½‖X − S Aᵀ‖²`.

    Parameters
    ----------
    G : array, `(k, k)`, `(…, k, k)` or `(…, n, k, k)`
        Symmetric positive semidefinite Gram matrices: one for all rows, one for each problem of a batch, or one for each row.
    C : array, `(…, n, k)`
        Right-hand sides; each row must be in the range of its Gram matrix. A part along eigenvectors whose eigenvalues are rounding
        (below `32 k ε` with unit columns) is not fitted.
    support : bool array, shape of `C`, optional
        The support from which the search starts, for example that of the solution of a nearby problem.
    return_info : bool
        Whether to return information on the solution as well.

    Returns
    -------
    S : array, shape of `C`
        The solution, in the backend and floating dtype and on the device of `C`.
    info : NNLSInfo
        Support, KKT residual, margin, uniqueness and number of iterations; only if `return_info`.

    Raises
    ------
    TypeError, ValueError
        If an argument holds NaN, infinite or complex entries, has an empty axis or the wrong shape, is not symmetric or
        not positive semidefinite, or belongs to another backend or device; or a cost has no lower bound, because a row of `C` is
        not in the range of its Gram matrix.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hntf.nnls_gram(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [3.0, 3.0]]))
    array([[1.5, 0. ],
           [1. , 1. ]])
    """
    C = check_real_array(C, "C", may_be_empty=True)
    G = check_real_array(G, "G", may_be_empty=True)
    check_same_home({"G": G, "C": C, "support": support})
    _check_shapes(tuple(G.shape), tuple(C.shape))
    k = C.shape[-1]
    grams, rows = as_float64(G).reshape(-1, k, k), as_float64(C).reshape(-1, k)
    if support is not None:
        support = as_bool(check_boolean(support, "support", tuple(C.shape), "that of C")).reshape(-1, k)
    scale = 1.0
    if len(grams):
        singular = _check_gram(grams)
        # Small diagonal entries, which are squares, lose their digits and vanish first.
        scales = from_numpy(inverse_power(to_numpy(column_norms(grams))), grams)
        grams = grams * scales[:, :, None] * scales[:, None, :]
        scale = scales[arange_like(len(rows), rows) // (len(rows) // len(scales))] if len(rows) else scales[:0]
        rows = rows * scale
        solution = solve(grams, rows, support)
        if singular:
            check_bounded(grams, rows, solution.S)
    else:
        solution = Solution(rows, rows > 0, 0)
    S = cast_like(solution.S * scale, C).reshape(C.shape)
    if not return_info:
        return S
    grams = row_grams(grams, len(rows))
    exponents = exponents_of(to_numpy(scale)) if len(rows) else 0
    dual = apply_gram(grams, solution.S) - rows
    problem = Rows(grams, rows, solution.S, solution.support, dual, exponents, -exponents)
    return S, NNLSInfo(solution.support.reshape(C.shape), solution.n_iter, [problem])


def _check_shapes(of_grams: tuple[int, ...], of_rows: tuple[int, ...]) -> None:
    if len(of_rows) < 2 or of_rows[-1] == 0:
        raise ValueError(f"C must have shape (…, n, k) with k at least 1, got {of_rows}")
    k, lead = of_rows[-1], of_rows[:-2]
    allowed = dict.fromkeys([(k, k), (*lead, k, k), (*of_rows, k)])
    if of_grams not in allowed:
        *others, last = [str(shape) for shape in allowed]
        raise ValueError(
            f"G must have shape {', '.join(others)} or {last}, one Gram for all rows of C, one a problem or one a row; "
            f"got {of_grams}"
        )


INDEFINITE = 1e-6
"""Size of a negative eigenvalue, relative to the largest one, that rounding in single precision does not explain."""


UNBOUNDED = 1e-2
"""Violation of the optimality conditions from which it is none of rounding, even where eigenvectors are rounding themselves."""


def check_bounded(G: Array, C: Array, S: Array) -> None:
    """Raise `ValueError` if solutions of problems with singular Gram matrices are none, since the cost falls without end."""
    grams = row_grams(G, len(C))
    worst = float(kkt_residual(grams, C, S, apply_gram(grams, S) - C).max()) if len(C) else 0.0
    if not worst <= UNBOUNDED:
        raise ValueError(
            f"C must be in the range of G: the cost of a row has no lower bound, its solution violates the optimality "
            f"conditions by {worst:.1g}"
        )


def is_singular(eigenvalues: Array) -> bool:
    """Tell whether an eigenvalue of Gram matrices, `(…, k)` in ascending order, is rounding."""
    k = eigenvalues.shape[-1]
    return bool((eigenvalues[..., 0] <= 32 * k * EPS * eigenvalues[..., -1]).any())


def _check_gram(G: Array) -> bool:
    """Check Gram matrices, and tell whether one is singular."""
    diagonal = backend_of(G).einsum("...jj->...j", G)
    if float(diagonal.min()) < 0:
        raise ValueError(f"G must be positive semidefinite, got a diagonal entry of {float(diagonal.min()):g}")
    scaled = to_numpy(unit_columns(G)[0])
    asymmetry = float(np.abs(scaled - scaled.mT).max())
    if asymmetry > 1e-6:
        raise ValueError(
            f"G must be symmetric, got entries that differ from their mirror image by {asymmetry:g} with unit columns"
        )
    values = np.linalg.eigvalsh(scaled)
    if values.min() < -INDEFINITE * values.max():
        raise ValueError(
            f"G must be positive semidefinite, got a negative eigenvalue, {values.min():g} with unit columns"
        )
    return is_singular(values)
