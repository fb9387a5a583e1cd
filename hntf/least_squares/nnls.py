"""The public solver, in the orientation of `numpy.linalg.lstsq`."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse

from hntf.arrays import (
    Array,
    as_float64,
    backend_of,
    broadcast_to,
    cast_like,
    columns,
    host_view,
)
from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.gram_blocks import FEWEST_EQUAL, EqualRows, in_blocks
from hntf.least_squares.scaled_problem import ScaledProblem
from hntf.threads import single_threaded_blas
from hntf.validation import (
    check_entries,
    check_number,
    check_real_array,
    check_same_home,
    check_shape,
    check_sparse,
    checked_support,
)

BLOCK_ENTRIES = 2**23
"""Number of entries of the Gram matrices that are formed at a time: 64 MiB."""


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

    The orientation is that of `numpy.linalg.lstsq` and `scipy.optimize.nnls`. All columns are solved together by block principal
    pivoting on `AᵀA` and `AᵀB`, which are formed in float64 from scaled columns. If `A` is ill-conditioned, or where pivoting does
    not settle a column, an active-set method works on an orthogonal factorization of `A`, which is updated as columns enter and
    leave.

    Parameters
    ----------
    A : array or scipy.sparse matrix, `(m, k)`, or array, `(…, m, k)`
        NumPy array or torch tensor, of any sign. `k > m`, zero columns and duplicate columns are allowed. With leading
        dimensions, a batch of problems.
    B : array or scipy.sparse matrix, `(m,)` or `(m, n)`, or array, `(…, m)` or `(…, m, n)`
        Right-hand sides, of any sign, in the backend of `A`. The leading dimensions of `A` and `B` are broadcast; those of the
        other arguments and of the results are the same. An array with one dimension less than a batch `A` holds a vector for
        each problem, if its shape allows that.
    weights : array, `(m,)` or `(…, m)`, or a shape that can be broadcast to that of `B`, optional
        Nonnegative weights of the squared residuals. An entry with weight zero is never looked at: it may be NaN.
    l2, l1 : float
        Ridge and sparsity penalties `λ₂`, `λ₁`, at least 0.
    support : bool array, the shape of the solution, optional
        The support from which the search starts, for example that of the solution of a nearby problem.
    return_info : bool
        Whether to return information on the solution as well.

    Returns
    -------
    X : array, `(k,)` or `(k, n)`, or `(…, k)` or `(…, k, n)`
        The solution, in the backend and on the device of `A`; float32 if both inputs are float32 and
        it fits, otherwise float64.
    info : NNLSInfo
        Support, KKT residual, margin, uniqueness and number of iterations; only if `return_info`.

    Raises
    ------
    TypeError, ValueError
        If an argument holds NaN, infinite or complex entries, has an empty axis or the wrong shape, or belongs to another
        backend or device; the message names it. A torch tensor that requires a gradient is refused while gradients are
        enabled: `hntf.torch.nnls` is differentiable.

    See Also
    --------
    hntf.torch.nnls : The same problem as a differentiable function, with samples in rows.

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
    check_number(l1, "l1")
    check_number(l2, "l2")
    for name, x in (("A", A), ("B", B)):
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{name} is a masked array; pass its data, and hide entries of B with weights of 0")
    A, B = (check_real_array(x, name, entries=False) if isinstance(x, list) else x for name, x in (("A", A), ("B", B)))
    weights, support = (np.asarray(x) if isinstance(x, list) else x for x in (weights, support))
    if scipy.sparse.issparse(A):
        A = check_sparse(A, "A")
    else:
        A = check_real_array(A, "A", orders=(2,)) if getattr(A, "ndim", 2) <= 2 else _check_batch(A)
    B = _check_right_hand_side(A, B, weighted=weights is not None)
    dense = {"A": A, "B": B, "weights": weights, "support": support}
    check_same_home({name: np.empty(0) if scipy.sparse.issparse(x) else x for name, x in dense.items()})
    if A.ndim == 2 < B.ndim:
        return _of_one_dictionary(A, B, weights, support, {"l1": l1, "l2": l2, "return_info": return_info})
    A, B = (A, B) if A.ndim == 2 else _with_one_lead(A, B)
    lead = tuple(A.shape[:-2])
    if A.shape[-2] != B.shape[len(lead)]:
        raise ValueError(f"A and B must have as many rows, got {A.shape[-2]} and {B.shape[len(lead)]}")
    shape = (*lead, A.shape[-1], *B.shape[len(lead) + 1 :])
    if weights is not None:
        weights = _check_weights(weights, B, len(lead))
        B = _visible(B, weights)
    support = checked_support(support, "support", shape, "that of the solution")

    with single_threaded_blas():
        solve = _solve if weights is None or lead or weights.ndim == 1 else _solve_by_weights
        X, info = solve(A, B, weights, l1, l2, support, return_info=return_info)
    X = cast_like(X, A) if _is_float32(A) and _is_float32(B) else X
    return (X, info) if info is not None else X


def _solve_by_weights(
    A: Array, B: Any, weights: Array, l1: float, l2: float, support: Array | None, *, return_info: bool
) -> tuple[Array, NNLSInfo | None]:
    """Solve a problem with weights of every entry: right-hand sides with the same ones together, and the others in blocks.

    Each of the others has a Gram matrix of its own, and all of these together may be far larger than the data.
    """
    groups: list[np.ndarray] = []
    others = np.arange(B.shape[1])
    if (host := host_view(weights)) is not None and len(others) >= FEWEST_EQUAL:
        _, groups, others = EqualRows.of_rows(host.T)
    blocks = list(in_blocks(others, A.shape[1] ** 2, BLOCK_ENTRIES))
    if len(groups) + len(blocks) <= 1:
        return _solve(A, B, weights[:, 0] if groups else weights, l1, l2, support, return_info=return_info)
    parts = [(at, weights[:, at[0]]) for at in groups] + [(at, weights[:, at]) for at in blocks]
    solved = [
        _solve(A, B[:, at], of_part, l1, l2, None if support is None else support[:, at], return_info=return_info)
        for at, of_part in parts
    ]
    order = np.argsort(np.concatenate([at for at, _ in parts]))
    tl = backend_of(A)

    def in_order(of_parts: list[Array]) -> Array:
        return columns(tl.concatenate(of_parts, axis=1), order)

    X, infos = in_order([of_part for of_part, _ in solved]), [info for _, info in solved if info is not None]
    return X, NNLSInfo.joined(in_order([info.support for info in infos]), infos) if infos else None


def _solve(
    A: Array, B: Any, weights: Array | None, l1: float, l2: float, support: Array | None, *, return_info: bool
) -> tuple[Array, NNLSInfo | None]:
    """Solve the checked problem, or batch of problems, in float64."""
    lead, (m, k) = A.shape[:-2], A.shape[-2:]
    shape = (*lead, k, *B.shape[len(lead) + 1 :])
    n = B.shape[-1] if B.ndim == A.ndim else 1
    # A batch has one leading dimension here, a single problem has none.
    batch = (math.prod(lead),) if lead else ()
    right = B.astype(np.float64) if scipy.sparse.issparse(B) else as_float64(B).reshape(*batch, m, n)
    matrix = A.astype(np.float64).tocsr() if scipy.sparse.issparse(A) else as_float64(A).reshape(*batch, m, k)
    if weights is not None:
        weights = (
            weights.reshape(*batch, m, n) if weights.ndim == B.ndim > len(lead) + 1 else weights.reshape(*batch, m)
        )
    start = None if support is None else support.reshape(*batch, k, n).mT.reshape(-1, k)
    problem = ScaledProblem.scaled(matrix, right, weights, l1, l2)
    tl = backend_of(problem.C)
    if not np.isfinite(float(tl.sum(problem.C))):
        # NaN and infinity propagate to the sum of C, which is smaller than B, so the entries are only checked in this case.
        check_entries(B.tocoo().data if scipy.sparse.issparse(B) else B, "B", hidden_by="weights of 0")
        if not bool(tl.all(abs(problem.C) < np.inf)):
            raise ValueError("A and B are too large: their product overflows")
    solution = problem.solve(start)

    def as_given(rows: Array) -> Array:
        return rows.reshape(*batch, n, k).mT.reshape(shape)

    info = problem.certificate(solution, as_given(solution.support)) if return_info else None
    problem.forget()
    S = problem.in_units_of_data(solution.S)
    if info is not None and S is solution.S:
        # The certificate keeps the solution, and users may change theirs.
        S = 1.0 * S
    if len(S) and not float(S.max()) < np.inf:
        raise ValueError("A is too small beside B: the solution overflows")
    return as_given(S), info


def _check_batch(A: Array) -> Array:
    """Check a batch of dictionaries, which may be empty."""
    A = check_real_array(A, "A", may_be_empty=True)
    if 0 in A.shape[-2:]:
        raise ValueError(f"A must have shape (…, m, k) without an empty axis, got {tuple(A.shape)}")
    return A


def _visible(B: Any, weights: Array) -> Any:
    """Return `B` with zeros where the weight is zero, so that what stands there has no effect."""
    seen = weights > 0 if weights.ndim == B.ndim else (weights > 0)[..., None]
    return backend_of(B).where(seen, B, 0 * backend_of(B).zeros_like(B))


def _check_right_hand_side(A: Any, B: Any, *, weighted: bool) -> Any:
    if scipy.sparse.issparse(B):
        if A.ndim > 2:
            raise TypeError("B must be a dense array with a batch of dictionaries, got a sparse matrix")
        return B.toarray() if weighted else check_sparse(B, "B")
    return check_real_array(B, "B", entries=False, may_be_empty=True)


def _with_one_lead(A: Array, B: Array) -> tuple[Array, Array]:
    """Return a batch of dictionaries and its right-hand sides, `(…, m)` or `(…, m, n)`, with leading dimensions of both."""
    m, lead = A.shape[-2], tuple(A.shape[:-2])
    is_vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape[-1] == m and _broadcasts(B.shape[:-1], lead))
    of_one = tuple(B.shape[-1:] if is_vector else B.shape[-2:])
    of_batch = tuple(B.shape[: B.ndim - len(of_one)])
    if of_one[0] != m or not _broadcasts(of_batch, lead):
        raise ValueError(
            f"B must have shape (…, {m}) or (…, {m}, n), with leading dimensions that can be broadcast with those of A, {lead}; "
            f"got {tuple(B.shape)}"
        )
    lead = np.broadcast_shapes(lead, of_batch)
    return broadcast_to(A, (*lead, *A.shape[-2:])), broadcast_to(B, (*lead, *of_one))


def _broadcasts(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether shapes can be broadcast with each other."""
    return all(a == b or 1 in (a, b) for a, b in zip(one[::-1], other[::-1], strict=False))


def _of_one_dictionary(A: Any, B: Array, weights: Any, support: Any, options: dict[str, Any]) -> Any:
    """Solve for a batch of right-hand sides `(…, m, n)` of one dictionary, as the columns of one matrix."""
    (*lead, m, n), k = B.shape, A.shape[1]

    def side_by_side(x: Any, rows: int, name: str) -> Any:
        if x is None or tuple(x.shape) == (rows,):
            return x
        x = x[..., None] if x.ndim == B.ndim - 1 else x
        if x.ndim != B.ndim or not _fits(x.shape, (*lead, rows, n)):
            raise ValueError(
                f"{name} must have a shape that can be broadcast to {(*lead, rows, n)}, got {tuple(x.shape)}"
            )
        return backend_of(x).moveaxis(broadcast_to(x, (*lead, rows, n)), -2, 0).reshape(rows, -1)

    if B.shape[-2] != A.shape[0]:
        raise ValueError(f"A and B must have as many rows, got {A.shape[0]} and {B.shape[-2]}")

    def as_given(X: Array) -> Array:
        return backend_of(X).moveaxis(X.reshape(k, *lead, n), 0, -2)

    solve: Any = nnls
    of_entries, start = side_by_side(weights, m, "weights"), side_by_side(support, k, "support")
    found = solve(A, side_by_side(B, m, "B"), weights=of_entries, support=start, **options)
    if not options["return_info"]:
        return as_given(found)
    return as_given(found[0]), replace(found[1], support=as_given(found[1].support))


def _check_weights(weights: Any, B: Any, n_lead: int) -> Array:
    weights = check_real_array(weights, "weights", nonnegative=True, may_be_empty=True)
    of_rows, shape = tuple(B.shape[: n_lead + 1]), tuple(B.shape)
    # Two axes beside a batch of one are those of the rows, if they can be, or else those of one problem.
    for full, fewest in ((shape, len(shape)), (of_rows, 1), (shape, 2)):
        if fewest <= weights.ndim <= len(full) and _fits(weights.shape, full):
            return broadcast_to(as_float64(weights), full)
    check_shape(
        weights, "weights", of_rows if weights.ndim == len(of_rows) else shape, "one a row of B, or the shape of B"
    )
    return as_float64(weights)


def _fits(shape: tuple[int, ...], full: tuple[int, ...]) -> bool:
    """Tell whether a shape can be broadcast to a full one."""
    return all(a in (1, b) for a, b in zip(shape[::-1], full[::-1], strict=False))


def _is_float32(x: Any) -> bool:
    return str(x.dtype).endswith("float32")
