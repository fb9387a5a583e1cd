"""Nonnegative least squares as a differentiable torch function."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd import Function

from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve
from hntf.validation import check_number


def nnls(X: torch.Tensor, A: torch.Tensor, *, l1: float = 0.0, l2: float = 0.0) -> torch.Tensor:
    r"""Solve nonnegative least-squares problems, differentiably in the samples and in the dictionary.

    .. math:: q(X, A) = \mathrm{argmin}_{S \ge 0} \; \tfrac12 \|X - S A^T\|_F^2 + \lambda_1 \sum S + \tfrac12 \lambda_2 \|S\|_F^2

    The solution and its first and second derivatives are exact, wherever they exist. At a kink, and where the solution is not
    unique, the gradient is that of the returned solution on its support, whose columns are linearly independent; it is always
    finite. Samples are rows, as in a torch batch; `hntf.nnls(A, B)` has them in columns.

    Parameters
    ----------
    X : tensor, `(…, n, m)` or `(m,)`
        Samples, of floating-point dtype and any sign.
    A : tensor, `(m, k)` or `(…, m, k)`
        The dictionary, of any sign: one for all samples, or one per problem of a batch, with the leading dimensions of `X`.
    l1, l2 : float
        Sparsity and ridge penalties on the code, at least 0.

    Returns
    -------
    S : tensor, `(…, n, k)` or `(k,)`
        The nonnegative codes of the samples, in the dtype and on the device of `X`; computed in float64.

    Raises
    ------
    TypeError
        If `X` or `A` is not a real floating-point tensor.
    ValueError
        If shapes or devices do not match, or entries are NaN or infinite.

    Notes
    -----
    `torch.func` transforms (`vmap`, `jacrev`, `jacfwd`, `hessian`) are supported. The older batching behind
    `is_grads_batched=True` and `torch.autograd.functional.jacobian(vectorize=True)` is not, because it does not support custom
    autograd functions.

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
    _check(X, A)
    check_number(l1, "l1")
    check_number(l2, "l2")
    samples, dictionary = X.double(), A.double()
    if X.ndim == 1:
        samples = samples[None]
    elif A.ndim == 2:
        samples = samples.reshape(-1, X.shape[-1])
    G = dictionary.mT @ dictionary
    if l2:
        G = G + l2 * torch.eye(G.shape[-1], dtype=G.dtype, device=G.device)
    C = samples @ dictionary - l1
    S, _ = _NNLSGram.apply(G, C)
    return S.reshape(*X.shape[:-1], A.shape[-1]).to(X.dtype)


def _check(X: Any, A: Any) -> None:
    for name, x in (("X", X), ("A", A)):
        if not isinstance(x, torch.Tensor):
            raise TypeError(f"{name} must be a torch tensor, got {type(x).__name__}")
        if not x.dtype.is_floating_point:
            raise TypeError(f"{name} must hold real floating-point numbers, got {x.dtype}")
        if 0 in x.shape or x.ndim == 0:
            raise ValueError(f"{name} must have no empty axis and order 1 or more, got shape {tuple(x.shape)}")
    if A.ndim < 2:
        raise ValueError(f"A must have shape (m, k) or (…, m, k), got {tuple(A.shape)}")
    if X.shape[-1] != A.shape[-2]:
        raise ValueError(f"X must have {A.shape[-2]} features, as A has rows; got shape {tuple(X.shape)}")
    if A.ndim > 2 and A.shape[:-2] != X.shape[:-2]:
        raise ValueError(
            f"A must have shape (m, k) or the leading dimensions of X, {tuple(X.shape[:-2])}; got {tuple(A.shape)}"
        )
    if X.device != A.device:
        raise ValueError(f"X and A must be on one device, got {X.device} and {A.device}")


def _flat(G: torch.Tensor, *rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return a batch of problems in the shapes of the core: Gram matrices `(g, k, k)`, and the rows of all problems stacked."""
    return G.reshape(-1, *G.shape[-2:]), *(x.reshape(-1, x.shape[-1]) for x in rows)


class _SolveOnSupport(Function):
    """The differentiable primitive on `G` `(…, k, k)` and `C`, `support` `(…, n, k)`; its backward pass is the primitive itself."""

    @staticmethod
    def forward(G: torch.Tensor, C: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
        grams, rows, supports = _flat(G, C, support)
        return solve_on_support(grams, rows, supports).reshape(C.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        G, _, support = inputs
        _save(ctx, G, support, output)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        G, support, S = ctx.saved_tensors
        return *_pullback(G, S, support, grad_outputs[0]), None

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        return _pushforward(*ctx.saved_tensors, *grad_inputs[:2])

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Any) -> Any:
        return _SolveOnSupport.apply(*_batch_first(info, in_dims, tensors)), 0


class _NNLSGram(Function):
    """The solution and its support from `G` `(…, k, k)` and `C` `(…, n, k)`; only the solution is differentiable."""

    @staticmethod
    def forward(G: torch.Tensor, C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not bool(torch.isfinite(C).all() & torch.isfinite(G).all()):
            raise ValueError("X and A must hold finite entries whose products do not overflow")
        grams, rows = _flat(G, C)
        S, support, *_ = solve(grams, rows)
        return S.reshape(C.shape), support.reshape(C.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        S, support = output
        ctx.mark_non_differentiable(support)
        _save(ctx, inputs[0], support, S)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        G, support, S = ctx.saved_tensors
        return _pullback(G, S, support, grad_outputs[0])

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        return _pushforward(*ctx.saved_tensors, *grad_inputs), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Any) -> Any:
        return _NNLSGram.apply(*_batch_first(info, in_dims, tensors)), (0, 0)


def _pullback(G: torch.Tensor, S: torch.Tensor, support: torch.Tensor, dS: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The pullback of `hntf.least_squares.on_support`, written with the differentiable primitive, hence differentiable again."""
    V = _SolveOnSupport.apply(G, dS, support)
    product = V.mT @ S
    return -0.5 * (product + product.mT), V


def _pushforward(
    G: torch.Tensor, support: torch.Tensor, S: torch.Tensor, dG: torch.Tensor | None, dC: torch.Tensor | None
) -> torch.Tensor:
    """The derivative in the direction `(dG, dC)`: the solution of the same problem for `dC − S dG`."""
    right = torch.zeros_like(S) if dC is None else dC
    if dG is not None:
        right = right - S @ (0.5 * (dG + dG.mT))
    return _SolveOnSupport.apply(G, right, support)


def _save(ctx: Any, *tensors: torch.Tensor) -> None:
    """Save tensors for forward and reverse mode."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _batch_first(info: Any, in_dims: Any, tensors: Any) -> list[torch.Tensor]:
    """Return the tensors with the mapped dimension first; tensors that are not mapped are repeated along it."""
    return [
        x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip(tensors, in_dims, strict=True)
    ]
