"""The differentiable NNLS layer, `hntf.torch.nnls`, against peers: forward, backward, and the errors of all derivatives.

    make bench-layer

which runs this file, and every peer in a process and an environment of its own. All solve in double precision, compiled and warm,
with tolerances as small as they take; each is timed in turn with hntf, on one core and on two, and the ratios to hntf are those of
forward, of backward, and of both together. A forward pass includes what the backward pass needs. Derivatives are those of a random
linear functional of the solution.
"""

import tempfile
from pathlib import Path

import numpy as np
import scipy.optimize
from peers.client import PEERS, Peer, PeerError
from timing import seconds

PROBLEMS = {
    "500 × 20, 2,000 right-hand sides": (1, 2_000, 500, 20),
    "100 × 50, 500 right-hand sides": (1, 500, 100, 50),
    "64 problems 30 × 10, 20 right-hand sides each": (64, 20, 30, 10),
}
STEP = 1e-30


def solution(X, A):
    """Return the codes by SciPy."""
    return np.array([[scipy.optimize.nnls(a, x)[0] for x in samples] for samples, a in zip(X, A, strict=True)])


def gradients(X, A, D, support):
    """Return the derivatives of `⟨D, S⟩` on the supports: `dX = V Aᵀ`, `dA = Xᵀ V − A (Sᵀ V + Vᵀ S)` with `V_P = G_PP⁻¹ D_P`."""
    G, C = A.mT @ A, X @ A
    S, V = np.zeros_like(C), np.zeros_like(C)
    for index in np.ndindex(*C.shape[:2]):
        P = support[index]
        S[index][P], V[index][P] = np.linalg.solve(G[index[0]][np.ix_(P, P)], np.array([C[index], D[index]]).T[P]).T
    return V @ A.mT, X.mT @ V - A @ (S.mT @ V + V.mT @ S)


def second(X, A, D, support, U, W):
    """Return the derivatives of `gradients` in the direction `(U, W)`, by differences along the imaginary axis."""
    return [x.imag / STEP for x in gradients(X + 1j * STEP * U, A + 1j * STEP * W, D, support)]


def error(found, true):
    """Return the largest error, relative to the largest entry of each array."""
    return max(np.abs(x.reshape(y.shape) - y).max() / np.abs(y).max() for x, y in zip(found, true, strict=True))


class Problem:
    """A problem, its file and its true derivatives."""

    def __init__(self, folder, b, n, m, k):
        rng = np.random.default_rng(0)
        self.X, self.A = rng.random((b, n, m)), rng.random((b, m, k))
        self.D, self.U, self.W = (rng.standard_normal(shape) for shape in ((b, n, k), (b, n, m), (b, m, k)))
        self.S = solution(self.X, self.A)
        self.path = Path(folder, f"{b}-{n}-{m}-{k}.npz")
        self.answer = Path(folder, "answer.npz")
        np.savez(self.path, X=self.X, A=self.A, D=self.D, U=self.U, W=self.W)

    def errors(self, peer):
        """Return the errors of solution, gradients and second derivatives; None for the last where it has none."""
        X, D, S, U = (x[:, : peer.rows] for x in (self.X, self.D, self.S, self.U))
        found = self._arrays(peer, "first")
        first = error(found[:1], [S]), error(found[1:], gradients(X, self.A, D, S > 0))
        try:
            return *first, error(self._arrays(peer, "second"), second(X, self.A, D, S > 0, U, self.W))
        except PeerError:
            return *first, None

    def _arrays(self, peer, request):
        peer.ask(f"{request} {self.answer}")
        with np.load(self.answer) as arrays:
            return list(arrays.values())


def side_by_side(request, *peers):
    """Return the seconds that each peer takes for a request, for the rows it takes."""
    return seconds(*(lambda peer=peer: peer.ask(request) for peer in peers), repeats=3)


def formatted(errors):
    return " ".join("       –" if x is None else f"{x:8.0e}" for x in errors)


def own(problem, cores):
    """Print what hntf takes, from no start and from its support."""
    with Peer("hntf", problem.path, cores) as cold, Peer("hntf_warm", problem.path, cores) as warm:
        forward, warm_forward = side_by_side("forward", cold, warm)
        backward, warm_backward = side_by_side("backward", cold, warm)
        errors = formatted(problem.errors(cold)) if cores == 1 else ""
    print(f"{'hntf':12} {cores} {forward * 1e3:10.1f} {backward * 1e3:10.1f} {'':26} {errors}")
    print(
        f"{'  warm start':12} {cores} {warm_forward * 1e3:10.1f} {warm_backward * 1e3:10.1f}  "
        f"(backward / warm forward {warm_backward / warm_forward:.2f})",
        flush=True,
    )


def compare(name, problem, ours, cores):
    """Print what a peer takes, scaled to all rows if it takes some only."""
    with Peer(name, problem.path, cores) as theirs:
        scale = ours.rows / theirs.rows
        ours_forward, forward = side_by_side("forward", ours, theirs)
        ours_backward, backward = side_by_side("backward", ours, theirs)
        forward, backward = forward * scale, backward * scale
        errors = formatted(problem.errors(theirs)) if cores == 1 else ""
        note = "" if scale == 1 else f"  from {theirs.rows} rows"
    both = (forward + backward) / (ours_forward + ours_backward)
    print(
        f"{name:12} {cores} {forward * 1e3:10.1f} {backward * 1e3:10.1f} {forward / ours_forward:8.1f} "
        f"{backward / ours_backward:8.1f} {both:8.1f} {errors}{note}",
        flush=True,
    )


def main() -> None:
    for title, shape in PROBLEMS.items():
        print(
            f"\n{title}\n{'':12} c {'forward ms':>10} {'backward':>10} {'forward':>8} {'backward':>8} "
            f"{'both':>8}   errors: S, 1st, 2nd"
        )
        with tempfile.TemporaryDirectory() as folder:
            problem = Problem(folder, *shape)
            for cores in (1, 2):
                own(problem, cores)
                with Peer("hntf", problem.path, cores) as ours:
                    for name in PEERS:
                        try:
                            compare(name, problem, ours, cores)
                        except PeerError as e:
                            print(f"{name:12} {cores} {e}", flush=True)


if __name__ == "__main__":
    main()
