"""Peers on JAX: functions of `X` `(n, m)` and `A` `(m, k)` that return `S` `(n, k)`, mapped over the problems of a batch.

Interior-point methods relax the complementarity of the solution for their derivatives, here by as little as they can.
"""

import jax
import jax.numpy as jnp

# Before a peer takes its tolerance from the precision.
jax.config.update("jax_enable_x64", True)

RELAXATION = 1e-16
TOLERANCE = 1e-12


class Layer:
    """A peer on one problem, with the derivatives of `⟨D, S⟩`."""

    def __init__(self, peer, X, A, D, U, W):
        self.point, self.D, self.direction = (X, A), D, (U, W)
        self.solve = jax.vmap(PEERS[peer])
        self._forward = jax.jit(lambda X, A: jax.vjp(self.solve, X, A))
        self._backward = jax.jit(lambda pullback, D: pullback(D))
        self.S, self.pullback = self.forward()

    def forward(self):
        """Solve, and keep what the derivatives need."""
        return jax.block_until_ready(self._forward(*self.point))

    def backward(self):
        """Return the derivatives."""
        return jax.block_until_ready(self._backward(self.pullback, self.D))

    def first(self):
        """Return the solution and its derivatives."""
        return self.S, *self.backward()

    def second(self):
        """Return the derivatives of the derivatives in the direction."""
        gradient = jax.grad(lambda X, A: jnp.vdot(self.D, self.solve(X, A)), (0, 1))

        def forward_mode(*point):
            return jax.jvp(gradient, point, self.direction)[1]

        def reverse_mode(*point):
            return jax.grad(lambda *point: sum(map(jnp.vdot, gradient(*point), self.direction)), (0, 1))(*point)

        try:
            return jax.jit(forward_mode)(*self.point)
        except TypeError:
            # A rule for reverse mode only.
            return jax.jit(reverse_mode)(*self.point)


def row_by_row(solve):
    """Return the function that solves for all rows, from one of `G` `(k, k)` and `c` `(k,)`."""
    return lambda X, A: jax.vmap(solve, (None, 0))(A.T @ A, X @ A)


def jaxnnls(G, c):
    from jaxnnls import solve_nnls_primal

    return solve_nnls_primal(G, c, RELAXATION)


def qpax(G, c):
    from qpax import solve_qp_primal

    none = jnp.zeros((0, len(c))), jnp.zeros(0)
    return solve_qp_primal(
        G, -c, *none, -jnp.eye(len(c)), jnp.zeros(len(c)), solver_tol=TOLERANCE, target_kappa=RELAXATION, max_iter=50
    )


def jaxopt(G, c):
    from jaxopt import BoxCDQP
    from jaxopt.linear_solve import solve_lu

    solver = BoxCDQP(tol=TOLERANCE, maxiter=10_000, implicit_diff_solve=solve_lu)
    bound = jnp.zeros(len(c))
    return solver.run(bound, (G, -c), (bound, bound + jnp.inf)).params


def optax(X, A):
    from optax import nnls

    return nnls(A, X.T, iters=3_000).T


PEERS = {f.__name__: row_by_row(f) for f in (jaxnnls, qpax, jaxopt)} | {"optax": optax}
