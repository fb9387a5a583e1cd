"""The differentiable primitive: the solution on a known support, and its pullback.

With the support `P` of a row fixed, `s_P = G_PP⁻¹ c_P` is linear in `c` and self-adjoint, so the backward pass is the
primitive itself: for a cotangent `dS`, with `V = solve_on_support(G, dS, P)`, `dC = V` and `dG = −½(VᵀS + SᵀV)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, from_numpy, host_view
from hntf.least_squares import portable
from hntf.least_squares.gram import Gram, StructuredGram, symmetric_outer
from hntf.threads import over_rows


def solve_on_support(G: Gram, C: Array, support: Array) -> Array:
    """Solve `G_PP v_P = c_P` on the support `P` of every row; zero elsewhere and for columns that depend on others of `P`.

    Parameters
    ----------
    G : array, `(k, k)` or `(g, k, k)` with `g` a divisor of `n`, float64
        Gram matrices, or a StructuredGram; row `i` uses `G[i // (n // g)]`.
    C : array, `(n, k)`, float64
        Right-hand sides.
    support : bool array, `(n, k)`
        The support of every row.

    Returns
    -------
    array, `(n, k)`, float64
        The solution.
    """
    if isinstance(G, StructuredGram):
        return G.solve_on_support(C, support)
    host = host_view(C)
    if host is None:
        return portable.solve_on_support(G, C, support)
    from hntf.least_squares import compiled

    V = np.empty(host.shape)
    k = host.shape[1]
    arguments = kernel_arrays(G, C, support)
    over_rows(lambda start, stop: compiled.on_support(*arguments, V, start, stop), len(host), k**3 // 6)
    return from_numpy(V, C)


def kernel_arrays(G: Array, *rows: Array) -> tuple[np.ndarray, ...]:
    """Return `G` as `(g, k, k)` and the other arrays as C-contiguous views of CPU memory, as the kernels require."""
    grams, *rest = (np.ascontiguousarray(host_view(x)) for x in (G, *rows))
    return grams.reshape(-1, *grams.shape[-2:]), *rest


def pullback(G: Gram, S: Array, support: Array, dS: Array) -> tuple[Any, Array]:
    """Return the gradients `(dG, dC)` from the gradient `dS` with respect to the solution `S`."""
    V = solve_on_support(G, dS, support)
    return -symmetric_outer(V, S, G), V
