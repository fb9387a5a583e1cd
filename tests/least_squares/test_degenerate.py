"""Degenerate problems: whatever depends on what, the solution is exact, its support is independent, its derivative is finite.

Every problem is judged by the least-squares problem of each of its rows, `min_{s ≥ 0} ½‖F s − z‖² + l1 Σs` with
`F = [√W A; √l2 I]`, and by formulas that share nothing with the library.
"""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.data import WeightedData
from hntf.layers import NNLSLayer
from hntf.maps import Dense
from tests.problems import seeds

EPS = np.finfo(np.float64).eps


class Problem(NamedTuple):
    """`min_{S ≥ 0} ½‖√W ∘ (X − S Aᵀ)‖² + l1 ΣS + ½ l2‖S‖²` with `A` `(m, k)` and `X` `(n, m)`."""

    A: np.ndarray
    X: np.ndarray
    l1: float = 0.0
    l2: float = 0.0
    weights: np.ndarray | None = None

    @property
    def W(self):
        return np.ones_like(self.X) if self.weights is None else self.weights

    def factors(self):
        """Return `F` of every row, `(n, m + k, k)`, and the samples, `(n, m + k)`."""
        n, k = len(self.X), self.A.shape[1]
        root = np.sqrt(self.W)
        ridge = np.broadcast_to(np.sqrt(self.l2) * np.eye(k), (n, k, k))
        return np.concatenate([root[:, :, None] * self.A, ridge], 1), np.hstack([root * self.X, np.zeros((n, k))])

    def gram_form(self):
        """Return `G`, one for all rows or, with weights, one per row, and `C`."""
        F = self.factors()[0] if self.weights is not None else self.factors()[0][0]
        return F.mT @ F, (self.W * self.X) @ self.A - self.l1


# --- Draws -----------------------------------------------------------------------------------------------------------


def low_rank(rng, m, k):
    r = rng.integers(1, k)
    return rng.standard_normal((m, r)) @ rng.standard_normal((r, k))


def low_rank_positive(rng, m, k):
    r = rng.integers(1, k)
    return rng.random((m, r)) @ rng.random((r, k))


def twins(rng, m, k):
    A = rng.random((m, k))
    for _ in range(rng.integers(1, 3)):
        i, j = rng.choice(k, 2, replace=False)
        A[:, i] = A[:, j] * rng.choice([1.0, 2.0, 0.3, 1e3, 1e-3])
    return A


def near_twins(rng, m, k):
    A = rng.random((m, k))
    i, j = rng.choice(k, 2, replace=False)
    A[:, i] = A[:, j] + 10.0 ** -rng.integers(6, 15) * rng.standard_normal(m)
    return A


def zeros(rng, m, k):
    A = rng.random((m, k))
    A[:, rng.random(k) < 0.4] = 0.0
    A[rng.random(m) < 0.4] = 0.0
    return A


def digits(rng, m, k):
    return rng.integers(0, 10, (m, k)).astype(float)


def signs(rng, m, k):
    return rng.integers(-2, 3, (m, k)).astype(float)


def wide(rng, m, k):
    m = int(rng.integers(1, k))
    return rng.standard_normal((m, k)) if rng.random() < 0.5 else rng.random((m, k))


MATRICES = [low_rank, low_rank_positive, twins, near_twins, zeros, digits, signs, wide]
RIGHT_HAND_SIDES = ["signed", "positive", "integers", "consistent"]
EXTRAS = ["plain", "l1", "l2", "both", "weights", "all"]


def draw(seed, matrix, right, extra):
    """Draw a problem with a kind of matrix, of right-hand side, and of penalties and weights."""
    rng = np.random.default_rng(seed)
    A = matrix(rng, int(rng.integers(2, 13)), int(rng.integers(2, 11)))
    (m, k), n = A.shape, 4
    if right == "signed":
        X = rng.standard_normal((n, m))
    elif right == "positive":
        X = rng.random((n, m))
    elif right == "integers":
        X = rng.integers(0, 10, (n, m)).astype(float)
    else:
        X = np.maximum(rng.standard_normal((n, k)), 0.0) @ A.T
    l1 = 10.0 ** rng.integers(-8, 1) if extra in ("l1", "both", "all") else 0.0
    l2 = 10.0 ** rng.integers(-12, 1) if extra in ("l2", "both", "all") else 0.0
    weights = None
    if extra in ("weights", "all"):
        weights = rng.uniform(0, 2, (n, m)) * (rng.random((n, m)) < 0.7)
    return Problem(A, X, l1, l2, weights)


problems = {"seed": seeds, "right": st.sampled_from(RIGHT_HAND_SIDES), "extra": st.sampled_from(EXTRAS)}

# --- Solvers ---------------------------------------------------------------------------------------------------------


def by_nnls(problem):
    A, X, l1, l2, weights = problem
    weights = None if weights is None else weights.T
    S, info = hntf.nnls(A, X.T, l1=l1, l2=l2, weights=weights, return_info=True)
    return S.T, info.support.T


def by_nnls_gram(problem):
    S, info = hntf.nnls_gram(*problem.gram_form(), return_info=True)
    return S, info.support


def by_layer(problem, dS=None):
    """Return the solution and its support, and the gradients if `dS` is given."""
    A, X, l1, l2, weights = problem
    layer = NNLSLayer(Dense(A), l1=l1, l2=l2)
    S, tape = layer.forward(X if weights is None else WeightedData(X, weights))
    if dS is None:
        return S, tape.support
    dX, (dA,) = layer.backward(tape, dS)
    return S, tape.support, dX, dA


def by_torch(problem, dS=None):
    A, X, l1, l2, weights = problem
    A, X = torch.tensor(A, requires_grad=True), torch.tensor(X, requires_grad=True)
    weights = None if weights is None else torch.tensor(weights)
    S, info = hntf.torch.nnls(X, A, l1=l1, l2=l2, weights=weights, return_info=True)
    if dS is None:
        return S.detach().numpy(), info.support.numpy()
    dX, dA = torch.autograd.grad(S, (X, A), torch.tensor(dS))
    return S.detach().numpy(), info.support.numpy(), dX.numpy(), dA.numpy()


SOLVERS = [by_nnls, by_nnls_gram, by_layer, by_torch]


def knows_factor(solver, problem):
    """Tell whether a solver has more than the Gram matrices: a layer over weighted data has one per sample and no factor."""
    return not (solver is by_nnls_gram or (solver is by_layer and problem.weights is not None))


# --- Measures --------------------------------------------------------------------------------------------------------


def smallest_singular_value(F, P):
    """Return the smallest singular value of the columns `P`, scaled to unit norm; 0 for more columns than rows."""
    if not P.any():
        return 1.0
    columns = F[:, P] / np.linalg.norm(F[:, P], axis=0)
    return np.linalg.svd(columns, compute_uv=False)[-1] if P.sum() <= len(F) else 0.0


def smallest_eigenvalue(G, P):
    """Return the smallest eigenvalue of the Gram matrix of the columns `P`, scaled to a unit diagonal."""
    norms = np.sqrt(np.diagonal(G)[P])
    return np.linalg.eigvalsh(G[np.ix_(P, P)] / np.outer(norms, norms))[0] if P.any() else 1.0


def dependence(problem, support, *, factor):
    """Return the smallest value that tells whether the columns of a row's support are independent."""
    if factor:
        F, _ = problem.factors()
        return min(smallest_singular_value(f, P) for f, P in zip(F, support, strict=True))
    G, C = problem.gram_form()
    return min(smallest_eigenvalue(g, P) for g, P in zip(np.broadcast_to(G, (len(C), *G.shape[-2:])), support, strict=True))


def violation(S, Y, norms, scale):
    """Return the largest violation of `Y ≥ 0` and of `Y = 0` on the support, for columns of unit norm, relative to `scale`."""
    Y = Y / np.where(norms > 0, norms, 1.0)
    scale = scale + np.sum(S * norms, 1)
    return np.max(np.where(S > 0, np.abs(Y), -Y) / np.where(scale > 0, scale, 1.0)[:, None], initial=0.0)


def kkt_violation(problem, S, *, factor):
    """Return the violation of the KKT conditions, of the residual or, in Gram form, of the Gram matrices."""
    if factor:
        F, Z = problem.factors()
        residual = np.einsum("nmk,nk->nm", F, S) - Z
        Y = np.einsum("nm,nmk->nk", residual, F) + problem.l1
        return violation(S, Y, np.linalg.norm(F, axis=1), np.linalg.norm(Z, axis=1))
    G, C = problem.gram_form()
    G = np.broadcast_to(G, (len(C), *G.shape[-2:]))
    norms = np.sqrt(np.einsum("nkk->nk", G))
    scale = np.max(np.abs(C) / np.where(norms > 0, norms, 1.0), 1)
    return violation(S, np.einsum("nk,nkl->nl", S, G) - C, norms, scale)


def on_support(F, support, dS):
    """Solve `F_PᵀF_P v = dS_P` on the supports by QR factorizations, `v = T⁻¹ T⁻ᵀ dS_P`; return `V` and its condition."""
    V, condition = np.zeros_like(dS), np.zeros_like(dS)
    for i, P in enumerate(support):
        if P.any():
            norms = np.linalg.norm(F[i][:, P], axis=0)
            T = np.linalg.qr(F[i][:, P] / norms, mode="r")
            inverse = scipy.linalg.solve_triangular(T, np.eye(len(T)))
            right = inverse.T @ (dS[i, P] / norms)
            V[i, P] = inverse @ right / norms
            condition[i, P] = np.linalg.cond(T) * np.linalg.norm(inverse, 2) * np.linalg.norm(right) / norms
    return V, condition


def gradients(A, X, W, S, V):
    """Return `dX = W ∘ V Aᵀ` and the two parts of `dA = (W ∘ X)ᵀV − Σ w ∘ A (sᵀv + vᵀs)`."""
    outer = np.einsum("ni,nj->nij", S, V)
    return W * (V @ A.T), (W * X).T @ V, np.einsum("nm,mi,nij->mj", W, A, outer + outer.mT)
