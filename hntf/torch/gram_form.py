"""Nonnegative least squares in Gram form as a differentiable torch function."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hntf.least_squares.nnls_gram import check_bounded
from hntf.torch.checks import check_semidefinite, check_tensor, checked_support
from hntf.torch.information import info_of
from hntf.torch.primitive import Factor, solve
from hntf.torch.reading import is_concrete
from hntf.torch.scaling import cast_code, exponents_of, times_power


def nnls_gram(G: Tensor, C: Tensor, *, support: Tensor | None = None, return_info: bool = False) -> Any:
    r"""Solve nonnegative least-squares problems given in Gram form, differentiably in both arguments.

    .. math:: \min_{s_i \ge 0} \; \tfrac12 s_i^T G_i s_i - c_i^T s_i, \qquad i = 1, \dots, n

    Only the symmetric part of `G` is used.

    Parameters
    ----------
    G : tensor, `(…, k, k)` or `(…, n, k, k)`
        Symmetric positive semidefinite Gram matrices: one for all rows of a problem, or, with one dimension more than `C`, one
        per row. Leading dimensions are broadcast.
    C : tensor, `(…, n, k)`
        Right-hand sides.
    support : bool tensor, shape of `C`, optional
        The support from which the search starts.
    return_info : bool
        Whether to return information on the solution as well.

    Returns
    -------
    S : tensor, `(…, n, k)`
        The solution, in the dtype and on the device of `C`.
    info : NNLSInfo
        Only if `return_info`; as in `nnls`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a dense tensor of finite real numbers, shapes or devices do not match, `G` is not positive
        semidefinite, or a cost has no lower bound, because a row of `C` is not in the range of its Gram matrix.

    Examples
    --------
    >>> import torch, hntf
    >>> hntf.torch.nnls_gram(torch.tensor([[2.0, 1.0], [1.0, 2.0]]), torch.tensor([[3.0, 0.0], [3.0, 3.0]]))
    tensor([[1.5000, 0.0000],
            [1.0000, 1.0000]])
    """
    for name, x in (("G", G), ("C", C)):
        check_tensor(name, x)
    k = C.shape[-1]
    if k == 0:
        raise ValueError(f"C must have components along its last axis, got shape {tuple(C.shape)}")
    if C.ndim < 2 or G.ndim < 2 or G.shape[-2:] != (k, k):
        raise ValueError(
            f"G must have shape (…, {k}, {k}) and C (…, n, {k}), got {tuple(G.shape)} and {tuple(C.shape)}"
        )
    if G.device != C.device:
        raise ValueError(f"G and C must be on one device, got {G.device} and {C.device}")
    grams, rows = G.double(), C.double()
    by_row = G.ndim == C.ndim + 1
    if by_row:
        rows = rows[..., None, :]
    try:
        batch = torch.broadcast_shapes(grams.shape[:-2], rows.shape[:-2])
    except RuntimeError:
        raise ValueError(
            f"G must have the leading dimensions of C, got shapes {tuple(G.shape)} and {tuple(C.shape)}"
        ) from None
    shape = (*batch, k) if by_row else (*batch, C.shape[-2], k)
    if support is not None:
        support = checked_support(support, shape)
        support = support[..., None, :] if by_row else support
        support = support.expand(*batch, rows.shape[-2], k)
    if grams.ndim == 2:
        rows = rows.flatten(0, -2)
        support = None if support is None else support.flatten(0, -2)
    else:
        grams, rows = grams.expand(*batch, k, k), rows.expand(*batch, rows.shape[-2], k)
    grams = 0.5 * (grams + grams.mT)
    singular = check_semidefinite(grams, rounding=4 * k * torch.finfo(G.dtype).eps)
    exponents = exponents_of(torch.diagonal(grams.detach(), dim1=-2, dim2=-1).clamp(min=0).sqrt()[..., None, :])
    if exponents is not None:
        scale = torch.exp2(exponents)
        grams, rows = grams * scale * scale.mT, rows * scale
    solved = solve(grams, rows, Factor(), support)
    if singular and is_concrete(solved.S):
        flat = (x.detach().reshape(-1, *x.shape[axis:]) for x, axis in ((grams, -2), (rows, -1), (solved.S, -1)))
        check_bounded(*flat)
    S = cast_code((solved.S if exponents is None else times_power(solved.S, exponents)).reshape(shape), C.dtype)
    return (S, info_of(solved, grams, rows, shape, exponents)) if return_info else S
