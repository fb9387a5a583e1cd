"""Nonnegative least squares as differentiable torch functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hntf.arrays import from_numpy, to_numpy
from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.rooted_problems import bound_of_norms
from hntf.least_squares.scaled_problem import LARGEST_PENALTY
from hntf.torch.checks import (
    INTEGERS,
    broadcast,
    check_problem,
    checked_penalty,
    checked_support,
)
from hntf.torch.equal_weights import equal_samples, in_order, rows_of, weighted
from hntf.torch.information import info_of
from hntf.torch.primitive import Factor, Solved, solve
from hntf.torch.products import matmul
from hntf.torch.scaling import (
    as_seen,
    cast_code,
    exponents_of,
    exponents_of_seen,
    is_moderate,
    largest_entries,
    times_power,
    vanish,
)

Penalty = float | Tensor

HUGE = 1e100
"""Scaled entry whose square is not formed where nobody sees it."""


def nnls(
    X: Tensor,
    A: Tensor,
    *,
    l1: Penalty = 0.0,
    l2: Penalty = 0.0,
    weights: Tensor | None = None,
    support: Tensor | None = None,
    return_info: bool = False,
) -> Any:
    r"""Solve nonnegative least-squares problems, differentiably in all arguments.

    .. math:: q(X, A) = \mathrm{argmin}_{S \ge 0} \; \tfrac12 \|\sqrt{W} \circ (X - S A^T)\|_F^2
        + \langle \lambda_1, S \rangle + \tfrac12 \langle \lambda_2, S \circ S \rangle

    The solution and its first and second derivatives are exact, wherever they exist. At a kink, and where the solution is not
    unique, the gradient is that of the returned solution on its support, whose columns are linearly independent; it is finite
    where the dtype of the argument can hold it. In CPU memory, ill-conditioned problems are solved on an orthogonal factorization
    of `A`. Samples are rows, as in a torch batch; `hntf.nnls(A, B)` has them in columns.

    Parameters
    ----------
    X : tensor, `(…, n, m)` or `(m,)`
        Samples, of floating-point dtype and any sign.
    A : tensor, `(m, k)` or `(…, m, k)`
        The dictionary, of any sign: one for all samples, or one per problem of a batch. The leading dimensions of `X` and `A` are
        broadcast.
    l1, l2 : float or tensor
        Sparsity and ridge penalties `λ₁`, `λ₂` on the code, at least 0; a tensor has a shape that can be broadcast to that of the
        code: a scalar, `(k,)` for each component, `(…, n, 1)` for each sample.
    weights : tensor, optional
        Nonnegative weights `W` of the entries, or a mask of booleans, of a shape that can be broadcast to that of `X`. An entry
        with weight zero is never looked at, so that the gradient of that weight is zero.
    support : bool tensor, shape of the code, optional
        The support from which the search starts, for example that of the last step of a training.
    return_info : bool
        Whether to return information on the solution as well.

    Returns
    -------
    S : tensor, `(…, n, k)`, or `(…, k)` of a single sample `(m,)`
        The nonnegative codes of the samples, on the device and in the dtype of `X`, or in the next wider one where they overflow
        or vanish; computed in float64.
    info : NNLSInfo
        Support, number of iterations, KKT residual, margin and uniqueness; only if `return_info`. What it does not hold yet is
        computed when it is read.

    Raises
    ------
    TypeError
        If an argument is not a dense tensor of real floating-point numbers.
    ValueError
        If shapes or devices do not match, entries are NaN or infinite, or a penalty or weight is negative.

    Notes
    -----
    `torch.compile`, `torch.export` (with first derivatives) and the transforms of `torch.func` (`vmap`, `jacrev`, `jacfwd`,
    `hessian`) are supported. The older batching behind `is_grads_batched=True` and
    `torch.autograd.functional.jacobian(vectorize=True)` is not, because it does not support custom autograd functions. Forward
    mode within forward mode (`jacfwd` of `jacfwd`) is wrong for all custom autograd functions, pytorch#197867; take `jacfwd` of
    `jacrev`. `torch.compile` of a function that itself calls `torch.func.grad` fails for every custom operator; call `backward`
    there.

    Examples
    --------
    >>> import torch, hntf
    >>> A = torch.tensor([[1.0, 0.0], [1.0, 1.0]], requires_grad=True)
    >>> S = hntf.torch.nnls(torch.tensor([[1.0, 3.0], [2.0, 1.0]]), A)
    >>> S
    tensor([[1.0000, 2.0000],
            [1.5000, 0.0000]], grad_fn=<...>)
    >>> S.sum().backward()
    >>> A.grad
    tensor([[-0.5000,  0.0000],
            [-2.0000, -2.0000]])
    """
    if isinstance(weights, Tensor) and weights.dtype in (torch.bool, *INTEGERS):
        weights = weights.double()
    check_problem(X, A, weights)
    if weights is not None and X.ndim == A.ndim == 2:
        expanded = broadcast(weights.double(), "weights", tuple(X.shape)).expand(X.shape)
        if (equal := equal_samples(X, expanded)) is not None:
            return _together(X, A, expanded, equal, {"l1": l1, "l2": l2, "support": support}, return_info)
    dtype, is_vector = X.dtype, X.ndim == 1
    samples, dictionary = (X[None] if is_vector else X).double(), A.double()
    batch = samples.shape[:-2]
    if dictionary.ndim > 2:
        batch = torch.broadcast_shapes(batch, dictionary.shape[:-2])
    n, (m, k) = samples.shape[-2], dictionary.shape[-2:]
    code_shape = (*batch, n, k)
    shape = (*batch, k) if is_vector else code_shape

    def as_rows(x: Tensor) -> Tensor:
        """Return what belongs to a code or a sample, with an axis for the samples if there is one sample alone."""
        return x[..., None, :] if is_vector and x.ndim > 1 else x

    given = [checked_penalty(value, name, shape, X) for value, name in ((l1, "l1"), (l2, "l2"))]
    penalties = [None if x is None else as_rows(x) for x in given]
    samples = samples.expand(*batch, n, m)
    exponents = None
    if weights is not None:
        of_entries = (*batch, m) if is_vector else (*batch, n, m)
        weights = as_rows(broadcast(weights.double(), "weights", of_entries))
        # What is hidden may be anything: it has no effect, nor has its weight a gradient.
        weights = weights.where(weights > 0, 0.0).expand(*batch, n, m)
        samples = samples.where(weights > 0, 0.0)
        samples, weights, penalties, exponents = _in_moderate_units(samples, weights, penalties)
    if support is not None:
        support = as_rows(checked_support(support, shape)).expand(code_shape)
    if dictionary.ndim == 2:
        # One Gram matrix serves the samples of all problems.
        samples = samples.flatten(0, -2)
        weights = None if weights is None else weights.flatten(0, -2)
        support = None if support is None else support.flatten(0, -2)
        penalties = [x if x is None or x.ndim < 2 else x.expand(code_shape).flatten(0, -2) for x in penalties]
    else:
        dictionary = dictionary.expand(*batch, m, k)
    solved, G, C, of_columns = _solve(samples, dictionary, penalties, weights, support)
    if weights is None and vanish(C):
        samples, _, penalties, exponents = _in_moderate_units(samples, None, penalties)
        if exponents is not None:
            solved, G, C, of_columns = _solve(samples, dictionary, penalties, None, support)
    of_code = of_columns if exponents is None else -exponents[0] if of_columns is None else of_columns - exponents[0]
    S = cast_code((solved.S if of_code is None else times_power(solved.S, of_code)).reshape(shape), dtype)
    if not return_info:
        return S
    sizes = None
    if penalties[0] is not None:
        seen = (samples if weights is None else samples * weights.sqrt()).detach().reshape(-1, m)
        sizes = from_numpy(bound_of_norms(to_numpy(seen)), seen)
    return S, info_of(solved, G, C, shape, of_columns, sizes, exponents)


def _together(
    X: Tensor,
    A: Tensor,
    weights: Tensor,
    equal: tuple[list[np.ndarray], np.ndarray],
    options: dict[str, Any],
    return_info: bool,
) -> Any:
    """Solve for samples with the same weights together, without weights, and for the others with theirs."""
    groups, others = equal
    shape = (len(X), A.shape[1])
    for name in ("l1", "l2"):
        penalty = checked_penalty(options[name], name, shape, X)
        options[name] = 0.0 if penalty is None else penalty
    if options["support"] is not None:
        options["support"] = checked_support(options["support"], shape).expand(shape)

    def solved(
        rows: np.ndarray, samples: Tensor, dictionary: Tensor, of_rows: Tensor | None
    ) -> tuple[Tensor, NNLSInfo]:
        options_of_rows: Any = {name: rows_of(value, rows, len(X)) for name, value in options.items()}
        return nnls(samples, dictionary, weights=of_rows, return_info=True, **options_of_rows)

    parts, order = [], [*groups]
    for group in groups:
        of_group = weights[group[0]]
        parts.append(solved(group, weighted(X[group], of_group), weighted(A.mT, of_group).mT, None))
    if len(others):
        order.append(others)
        parts.append(solved(others, X[others], A, weights[others]))
    S = cast_code(in_order([S for S, _ in parts], order), X.dtype)
    if not return_info:
        return S
    infos = [info for _, info in parts]
    return S, NNLSInfo.joined(in_order([info.support for info in infos], order), infos)


def _in_moderate_units(
    X: Tensor, weights: Tensor | None, penalties: list[Tensor | None]
) -> tuple[Tensor, Tensor | None, list[Tensor | None], tuple[Tensor, Tensor] | None]:
    """Return samples, weights and penalties, and the exponents of the powers of two that the first two were multiplied by.

    Products of weights, samples and the dictionary would leave the range of numbers first. The code is multiplied by the first of
    the powers.
    """
    if not X.numel():
        return X, weights, penalties, None
    found = exponents_of_seen(X, weights)
    if found == (None, None):
        return X, weights, penalties, None
    of_data, of_weights = (X.new_zeros(()) if x is None else x for x in found)
    # The root of an even power is one, too.
    of_weights = 2 * (0.5 * of_weights).floor()
    l1, l2 = penalties
    scaled = [
        None if l1 is None else times_power(l1, of_data + of_weights).clamp(max=LARGEST_PENALTY),
        None if l2 is None else times_power(l2, of_weights).clamp(max=LARGEST_PENALTY),
    ]
    weights = None if weights is None else times_power(weights, of_weights)
    return times_power(X, of_data), weights, scaled, (of_data, of_weights)


def _solve(
    X: Tensor,
    A: Tensor,
    penalties: list[Tensor | None],
    weights: Tensor | None,
    support: Tensor | None,
) -> tuple[Solved, Tensor, Tensor, Tensor | None]:
    """Solve the problem of checked arguments in float64, with columns of `A` scaled by powers of two if that is necessary.

    Returns the solution in these units, the Gram matrix, the right-hand sides and the exponents of the powers.
    """
    penalty, ridge = penalties
    # The largest weight of every feature.
    seen = None if weights is None or not weights.shape[-2] else weights.detach().amax(-2)[..., None]
    needs_no_scale = seen is not None and is_moderate(A, seen)
    exponents = exponents_of(largest_entries(A if seen is None or needs_no_scale else as_seen(A, seen), ridge))
    if exponents is not None:
        scale = torch.exp2(exponents)
        A = A * scale
        # The square of a scale alone may overflow.
        penalty = None if penalty is None else (penalty * scale).clamp(max=LARGEST_PENALTY)
        ridge = None if ridge is None else (ridge * scale * scale).clamp(max=LARGEST_PENALTY)
    if seen is not None and not needs_no_scale:
        # What is hidden from all samples may be huge beside the rest.
        A = A.where((A.abs() < HUGE) | (seen > 0), 0.0)
    penalty = None if penalty is None else penalty.expand(*X.shape[:-1], A.shape[-1])
    by_row = weights is not None or (ridge is not None and ridge.ndim > 1 and ridge.shape[-2] != 1)
    C = matmul(X if weights is None else weights * X, A)
    if penalty is not None:
        C = C - penalty
    if weights is None:
        G = matmul(A.mT, A)
        G = G[..., None, :, :].expand(*X.shape[:-1], *G.shape[-2:]) if by_row else G
    else:
        outer = (A[..., :, None] * A[..., None, :]).flatten(-2)
        G = matmul(weights, outer).unflatten(-1, (A.shape[-1], A.shape[-1]))
    if ridge is not None:
        ridge = ridge.expand(G.shape[:-1]) if by_row or ridge.ndim < 2 else ridge[..., 0, :].expand(G.shape[:-1])
        G = G + torch.diag_embed(ridge)
    parts: list[Any] = [X, weights, penalty, support]
    if by_row:
        # Each sample is a problem of its own.
        C = C[..., None, :]
        parts = [None if x is None else x[..., None, :] for x in parts]
    detached = [None if x is None else x.detach() for x in (A, *parts[:3], ridge)]
    solved = solve(G, C, Factor(*detached), parts[3])
    if exponents is not None and by_row and exponents.ndim > 2:
        exponents = exponents[..., None, :]
    return solved, G, C, exponents
