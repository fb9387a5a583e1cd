"""hntf and its peers on torch: functions of `X` `(…, n, m)` and `A` `(…, m, k)` that return `S` `(…, n, k)`.

All but hntf solve every row as a quadratic program of its own.
"""

import os

import torch

TOLERANCE = 1e-12


class Layer:
    """A peer on one problem, with the derivatives of `⟨D, S⟩`; one problem is no batch."""

    def __init__(self, peer, *problem):
        # `proxsuite` returns gradients in the default dtype.
        torch.set_default_dtype(torch.float64)
        X, A, self.D, *self.direction = (torch.tensor(x[0] if len(x) == 1 else x) for x in problem)
        self.point = X.requires_grad_(), A.requires_grad_()
        self.solve = PEERS[peer](X.detach(), A.detach())
        self.S = self.forward()

    def forward(self):
        """Solve, and keep what the derivatives need."""
        return self.solve(*self.point)

    def backward(self):
        """Return the derivatives."""
        return torch.autograd.grad(self.S, self.point, self.D, retain_graph=True)

    def first(self):
        """Return the solution and its derivatives."""
        return self.S.detach(), *self.backward()

    def second(self):
        """Return the derivatives of the derivatives in the direction."""
        gradients = torch.autograd.grad(self.forward(), self.point, self.D, create_graph=True)
        return torch.autograd.grad(gradients, self.point, self.direction)


def hntf(X, A):
    from hntf.torch import nnls

    return nnls


def hntf_warm(X, A):
    from hntf.torch import nnls

    support = nnls(X, A, return_info=True)[1].support
    return lambda X, A: nnls(X, A, support=support)


def row_by_row(solve):
    """Return the function that solves for all rows, from one of `G` `(n, k, k)` and `C` `(n, k)`."""

    def solve_all(X, A):
        C = X @ A
        G = (A.mT @ A)[..., None, :, :].expand(*C.shape, C.shape[-1])
        return solve(G.flatten(0, -3), C.flatten(0, -2)).reshape(C.shape)

    return solve_all


def proxsuite(X, A):
    from proxsuite.torch.qplayer import QPFunction

    function = QPFunction(
        eps=TOLERANCE, eps_backward=TOLERANCE, rho_backward=1e-10, mu_backward=1e-10, omp_parallel=True
    )
    empty, bound = torch.zeros(0), torch.zeros(A.shape[-1])
    return row_by_row(lambda G, C: function(G, -C, empty, empty, torch.eye(len(bound)), bound, bound + 1e20)[0])


def qpth(X, A):
    from qpth.qp import QPFunction

    function = QPFunction(verbose=-1, check_Q_spd=False)
    empty, bound = torch.zeros(0), torch.zeros(A.shape[-1])
    return row_by_row(lambda G, C: function(G, -C, -torch.eye(len(bound)), bound, empty, empty))


def cvxpylayers(X, A):
    import cvxpy
    from cvxpylayers.torch import CvxpyLayer

    k = A.shape[-1]
    s, R, y = cvxpy.Variable(k), cvxpy.Parameter((k, k)), cvxpy.Parameter(k)
    layer = CvxpyLayer(cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(R @ s - y)), [s >= 0]), [R, y], [s])
    cores = len(os.sched_getaffinity(0))
    jobs = {"n_jobs_forward": cores, "n_jobs_backward": cores}
    # Its other modes find gradients by iterations that stop early.
    arguments = {"eps": 1e-11, "max_iters": 100_000, "mode": "dense", **jobs}

    def solve(G, C):
        L = torch.linalg.cholesky(G)
        y = torch.linalg.solve_triangular(L, C[..., None], upper=False)[..., 0]
        return layer(L.mT, y, solver_args=arguments)[0]

    return row_by_row(solve)


PEERS = {f.__name__: f for f in (hntf, hntf_warm, proxsuite, qpth, cvxpylayers)}
