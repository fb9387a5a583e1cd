"""The public solvers, in the orientation of `numpy.linalg.lstsq` and in Gram form."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse

from hntf.arrays import Array, as_bool, as_float64, backend_of, cast_like, from_numpy, to_numpy
from hntf.least_squares.certificate import NNLSInfo, is_unique, kkt_residual
from hntf.least_squares.gram import apply_gram, unit_columns
from hntf.least_squares.kinks import margin
from hntf.least_squares.solver import Solution, refine, solve
from hntf.threads import matmul, single_threaded_blas
from hntf.validation import (
    check_boolean,
    check_entries,
    check_number,
    check_real_array,
    check_same_home,
    check_shape,
    check_sparse,
)

ILL_CONDITIONED = 1e-8
"""Ratio of the Gram matrix's extreme eigenvalues below which its solution is refined against `A` itself."""


@overload
def nnls(
    A: Array,
    B: Array,
    *,
    weights: Array | None = ...,
    l2: float = ...,
    l1: float = ...,
    support: Array | None = ...,
    return_info: Literal[False] = ...,
) -> Array: ...
@overload
def nnls(
    A: Array,
    B: Array,
    *,
    weights: Array | None = ...,
    l2: float = ...,
    l1: float = ...,
    support: Array | None = ...,
    return_info: Literal[True],
) -> tuple[Array, NNLSInfo]: ...
def nnls(
    A: Array,
    B: Array,
    *,
    weights: Array | None = None,
    l2: float = 0.0,
    l1: float = 0.0,
    support: Array | None = None,
    return_info: bool = False,
) -> Array | tuple[Array, NNLSInfo]:
    r"""Solve nonnegative least-squares problems exactly, for many right-hand sides at once.

    .. math:: \min_{X \ge 0} \; \tfrac12 \|\sqrt{W} \circ (A X - B)\|_F^2 + \lambda_1 \sum X + \tfrac12 \lambda_2 \|X\|_F^2

    The orientation is that of `numpy.linalg.lstsq` and `scipy.optimize.nnls`. All columns are solved together by block
    principal pivoting on `AᵀA` and `AᵀB`, formed in float64 from columns of unit scale; hard columns are settled by an
    active set, and where `A` is ill-conditioned every column is refined against `A` itself.

    Parameters
    ----------
    A : array, `(m, k)`
        NumPy array or torch tensor, of any sign; `k > m`, zero and duplicate columns are fine.
    B : array or scipy.sparse matrix, `(m,)` or `(m, n)`
        Right-hand sides, of any sign, in the backend of `A`.
    weights : array, `(m,)` or the shape of `B`, optional
        Nonnegative weights of the squared residuals; zero leaves an entry out.
    l2, l1 : float
        Ridge and sparsity penalties `λ₂`, `λ₁`, at least 0.
    support : bool array, `(k,)` or `(k, n)`, optional
        Where to start the search: the support of a nearby problem's solution.
    return_info : bool
        Whether to return the certificate too.

    Returns
    -------
    X : array, `(k,)` or `(k, n)`
        In the backend and on the device of `A`; float32 where both inputs are, float64 else.
    info : NNLSInfo
        Only where `return_info`: support, KKT residual, margin, uniqueness, iterations.

    Raises
    ------
    TypeError, ValueError
        If an argument holds NaN, infinite or complex entries, has an empty axis or the wrong shape, or belongs to another
        backend or device; the message names it.

    See Also
    --------
    hntf.torch.nnls : the same as a differentiable function.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization*, SIAM J. Sci. Comput. 33(6).
    Lawson, Hanson (1974), *Solving Least Squares Problems*.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> B = np.array([[2.0, 1.0], [1.0, 1.0], [-1.0, 0.0]])
    >>> X, info = hntf.nnls(A, B, return_info=True)
    >>> X.round(3)
    array([[1.5, 1. ],
           [0. , 0. ]])
    >>> info.unique, info.kkt_residual < 1e-15
    (True, True)
    """
    A = check_real_array(A, "A", orders=(2,))
    B = _check_right_hand_side(B)
    check_same_home({"A": A, "B": None if scipy.sparse.issparse(B) else B, "weights": weights, "support": support})
    if A.shape[0] != B.shape[0]:
        raise ValueError(f"A and B must have as many rows, got {A.shape[0]} and {B.shape[0]}")
    check_number(l1, "l1")
    check_number(l2, "l2")
    shape = (A.shape[1], *B.shape[1:])
    if weights is not None:
        weights = _check_weights(weights, B)
    if support is not None:
        support = as_bool(check_boolean(support, "support", shape, "that of the solution")).reshape(shape[0], -1).T

    with single_threaded_blas():
        X, info = _solve(A, B, weights, l1, l2, support, return_info=return_info)
    X = cast_like(X, A) if _is_float32(A) and _is_float32(B) else X
    return (X, info) if info is not None else X


def _solve(
    A: Array, B: Any, weights: Array | None, l1: float, l2: float, support: Array | None, *, return_info: bool
) -> tuple[Array, NNLSInfo | None]:
    """Solve the checked problem in float64."""
    shape = (A.shape[1], *B.shape[1:])
    columns = B.astype(np.float64) if scipy.sparse.issparse(B) else as_float64(B).reshape(len(B), -1)
    problem = _Problem.scaled(as_float64(A), columns, weights, l1, l2)
    if not np.isfinite(float(backend_of(A).sum(problem.C))):
        # NaN and infinity reach the sum of C, which is smaller than B: only then are the entries looked at one by one.
        check_entries(B.tocoo().data if scipy.sparse.issparse(B) else B, "B")
        if not bool(backend_of(A).all(abs(problem.C) < np.inf)):
            raise ValueError("A and B are too large: their product overflows")
    solution = problem.solve(support)
    info = problem.certificate(solution, shape) if return_info else None
    X = solution.S
    X *= problem.scale
    return X.T.reshape(shape), info


@dataclass(frozen=True)
class _Problem:
    """A least-squares problem in scaled Gram form, its right-hand sides as rows: the solution is `S * scale`."""

    A: Array
    B: Array
    G: Array
    C: Array
    scale: Array
    refinable: bool

    @classmethod
    def scaled(cls, A: Array, B: Array, weights: Array | None, l1: float, l2: float) -> _Problem:
        """Scale the columns of `A` by powers of two, which rounds nothing, and form the Gram matrix and its right-hand side."""
        tl = backend_of(A)
        if weights is not None and weights.ndim == 1:
            root = tl.sqrt(weights)
            B = scipy.sparse.diags_array(root) @ B if scipy.sparse.issparse(B) else B * root[:, None]
            A, weights = A * root[:, None], None
        scale = _powers_of_two(A)
        A = A * scale
        if l2:
            A, B, weights = _with_ridge_rows(A, B, weights, l2**0.5 * scale)
        if weights is None:
            G, C = A.T @ A, B.T @ A if scipy.sparse.issparse(B) else matmul(B.T, A)
        else:
            B = B.toarray() if scipy.sparse.issparse(B) else B
            outer = tl.reshape(tl.einsum("mi,mj->mij", A, A), (len(A), -1))
            G, C = tl.reshape(weights.T @ outer, (-1, *2 * A.shape[1:])), (weights * B).T @ A
        if l1:
            C = C - l1 * scale
        return cls(A, B, G, C, scale, refinable=weights is None and not l1)

    @cached_property
    def factored(self) -> tuple[Array, Array] | None:
        """`R` and `Z` with the least-squares problem `‖R s − z‖`, where the Gram matrix has lost too much; else None."""
        if not self.refinable or not _is_ill_conditioned(self.G):
            return None
        Q, R = backend_of(self.A).qr(self.A)
        return R, self.B.T @ Q

    def solve(self, support: Array | None) -> Solution:
        """Solve in Gram form, then refine against `A` where that is not enough."""
        solution = solve(self.G, self.C, support)
        return solution if self.factored is None else refine(*self.factored, solution.S)

    def certificate(self, solution: Solution, shape: tuple[int, ...]) -> NNLSInfo:
        """Certify the solution; the margin is in the user's units."""
        S = solution.S
        if self.factored is None:
            Y = apply_gram(self.G, S) - self.C
        else:
            R, Z = self.factored
            Y = (S @ R.T - Z) @ R
        distance = margin(S * self.scale, Y / self.scale)
        return _certificate(self.G, self.C, solution, Y, solution.support.T.reshape(shape), distance)


def _certificate(G: Array, C: Array, solution: Solution, Y: Array, support: Array, distance: Array) -> NNLSInfo:
    return NNLSInfo(
        support=support,
        kkt_residual=float(kkt_residual(G, C, solution.S, Y).max()),
        margin=float(distance.min()),
        unique=is_unique(G, solution.S, Y, solution.support),
        n_iter=solution.n_iter,
    )


def _is_ill_conditioned(G: Array) -> bool:
    if len(G) == 1:
        return False
    values = np.linalg.eigvalsh(to_numpy(unit_columns(G)[0]))
    return bool(values[0] < ILL_CONDITIONED * values[-1])


def _powers_of_two(A: Array) -> Array:
    """Return, for each column, the power of two that brings its largest entry into [½, 1); 1 for a zero column."""
    tl = backend_of(A)
    largest = to_numpy(tl.max(tl.abs(A), axis=0))
    return from_numpy(np.ldexp(1.0, -np.frexp(largest)[1]), A)


def _with_ridge_rows(A: Array, B: Any, weights: Array | None, diagonal: Array) -> tuple[Array, Any, Array | None]:
    """Append the ridge penalty as rows of the least-squares problem."""
    tl = backend_of(A)
    k = len(diagonal)
    A = tl.concatenate([A, tl.eye(k, **tl.context(A)) * diagonal])
    if scipy.sparse.issparse(B):
        B = scipy.sparse.vstack([B, scipy.sparse.csr_array((k, B.shape[1]))])
    else:
        B = tl.concatenate([B, tl.zeros((k, B.shape[1]), **tl.context(B))])
    if weights is not None:
        weights = tl.concatenate([weights, tl.ones((k, weights.shape[1]), **tl.context(weights))])
    return A, B, weights


def _check_right_hand_side(B: Any) -> Any:
    if scipy.sparse.issparse(B):
        return check_sparse(B, "B")
    return check_real_array(B, "B", orders=(1, 2), entries=False)


def _check_weights(weights: Any, B: Any) -> Array:
    weights = check_real_array(weights, "weights", nonnegative=True)
    shape = (B.shape[0],) if weights.ndim == 1 else tuple(B.shape)
    check_shape(weights, "weights", shape, "one a row of B, or the shape of B")
    return as_float64(weights)


def _is_float32(x: Any) -> bool:
    return str(x.dtype).endswith("float32")


def nnls_gram(
    G: Array, C: Array, *, support: Array | None = None, return_info: bool = False
) -> Array | tuple[Array, NNLSInfo]:
    r"""Solve nonnegative least-squares problems given in Gram form.

    .. math:: \min_{s_i \ge 0} \; \tfrac12 s_i^T G_i s_i - c_i^T s_i, \qquad i = 1, \dots, n

    With `G = AᵀA` and `C = X A` this is `min_{S ≥ 0} ½‖X − S Aᵀ‖²`.

    Parameters
    ----------
    G : array, `(k, k)` or `(n, k, k)`
        Symmetric positive semidefinite Gram matrix, one for all rows or one a row.
    C : array, `(n, k)`
        Right-hand sides, in the range of their Gram matrix.
    support : bool array, `(n, k)`, optional
        Where to start the search.
    return_info : bool
        Whether to return the certificate too.

    Returns
    -------
    S : array, `(n, k)`
        In the backend, device and floating dtype of `C`.
    info : NNLSInfo
        Only where `return_info`.

    Raises
    ------
    TypeError, ValueError
        If an argument holds NaN, infinite or complex entries, has an empty axis or the wrong shape, is not symmetric, has a
        negative diagonal, or belongs to another backend or device.

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
    return S, _certificate(grams, rows, solution, Y, solution.support, margin(solution.S, Y))


def _check_gram(G: Array) -> None:
    diagonal = backend_of(G).einsum("...jj->...j", G)
    if float(diagonal.min()) < 0:
        raise ValueError(f"G must be positive semidefinite, got a diagonal entry of {float(diagonal.min()):g}")
    asymmetry, largest = float(abs(G - G.mT).max()), float(abs(G).max())
    if asymmetry > 1e-6 * largest:
        raise ValueError(f"G must be symmetric, got entries that differ from their mirror image by {asymmetry:g}")
