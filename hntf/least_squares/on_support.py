"""The differentiable primitive: the solution on a known support, and its pullback.

With the support `P` of a row fixed, `s_P = G_PP⁻¹ c_P` is linear in `c` and self-adjoint, so the backward pass is the
primitive itself: for a cotangent `dS`, with `V = solve_on_support(G, dS, P)`, `dC = V` and `dG = −½(VᵀS + SᵀV)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, from_numpy, host_view
from hntf.least_squares import portable, square_root
from hntf.least_squares.gram import Gram, StructuredGram, symmetric_outer
from hntf.least_squares.rooted_problems import SINGULAR, RootedProblems, from_grams
from hntf.least_squares.square_root import SquareRoot
from hntf.threads import over_rows


def solve_on_support(G: Gram, C: Array, support: Array, rooted: RootedProblems | None = None) -> Array:
    """Solve `G_PP v_P = c_P` on the support `P` of every row; zero elsewhere and for columns that depend on others of `P`.

    Parameters
    ----------
    G : array, `(k, k)` or `(g, k, k)` with `g` a divisor of `n`, float64
        Gram matrices, or a StructuredGram; row `i` uses `G[i // (n // g)]`.
    C : array, `(n, k)`, float64
        Right-hand sides.
    support : bool array, `(n, k)`
        The support of every row.
    rooted : RootedProblems, optional
        The square-root form of the problems from which the supports come, as `solver.solve` left it.

    Returns
    -------
    array, `(n, k)`, float64
        The solution.
    """
    if isinstance(G, StructuredGram):
        return G.solve_on_support(C, support, rooted)
    host = host_view(C)
    if host is None:
        return portable.solve_on_support(G, C, support)
    from hntf.least_squares import compiled

    n, k = host.shape
    V, safe = np.empty((n, k)), np.zeros(n, bool)
    grams, rows, supports = kernel_arrays(G, C, support)
    condition = square_root.reciprocal_condition(grams)
    # The search for the supports has judged the columns of each, and tells which Gram matrices are not used.
    judged = rooted is not None or len(grams) == 1

    def eliminate(right: np.ndarray) -> np.ndarray:
        result = np.empty((n, k))
        over_rows(lambda a, b: compiled.on_support(grams, right, supports, result, safe, a, b), n, k**3 // 6)
        return result

    if condition >= SINGULAR:
        V = eliminate(rows)
        if rooted is not None and not rooted.used and condition < rooted.refined_below:
            V += eliminate(_residual(rooted.root(0), rows, supports, V))
    rooted = rooted or from_grams(grams, rows)
    if not judged:
        found = np.empty(n)
        over_rows(lambda a, b: compiled.conditions(grams, rows, supports, found, a, b), n, k**3 // 6)
        safe &= found >= SINGULAR
    if rooted.used:
        safe &= ~np.isin(np.arange(n) // (n // len(grams)), list(rooted.used))
    if len(here := np.flatnonzero(~safe)):
        V[here] = rooted.solve_on_support(here, n // len(grams), rows[here], supports[here])
    return from_numpy(V, C)


def _residual(root: SquareRoot, D: np.ndarray, support: np.ndarray, V: np.ndarray) -> np.ndarray:
    """Return `d_P − R_PᵀR_P v_P`, in which the condition number is not squared."""
    return np.where(support, D - (V @ root.columns) @ root.columns.T, 0.0)


def kernel_arrays(G: Array, *rows: Array) -> tuple[np.ndarray, ...]:
    """Return `G` as `(g, k, k)` and the other arrays as C-contiguous views of CPU memory, as the kernels require."""
    grams, *rest = (np.ascontiguousarray(host_view(x)) for x in (G, *rows))
    return _without_subnormal(grams.reshape(-1, *grams.shape[-2:])), *rest


def _without_subnormal(G: np.ndarray) -> np.ndarray:
    """Return Gram matrices with zeros for columns whose squares are subnormal: by their norms nothing can be divided."""
    diagonal = np.einsum("gjj->gj", G)
    subnormal = diagonal < np.finfo(np.float64).tiny
    if not subnormal.any():
        return G
    return np.where(subnormal[:, :, None] | subnormal[:, None, :], 0.0, G)


def pullback(G: Gram, S: Array, support: Array, dS: Array, rooted: RootedProblems | None = None) -> tuple[Any, Array]:
    """Return the gradients `(dG, dC)` from the gradient `dS` with respect to the solution `S`."""
    V = solve_on_support(G, dS, support, rooted)
    return -symmetric_outer(V, S, G), V
