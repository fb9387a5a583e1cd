"""The differentiable primitive in torch: the solution of problems in Gram form, and the solution on their supports.

Shapes: `G` `(…, k, k)`, `C` and `support` `(…, n, k)` with the same leading dimensions, all float64. What only serves accuracy is
not differentiated: `Factor`, from which ill-conditioned problems are solved instead of from their Gram matrices.

`torch.compile` traces these operations as opaque operators of their own; everywhere else they are autograd functions, which
also have forward mode and `vmap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function

from hntf import threads
from hntf.arrays import to_numpy
from hntf.least_squares import on_support as support_solver
from hntf.least_squares import solver
from hntf.least_squares.rooted_problems import MODERATE, FactoredProblems, RootedProblems, bound_of_norms
from hntf.least_squares.unfactorized import Unfactorized
from hntf.torch.products import matmul
from hntf.torch.reading import is_finite, is_traced


class Factor(NamedTuple):
    """The least-squares problem behind `G` and `C`, detached.

    Attributes
    ----------
    A : Tensor, `(…, m, k)`, or None
        The dictionaries; their leading dimensions are the first of those of `G`. None if the problem is given in Gram form.
    X : Tensor, `(…, n, m)`, or None
        The samples; None in a backward pass.
    weights : Tensor, `(…, 1, m)`, or None
        The weights of the entries, one row for each Gram matrix.
    l1, l2 : Tensor or None
        The penalties, of the shapes of `C` and of the diagonal of `G`.
    """

    A: Tensor | None = None
    X: Tensor | None = None
    weights: Tensor | None = None
    l1: Tensor | None = None
    l2: Tensor | None = None


class Solved(NamedTuple):
    """The solution, its support, which Gram matrices were solved from their factor `(…)`, and the number of iterations."""

    S: Tensor
    support: Tensor
    used: Tensor
    n_iter: Tensor


def solve(G: Tensor, C: Tensor, factor: Factor, support: Tensor | None) -> Solved:
    """Solve the problems; differentiable in `G` and `C`."""
    if is_traced(G):
        return Solved(*torch.ops.hntf.nnls_solve(G, C, *factor, support))
    return Solved(*_Solve.apply(G, C, *factor, support))


def solve_on_support(G: Tensor, C: Tensor, support: Tensor, used: Tensor, factor: Factor) -> Tensor:
    """Solve `G_PP v_P = c_P` on the supports; differentiable in `G` and `C`."""
    arguments = (G, C, support, used, factor.A, factor.weights, factor.l2)
    if is_traced(G):
        return torch.ops.hntf.nnls_on_support(*arguments)
    return _SolveOnSupport.apply(*arguments)


def solve_now(G: Tensor, C: Tensor, factor: Factor, support: Tensor | None) -> Solved:
    """Solve the problems without a gradient."""
    batch, k = G.shape[:-2], G.shape[-1]
    used = torch.zeros(batch, dtype=torch.bool, device=G.device)
    if C.numel() == 0:
        return Solved(torch.zeros_like(C), torch.zeros_like(C, dtype=torch.bool), used, torch.tensor(0))
    if not (is_finite(G) and is_finite(C)):
        names, instead = ("G and C", "") if factor.A is None else ("X and A", "; hide entries of X with weights of 0")
        raise ValueError(f"{names} must hold finite entries whose products do not overflow{instead}")
    rooted = _rooted(factor, batch) if C.device.type == "cpu" else None
    start = None if support is None else support.reshape(-1, k)
    with threads.single_threaded_blas():
        S, found, n_iter = solver.solve(G.reshape(-1, k, k), C.reshape(-1, k), start, rooted)
    if rooted is not None and rooted.used:
        used.view(-1)[list(rooted.used)] = True
    return Solved(S.reshape(C.shape), found.reshape(C.shape), used, torch.tensor(n_iter))


def solve_on_support_now(
    G: Tensor, C: Tensor, support: Tensor, used: Tensor, A: Tensor | None, weights: Tensor | None, l2: Tensor | None
) -> Tensor:
    """Solve on the supports without a gradient."""
    if C.numel() == 0:
        return torch.zeros_like(C)
    k = G.shape[-1]
    rooted = None
    if C.device.type == "cpu":
        rooted = _rooted(Factor(A, None, weights, None, l2), G.shape[:-2], np.flatnonzero(to_numpy(used)).tolist())
    with threads.single_threaded_blas():
        V = support_solver.solve_on_support(G.reshape(-1, k, k), C.reshape(-1, k), support.reshape(-1, k), rooted)
    return V.reshape(C.shape)


def _rooted(factor: Factor, batch: torch.Size, used: Any = ()) -> RootedProblems | None:
    """Return the problems in square-root form, None without a dictionary."""
    if factor.A is None:
        return None
    return _OfFactor(factor, batch.numel(), used)


class _OfFactor(FactoredProblems):
    """Problems in square-root form, by orthogonal factorizations of their dictionaries."""

    refined_below = MODERATE

    def __init__(self, factor: Factor, n_grams: int, used: Any) -> None:
        super().__init__(used)
        self._n_grams = n_grams
        self._arrays: Any = Factor(*(None if x is None else to_numpy(x) for x in factor))  # type: ignore[arg-type]

    def dictionary(self, gram: int) -> np.ndarray:
        A, roots = self._arrays.A, self._roots_of_weights(gram)
        lead = A.shape[:-2]
        (A,) = A[_places([gram * math.prod(lead) // self._n_grams], lead)]
        return A if roots is None else A * roots[:, None]

    def ridge(self, gram: int) -> np.ndarray | None:
        l2 = self._arrays.l2
        return None if l2 is None else np.sqrt(l2.reshape(self._n_grams, -1)[gram])

    @cached_property
    def unfactorized(self) -> Unfactorized | None:
        A, X, weights = self._arrays.A, self._arrays.X, self._arrays.weights
        if self._n_grams == 1:
            return None
        roots = None if weights is None else np.sqrt(weights.reshape(self._n_grams, -1))
        samples = None if X is None else X.reshape(-1, X.shape[-1])
        ridge = None if self._arrays.l2 is None else np.sqrt(self._arrays.l2.reshape(self._n_grams, -1))
        if ridge is not None and (ridge == ridge[0]).all():
            ridge = ridge[:1]
        return Unfactorized(A.reshape(-1, *A.shape[-2:]), roots, samples, ridge, self._n_grams)

    def product(self, gram: int, rows: np.ndarray, M: np.ndarray) -> np.ndarray:
        X, roots = self._arrays.X, self._roots_of_weights(gram)
        lead = X.shape[:-1]
        X = X.reshape(-1, len(M)) if len(rows) == math.prod(lead) else X[_places(rows, lead)]
        return threads.matmul(X if roots is None else X * roots, M)

    def linear_cost(self, rows: np.ndarray) -> np.ndarray:
        k, l1 = self._arrays.A.shape[-1], self._arrays.l1
        return np.empty((0, k)) if l1 is None else l1.reshape(-1, k)[rows]

    def sizes_of_samples(self) -> np.ndarray | None:
        if self._arrays.l1 is None:
            return None
        X, weights = self._arrays.X.reshape(-1, self._arrays.X.shape[-1]), self._arrays.weights
        if weights is not None:
            X = X * np.repeat(np.sqrt(weights.reshape(self._n_grams, -1)), len(X) // self._n_grams, axis=0)
        return bound_of_norms(X)

    def _roots_of_weights(self, gram: int) -> Any:
        weights = self._arrays.weights
        return None if weights is None else np.sqrt(weights.reshape(self._n_grams, -1)[gram])


def _places(numbers: Any, lead: tuple[int, ...]) -> tuple[Any, ...]:
    """Return the places of some items along leading dimensions, which may be repeated without a copy."""
    return np.unravel_index(np.asarray(numbers), lead or (1,)) if lead else (np.newaxis,)


def pullback(
    G: Tensor, S: Tensor, support: Tensor, used: Tensor, dS: Tensor, factor: Factor, on_support: Any = None
) -> tuple[Tensor, Tensor]:
    """Pull back as `hntf.least_squares.on_support` does, with the differentiable primitive, hence differentiable again.

    `on_support` is the function to use for `solve_on_support`.
    """
    V = (on_support or solve_on_support)(G, dS, support, used, factor)
    product = matmul(V.mT, S)
    return -0.5 * (product + product.mT), V


def _pushforward(
    G: Tensor, S: Tensor, support: Tensor, used: Tensor, dG: Tensor | None, dC: Tensor | None, factor: Factor
) -> Tensor:
    """Return the derivative in the direction `(dG, dC)`: the solution of the same problem for `dC − S dG`."""
    right = torch.zeros_like(S) if dC is None else dC
    if dG is not None:
        right = right - S @ (0.5 * (dG + dG.mT))
    return solve_on_support(G, right, support, used, factor)


OF_GRAMS, OF_GRAMS_ON_SUPPORT = (0, 2, 4, 6), (0, 3, 4, 5, 6)
"""The arguments of the two functions that belong to the Gram matrices, the others belong to the rows."""


class _Solve(Function):
    @staticmethod
    def forward(G: Tensor, C: Tensor, *rest: Any) -> Solved:
        return solve_now(G, C, Factor(*rest[:-1]), rest[-1])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        G, _, A, _, weights, _, l2, _ = inputs
        S, support, used, n_iter = output
        ctx.mark_non_differentiable(support, used, n_iter)
        # Zeros for what has no gradient would cost as much as the solution.
        ctx.set_materialize_grads(False)
        _save(ctx, G, S, support, used, A, weights, l2)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        G, S, support, used, A, weights, l2 = ctx.saved_tensors
        factor = Factor(A, None, weights, None, l2)
        if grad_outputs[0] is None:
            return (None,) * 8
        return *pullback(G, S, support, used, grad_outputs[0], factor), *[None] * 6

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        G, S, support, used, A, weights, l2 = ctx.saved_tensors
        factor = Factor(A, None, weights, None, l2)
        dG, dC = grad_inputs[:2]
        return _pushforward(G, S, support, used, dG, dC, factor), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Any) -> Any:
        if _serves_all(in_dims, OF_GRAMS):
            (S, support, used, n_iter), mapped = _as_more_rows(_Solve, info, in_dims, tensors, OF_GRAMS)
            return (mapped(S), mapped(support), used, n_iter), (0, 0, None, None)
        return _Solve.apply(*_batch_first(info, in_dims, tensors)), (0, 0, 0, None)


class _SolveOnSupport(Function):
    @staticmethod
    def forward(*arguments: Any) -> Tensor:
        return solve_on_support_now(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        G, _, support, used, A, weights, l2 = inputs
        _save(ctx, G, output, support, used, A, weights, l2)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        G, S, support, used, A, weights, l2 = ctx.saved_tensors
        factor = Factor(A, None, weights, None, l2)
        return *pullback(G, S, support, used, grad_outputs[0], factor), *[None] * 5

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        G, S, support, used, A, weights, l2 = ctx.saved_tensors
        dG, dC = grad_inputs[:2]
        return _pushforward(G, S, support, used, dG, dC, Factor(A, None, weights, None, l2))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Any) -> Any:
        if _serves_all(in_dims, OF_GRAMS_ON_SUPPORT):
            V, mapped = _as_more_rows(_SolveOnSupport, info, in_dims, tensors, OF_GRAMS_ON_SUPPORT)
            return mapped(V), 0
        return _SolveOnSupport.apply(*_batch_first(info, in_dims, tensors)), 0


def _save(ctx: Any, *tensors: Any) -> None:
    """Save tensors for forward and reverse mode."""
    ctx.save_for_backward(*tensors)
    ctx.save_for_forward(*tensors)


def _serves_all(in_dims: Any, of_grams: tuple[int, ...]) -> bool:
    """Tell whether the Gram matrices, and what belongs to them, are the same for all mapped problems."""
    return all(in_dims[i] is None for i in of_grams)


def _as_more_rows(
    function: Any, info: Any, in_dims: Any, tensors: Any, of_grams: tuple[int, ...]
) -> tuple[Any, Callable[[Tensor], Tensor]]:
    """Apply a function to the rows of all mapped problems as those of one; return what takes its results apart again, too."""
    batch_first = _batch_first(info, in_dims, tensors)
    rows = batch_first[1].shape[-2]
    result = function.apply(
        *(
            x if x is None or i in of_grams else first.movedim(0, -3).flatten(-3, -2)
            for i, (x, first) in enumerate(zip(tensors, batch_first, strict=True))
        )
    )
    return result, lambda x: x.unflatten(-2, (info.batch_size, rows)).movedim(-3, 0)


def _batch_first(info: Any, in_dims: Any, tensors: Any) -> list[Any]:
    """Return the tensors with the mapped dimension first; tensors that are not mapped are repeated along it without a copy."""
    return [
        x if x is None else x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip(tensors, in_dims, strict=True)
    ]
