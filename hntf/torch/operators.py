"""The primitive as operators that `torch.compile` and `torch.export` trace without looking inside."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hntf.torch.primitive import Factor, pullback, solve_now, solve_on_support_now


@torch.library.custom_op("hntf::nnls_solve", mutates_args=())
def nnls_solve(
    G: Tensor,
    C: Tensor,
    A: Tensor | None,
    X: Tensor | None,
    weights: Tensor | None,
    l1: Tensor | None,
    l2: Tensor | None,
    support: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Solve problems in Gram form, as `primitive.solve` does."""
    S, found, used, n_iter = solve_now(G, C, Factor(A, X, weights, l1, l2), support)
    return S.contiguous(), found.contiguous(), used, n_iter


@nnls_solve.register_fake
def _(G: Tensor, C: Tensor, *_: Any) -> tuple[Tensor, ...]:
    S = torch.empty(C.shape, dtype=C.dtype, device=C.device)
    used = torch.empty(G.shape[:-2], dtype=torch.bool, device=C.device)
    return S, torch.empty(C.shape, dtype=torch.bool, device=C.device), used, torch.zeros((), dtype=torch.int64)


def _on_support(G: Tensor, C: Tensor, support: Tensor, used: Tensor, factor: Factor) -> Tensor:
    return nnls_on_support(G, C, support, used, factor.A, factor.weights, factor.l2)


def _save_solution(ctx: Any, inputs: Any, output: Any) -> None:
    G, _, A, _, weights, _, l2, _ = inputs
    S, support, used, _ = output
    ctx.save_for_backward(G, S, support, used, A, weights, l2)


def _solve_backward(ctx: Any, dS: Tensor, *_: Any) -> Any:
    G, S, support, used, A, weights, l2 = ctx.saved_tensors
    return *pullback(G, S, support, used, dS, Factor(A, None, weights, None, l2), _on_support), *[None] * 6


nnls_solve.register_autograd(_solve_backward, setup_context=_save_solution)


@torch.library.custom_op("hntf::nnls_on_support", mutates_args=())
def nnls_on_support(
    G: Tensor,
    C: Tensor,
    support: Tensor,
    used: Tensor,
    A: Tensor | None,
    weights: Tensor | None,
    l2: Tensor | None,
) -> Tensor:
    """Solve on known supports, as `primitive.solve_on_support` does."""
    return solve_on_support_now(G, C, support, used, A, weights, l2).contiguous()


@nnls_on_support.register_fake
def _(G: Tensor, C: Tensor, *_: Any) -> Tensor:
    return torch.empty(C.shape, dtype=C.dtype, device=C.device)


def _save_on_support(ctx: Any, inputs: Any, output: Any) -> None:
    G, _, support, used, A, weights, l2 = inputs
    ctx.save_for_backward(G, output, support, used, A, weights, l2)


def _on_support_backward(ctx: Any, dV: Tensor) -> Any:
    G, V, support, used, A, weights, l2 = ctx.saved_tensors
    return *pullback(G, V, support, used, dV, Factor(A, None, weights, None, l2), _on_support), *[None] * 5


nnls_on_support.register_autograd(_on_support_backward, setup_context=_save_on_support)
