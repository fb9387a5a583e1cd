"""Support search and solution on a support for one Gram matrix that is applied, not formed.

The same functions as in `portable`, with preconditioned conjugate gradients, batched over rows, in place of elimination. The
columns of the Gram matrix must have unit norm.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hntf.arrays import Array, arange_like, backend_of
from hntf.least_squares.pivoting import pivot

CG_TOL = 1e-15
DUAL_TOL = 1e-12
MOST_STEPS = 300
MAX_ITERATIONS = 100
GRADIENT_STEPS = 1000


class Operator(NamedTuple):
    """The Gram matrix and an approximate inverse of it, as functions of rows `(n, k)`."""

    apply: Callable[[Array], Array]
    precondition: Callable[[Array], Array]


def solve_on_support(G: Operator, C: Array, support: Array, start: Array | None = None) -> Array:
    """Solve `G_PP v_P = c_P` on the support `P` of every row, zero elsewhere, by conjugate gradients."""
    tl = backend_of(C)
    V = 0 * C if start is None else start * support
    residual = (C - G.apply(V)) * support if start is not None else C * support
    z = G.precondition(residual) * support
    direction = z
    rho = tl.sum(residual * z, axis=1)
    target = CG_TOL**2 * tl.sum(C * C * support, axis=1)
    for _ in range(min(2 * C.shape[1], MOST_STEPS)):
        if bool((tl.sum(residual * residual, axis=1) <= target).all()):
            break
        product = G.apply(direction) * support
        curvature = tl.sum(direction * product, axis=1)
        moving = curvature > 0
        alpha = (rho * moving / tl.where(moving, curvature, 0 * curvature + 1))[:, None]
        V = V + alpha * direction
        residual = residual - alpha * product
        z = G.precondition(residual) * support
        previous, rho = rho, tl.sum(residual * z, axis=1)
        moving = previous > 0
        beta = rho * moving / tl.where(moving, previous, 0 * previous + 1)
        direction = z + beta[:, None] * direction
    return V


def block_pivoting(G: Operator, C: Array, support: Array | None) -> tuple[Array, Array, Array]:
    """Solve every row by block principal pivoting; iterations are negative for the rows that did not finish."""

    def solve_rows(rows: Array, passive: Array, S: Array) -> tuple[Array, Array]:
        c = C[rows]
        s = solve_on_support(G, c, passive, S)
        return s, G.apply(s) - c

    return pivot(
        solve_rows,
        C,
        0 * C + 1,
        G.precondition(C) > 0 if support is None else support,
        rows=arange_like(len(C), C),
        tolerance=DUAL_TOL,
        max_iterations=MAX_ITERATIONS,
    )


def projected_gradient(G: Operator, C: Array, curvature: float) -> Array:
    """Return an approximate solution by accelerated projected gradients, which restart when they move uphill.

    It is used for a singular Gram matrix, which has many equivalent solutions and on which pivoting does not terminate.

    References
    ----------
    Beck, Teboulle (2009), *A fast iterative shrinkage-thresholding algorithm for linear inverse problems*, SIAM J. Imaging Sci.
    O'Donoghue, Candès (2015), *Adaptive restart for accelerated gradient schemes*, Found. Comput. Math.
    """
    S = 0 * C
    ahead, momentum = S, 1.0
    for _ in range(GRADIENT_STEPS):
        gradient = G.apply(ahead) - C
        moved = ahead - gradient / curvature
        moved = moved * (moved > 0)
        step = moved - S
        if float((gradient * step).sum()) > 0:
            momentum = 1.0
        next_momentum = 0.5 * (1 + (1 + 4 * momentum**2) ** 0.5)
        ahead = moved + (momentum - 1) / next_momentum * step
        S, momentum = moved, next_momentum
    return S
