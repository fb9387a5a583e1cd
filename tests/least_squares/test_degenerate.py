"""Degenerate problems: whatever depends on what, the solution is exact, its support is independent, its derivative is finite.

Every problem is judged by the least-squares problem of each of its rows, `min_{s ≥ 0} ½‖F s − z‖² + l1 Σs` with
`F = [√W A; √l2 I]`, and by formulas that share nothing with the library.
"""

import copy
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import hntf
from hntf.algebra import khatri_rao
from hntf.arrays import to_numpy
from hntf.data import DenseData, WeightedData
from hntf.data.given_weights import entry_weights
from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, ModeProduct
from tests.problems import seeds

EPS = np.finfo(np.float64).eps

pytestmark = pytest.mark.usefixtures("one_thread")


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


# --- Solvers ---------------------------------------------------------------------------------------------------------


class Solution(NamedTuple):
    """The solution, its support, `(dX, dA)` for the cotangent `dS`, and the derivatives of the sum of these two."""

    S: np.ndarray
    support: np.ndarray
    first: tuple[np.ndarray, ...] = ()
    second: tuple[np.ndarray, ...] = ()


def by_nnls(problem, dS):
    A, X, l1, l2, weights = problem
    weights = None if weights is None else weights.T
    S, info = hntf.nnls(A, X.T, l1=l1, l2=l2, weights=weights, return_info=True)
    return Solution(S.T, info.support.T)


def by_nnls_gram(problem, dS):
    S, info = hntf.nnls_gram(*problem.gram_form(), return_info=True)
    return Solution(S, info.support)


def by_layer(problem, dS):
    A, X, l1, l2, weights = problem
    layer = NNLSLayer(Dense(A), l1=l1, l2=l2)
    S, tape = layer.forward(X if weights is None else WeightedData(DenseData(X), entry_weights(weights)))
    dX, (dA,) = layer.backward(tape, dS)
    return Solution(S, tape.support, (dX, dA))


def by_torch(problem, dS):
    A, X, dS = (torch.tensor(x, requires_grad=True) for x in (problem.A, problem.X, dS))
    weights = None if problem.weights is None else torch.tensor(problem.weights)
    S, info = hntf.torch.nnls(X, A, l1=problem.l1, l2=problem.l2, weights=weights, return_info=True)
    first = torch.autograd.grad(S, (X, A), dS, create_graph=True)
    second = torch.autograd.grad([x.sum() for x in first], (X, A, dS))
    return Solution(*(x.detach().numpy() for x in (S, info.support)), *map(as_arrays, (first, second)))


def as_arrays(tensors):
    return tuple(x.detach().numpy() for x in tensors)


SOLVERS = [by_nnls, by_nnls_gram, by_layer, by_torch]


def knows_factor(solver, problem):
    """Tell whether a solver has more than the Gram matrices."""
    return solver is not by_nnls_gram


# --- Measures --------------------------------------------------------------------------------------------------------


def grams_of_rows(problem):
    G, C = problem.gram_form()
    return np.broadcast_to(G, (len(C), *G.shape[-2:])), C


def positive(x):
    """Return `x` with zeros replaced by ones."""
    return np.where(x > 0, x, 1.0)


def unit_columns(F, support):
    """Return the matrices `F` with columns of unit norm on the support and columns `e_j` in new rows elsewhere, and the norms.

    Their smallest singular value is that of the columns on the support, and 0 for more of them than rows.
    """
    norms = positive(np.linalg.norm(F, axis=1))
    columns = np.where(support[:, None], F / norms[:, None], 0.0)
    return np.concatenate([columns, np.eye(F.shape[2]) * ~support[:, None]], 1), norms


def smallest_singular_values(problem, support):
    columns, _ = unit_columns(problem.factors()[0], support)
    return np.linalg.svd(columns, compute_uv=False)[:, -1]


def smallest_eigenvalues(problem, support):
    """Return the smallest eigenvalue of every row's Gram matrix of the columns of its support, scaled to a unit diagonal."""
    G, _ = grams_of_rows(problem)
    norms = positive(np.sqrt(np.einsum("nkk->nk", G)))
    both = support[:, :, None] & support[:, None]
    scaled = np.where(both, G / (norms[:, :, None] * norms[:, None]), np.eye(G.shape[1]) * ~support[:, None])
    return np.linalg.eigvalsh(scaled)[:, 0]


def kkt_violation(problem, S, *, in_gram_form):
    """Return the largest violation of `Y ≥ 0` and of `Y = 0` on the support, for columns of unit norm, relative to their terms.

    `Y` is computed from the residual, or in Gram form from the Gram matrices.
    """
    if in_gram_form:
        G, C = grams_of_rows(problem)
        norms = positive(np.sqrt(np.einsum("nkk->nk", G)))
        Y = np.einsum("nk,nkl->nl", S, G) - C
        scale = np.max(np.abs(C) / norms, 1)
    else:
        F, Z = problem.factors()
        norms = positive(np.linalg.norm(F, axis=1))
        Y = np.einsum("nm,nmk->nk", np.einsum("nmk,nk->nm", F, S) - Z, F) + problem.l1
        scale = np.linalg.norm(Z, axis=1)
    scale = positive(scale + np.sum(S * norms, 1))[:, None]
    return np.max(np.where(S > 0, np.abs(Y), -Y) / norms / scale)


def gradients(problem, S, V):
    """Return `dX = W ∘ V Aᵀ` and the two parts of `dA = (W ∘ X)ᵀV − Σ w ∘ A (sᵀv + vᵀs)`."""
    A, X, W = problem.A, problem.X, problem.W
    outer = np.einsum("ni,nj->nij", S, V)
    return W * (V @ A.T), (W * X).T @ V, np.einsum("nm,mi,nij->mj", W, A, outer + outer.mT)


def reference_gradients(problem, support, dS):
    """Return `V`, with `F_PᵀF_P v = dS_P`, from QR factorizations of the supports: `v = T⁻¹ T⁻ᵀ dS_P`, and its size.

    `‖T⁻¹‖ ‖T⁻ᵀ dS_P‖` is the size of the terms that add up to `v`, which no method can compute more accurately.
    """
    columns, norms = unit_columns(problem.factors()[0], support)
    T = np.linalg.qr(columns, mode="r")
    right = np.linalg.solve(T.mT, np.where(support, dS / norms, 0.0)[..., None])
    V = np.where(support, np.linalg.solve(T, right)[..., 0] / norms, 0.0)
    condition = 1 / np.linalg.svd(T, compute_uv=False)[:, -1:]
    size = np.where(support, condition * np.linalg.norm(right, axis=1) / norms, 0.0)
    return V, size, condition


def reference_second_derivatives(problem, support, dS):
    """Return the derivatives of the sum of `dX` and `dA` by differentiating twice a dense solve on the supports."""
    A, X, dS = (torch.tensor(x, requires_grad=True) for x in (problem.A, problem.X, dS))
    W, P = torch.tensor(problem.W), torch.tensor(support)
    identity = torch.eye(A.shape[1], dtype=A.dtype)
    G = torch.einsum("nm,mi,mj->nij", W, A, A) + problem.l2 * identity
    norms = torch.where(P, torch.einsum("nii->ni", G.detach()).sqrt(), 1.0)
    scaled = G / norms[:, :, None] / norms[:, None]
    scaled = torch.where(P[:, :, None] & P[:, None], scaled, identity * ~P[:, None])
    C = torch.where(P, (W * X) @ A - problem.l1, 0.0) / norms
    S = torch.linalg.solve(scaled, C[..., None])[..., 0] / norms
    first = torch.autograd.grad(S, (X, A), dS, create_graph=True)
    return as_arrays(torch.autograd.grad([x.sum() for x in first], (X, A, dS)))


# --- What holds for every problem --------------------------------------------------------------------------------------


def assert_independent_support(problem, solution, *, in_gram_form):
    np.testing.assert_array_equal(solution.support, solution.S > 0)
    if in_gram_form:
        assert smallest_eigenvalues(problem, solution.support).min() > 1e-15
    else:
        # A column enters at a relative distance of 8 k EPS from the span of the others.
        assert smallest_singular_values(problem, solution.support).min() > 4 * problem.A.shape[1] * EPS


def assert_gradients(problem, solution, dS, *, in_gram_form):
    V, size, condition = reference_gradients(problem, solution.support, dS)
    # A factor loses one condition number in `V` and none in `V Aᵀ`. A Gram matrix loses one more; problems with a factor are
    # solved from it while its pivots are safe, up to a condition of about 1e4, or 1e5 with weights.
    from_gram = in_gram_form | (condition < (1e4 if problem.weights is None else 1e5))
    size = size * np.where(from_gram, condition, 1.0) * (10 if in_gram_form else 1)
    terms = problem._replace(A=np.abs(problem.A), X=np.abs(problem.X))
    dX, from_C, from_G = gradients(problem, solution.S, V)
    scale_dX, *_ = gradients(terms, solution.S, size)
    _, scale_C, scale_G = gradients(terms, solution.S, size * condition)
    assert np.all(np.abs(solution.first[0] - dX) <= 100 * EPS * np.max(scale_dX, axis=1, keepdims=True))
    assert np.all(np.abs(solution.first[1] - (from_C - from_G)) <= 100 * EPS * (scale_C + scale_G))


def assert_second_derivatives(problem, solution, dS):
    """Compare with the reference, in units of what it changes by where the problem changes or is rounded differently."""
    condition = np.max(1 / smallest_singular_values(problem, solution.support))
    if condition > 1e5:  # the reference itself is lost
        return
    rng = np.random.default_rng(0)

    def changes(change):
        for _ in range(3):
            A, X, changed = (x * (1 + change * rng.uniform(-1, 1, x.shape)) for x in (problem.A, problem.X, dS))
            moved = reference_second_derivatives(problem._replace(A=A, X=X), solution.support, changed)
            yield [np.max(np.abs(a - b)) for a, b in zip(moved, expected, strict=True)]

    expected = reference_second_derivatives(problem, solution.support, dS)
    sizes = np.array([np.max(np.abs(reference)) for reference in expected])
    sizes = EPS * (sizes + np.max(list(changes(1e-10)), axis=0) / 1e-10) + 0.1 * np.max(list(changes(4 * EPS)), axis=0)
    errors = [np.max(np.abs(result - reference)) for result, reference in zip(solution.second, expected, strict=True)]
    assert np.all(np.array(errors) <= 1e4 * condition * sizes)


def assert_exact(solver, seed, matrix, right, extra):
    problem = draw(seed, matrix, right, extra)
    dS = np.random.default_rng(seed + 1).standard_normal((len(problem.X), problem.A.shape[1]))
    solution = solver(problem, dS)
    in_gram_form = not knows_factor(solver, problem)
    assert all(np.isfinite(x).all() for x in (solution.S, *solution.first, *solution.second))
    assert_independent_support(problem, solution, in_gram_form=in_gram_form)
    # The Gram matrix of columns closer than 1e-6 holds their difference to few digits, or not at all. That shows only where
    # nothing else is left of the residual.
    lost = in_gram_form and matrix is near_twins and right == "consistent"
    assert kkt_violation(problem, solution.S, in_gram_form=in_gram_form) < (1e-7 if lost else 1e-12)
    if solution.first:
        assert_gradients(problem, solution, dS, in_gram_form=in_gram_form)
    if solution.second:
        assert_second_derivatives(problem, solution, dS)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("solver", SOLVERS)
@settings(max_examples=max(1, settings().max_examples // 2))
@given(seed=seeds, right=st.sampled_from(RIGHT_HAND_SIDES), extra=st.sampled_from(EXTRAS))
def test_solution_support_and_derivatives_are_exact(solver, matrix, seed, right, extra):
    assert_exact(solver, seed, matrix, right, extra)


def assert_draws_are_exact(matrix, draws, seed):
    rng = np.random.default_rng(seed)
    for problem_seed in rng.integers(2**32, size=draws).tolist():
        right, extra = str(rng.choice(RIGHT_HAND_SIDES)), str(rng.choice(EXTRAS))
        for solver in SOLVERS:
            try:
                assert_exact(solver, problem_seed, matrix, right, extra)
            except AssertionError as error:
                error.add_note(f"{solver.__name__}(draw({problem_seed}, {matrix.__name__}, {right!r}, {extra!r}))")
                raise


@pytest.mark.slow
@pytest.mark.parametrize("matrix", MATRICES)
def test_many_draws(matrix):
    """More of them: `benchmarks/degenerate.py`."""
    assert_draws_are_exact(matrix, draws=120, seed=0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_dictionary_of_rank_two_with_three_columns(solver):
    problem = Problem(np.array([[9.0, 5.0, 0.0], [8.0, 4.0, 1.0], [9.0, 5.0, 0.0]]), np.array([[6.0, 7.0, 3.0]]))
    solution = solver(problem, np.ones((1, 3)))
    np.testing.assert_allclose(solution.S, [[0.5, 0.0, 3.0]], atol=1e-12)
    np.testing.assert_array_equal(solution.support, [[True, False, True]])


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_small_ridge_and_a_penalty_on_dependent_columns(solver):
    problem = Problem(np.array([[2.0, 2.0, 1.0]]), np.array([[2.0]]), l1=1.0, l2=1e-10)
    solution = solver(problem, np.ones((1, 3)))
    np.testing.assert_allclose(solution.S, [[0.375, 0.375, 0.0]], rtol=1e-4)


# --- Ill-conditioned dictionaries --------------------------------------------------------------------------------------


def with_condition(condition, seed=0):
    rng = np.random.default_rng(seed)
    U, _ = np.linalg.qr(rng.standard_normal((30, 8)))
    V, _ = np.linalg.qr(rng.standard_normal((8, 8)))
    return U * np.geomspace(1, 1 / condition, 8) @ V.T


ILL_CONDITIONED = {
    **{f"condition 1e{e}": with_condition(10.0**e) for e in range(4, 11)},
    **{f"Hilbert {k}": scipy.linalg.hilbert(k) for k in (6, 10, 14)},
    "Hilbert 20 × 12": scipy.linalg.hilbert(20)[:, :12],
    # All pivots of these are large.
    **{f"triangular {k}": np.eye(k) - np.triu(np.ones((k, k)), 1) for k in (12, 16, 20, 24, 30)},
    "triangular, .7": np.eye(40) - 0.7 * np.triu(np.ones((40, 40)), 1),
    "Vandermonde": np.vander(np.linspace(0, 1, 20), 12),
    "Vandermonde, signed": np.vander(np.linspace(-1, 1, 20), 14),
}


def ill_conditioned(name, kind, *, weighted):
    A, rng = ILL_CONDITIONED[name], np.random.default_rng(1)
    X = rng.standard_normal((5, len(A)))
    consistent = np.maximum(rng.standard_normal((5, A.shape[1])), 0.0) @ A.T
    X = {"random": X, "consistent": consistent, "nearly": consistent + 1e-3 * X}[kind]
    return Problem(A, X, weights=rng.uniform(0.5, 1.5, X.shape) if weighted else None)


def residuals(problem, S):
    root = np.sqrt(problem.W)
    return np.linalg.norm(root * (problem.X - S @ problem.A.T), axis=1) / np.linalg.norm(root * problem.X, axis=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["random", "consistent", "nearly"])
@pytest.mark.parametrize("name", ILL_CONDITIONED)
def test_ill_conditioned_problems_reach_the_residual_of_scipy(name, kind, weighted):
    problem = ill_conditioned(name, kind, weighted=weighted)
    reference = [
        scipy.optimize.nnls(F, z, maxiter=1000)[1] / np.linalg.norm(z) for F, z in zip(*problem.factors(), strict=True)
    ]
    dS = np.ones((5, problem.A.shape[1]))
    expected = by_nnls(problem, dS).S
    for solver in (by_nnls, by_layer, by_torch):
        solution = solver(problem, dS)
        assert_independent_support(problem, solution, in_gram_form=False)
        # The rounding of `S Aᵀ` itself, where the solution is much larger than the data.
        terms = np.linalg.norm(np.abs(solution.S) @ np.abs(problem.A).T, axis=1) / np.linalg.norm(problem.X, axis=1)
        np.testing.assert_array_less(residuals(problem, solution.S), np.array(reference) + 1e-12 + 4 * EPS * terms)
        condition = 1 / smallest_singular_values(problem, solution.support)
        lost = np.where(condition < 1e5, condition**2, condition)
        difference = np.linalg.norm(solution.S - expected, axis=1)
        assert np.all(
            difference <= 10 * EPS * lost * (np.linalg.norm(problem.X, axis=1) + np.linalg.norm(expected, axis=1))
        )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", [by_nnls, by_layer, by_torch])
@pytest.mark.parametrize("name", ILL_CONDITIONED)
def test_consistent_systems_are_fitted_to_rounding(solver, name, weighted):
    problem = ill_conditioned(name, "consistent", weighted=weighted)
    dS = np.zeros((5, problem.A.shape[1]))
    assert residuals(problem, solver(problem, dS).S).max() < 1e-14


def test_hidden_entries_of_an_ill_conditioned_problem(rng):
    problem = ill_conditioned("condition 1e9", "consistent", weighted=True)
    W = problem.W * (rng.random(problem.W.shape) < 0.7)
    problem = problem._replace(X=np.where(W > 0, problem.X, 1e3), weights=W)
    for solver in (by_nnls, by_layer, by_torch):
        assert residuals(problem, solver(problem, np.ones((5, 8))).S).max() < 1e-14


@given(seed=seeds, exponent=st.floats(2.5, 6.0), consistent=st.booleans(), weighted=st.booleans())
def test_no_condition_is_too_large_for_one_form_and_too_small_for_the_other(seed, exponent, consistent, weighted):
    A, rng = with_condition(10.0**exponent, seed), np.random.default_rng(seed)
    X = np.maximum(rng.standard_normal((20, 8)), 0.0) @ A.T if consistent else rng.standard_normal((20, 30))
    X += (X == 0).all(1, keepdims=True)
    problem = Problem(A, X, weights=rng.uniform(0.5, 1.5, X.shape) if weighted else None)
    reference = [
        scipy.optimize.nnls(F, z, maxiter=1000)[1] / np.linalg.norm(z) for F, z in zip(*problem.factors(), strict=True)
    ]
    for solver in (by_nnls, by_layer, by_torch):
        S = solver(problem, np.ones((20, 8))).S
        np.testing.assert_array_less(residuals(problem, S), np.array(reference) + 1e-12)


@pytest.mark.parametrize("distance", [1e-4, 1e-6, 1e-9, 0.0])
def test_components_of_a_cp_layer_that_are_nearly_equal(backend, rng, distance):
    factors = [rng.random((d, 4)) for d in (5, 6)]
    for U in factors:
        U[:, 1] = U[:, 0] + distance * rng.random(len(U))
    A = khatri_rao(factors)
    X, dS = np.maximum(rng.standard_normal((7, 4)), 0.0) @ A.T, rng.standard_normal((7, 4))
    layer = NNLSLayer(KhatriRao([backend(U) for U in factors]))
    S, tape = layer.forward(backend(X.reshape(7, 5, 6)))
    problem, S = Problem(A, X), to_numpy(S)
    assert residuals(problem, S).max() < 1e-14
    assert smallest_singular_values(problem, S > 0).min() > 16 * EPS
    dX, _ = layer.backward(tape, backend(dS))
    V, size, condition = reference_gradients(problem, S > 0, dS)
    lost = np.where(condition < 1e4, condition, 1.0)
    assert np.all(np.abs(to_numpy(dX).reshape(7, -1) - V @ A.T) <= 100 * EPS * np.max(size * lost) * np.abs(A).sum(1))


@pytest.mark.parametrize("matrix", MATRICES)
def test_tiny_dictionaries(matrix):
    A, X, *_ = draw(0, matrix, "signed", "plain")
    samples = torch.tensor(X, requires_grad=True)
    S = hntf.torch.nnls(samples, torch.tensor(1e-200 * A))
    (dX,) = torch.autograd.grad(S.sum(), samples)
    assert torch.isfinite(dX).all()
    assert kkt_violation(Problem(A, X), 1e-200 * S.detach().numpy(), in_gram_form=False) < 1e-12


@pytest.mark.parametrize("l2", [0.0, 1.0])
@pytest.mark.parametrize("exponent", [-320, -310, -160, -60, 60, 150, 300])
def test_columns_of_any_scale(exponent, l2):
    """A column is scaled with its ridge penalty, so that neither overflows."""
    scale = 10.0**exponent
    A, x = np.array([[1.0, 2.0], [2.0, 2.5], [0.5, 3.0]]), 10.0 ** (20 * np.sign(exponent)) * np.array([1.0, 2.5, 1.5])
    scaled = A * [1.0, scale]
    # Subnormal entries have few digits.
    A[:, 1] = [float(Fraction(entry) / Fraction(scale)) for entry in scaled[:, 1]]
    ridge = np.diag([l2, float(Fraction(l2) / Fraction(scale) ** 2) if scale > 1 else 0.0]) ** 0.5
    expected = hntf.nnls(np.vstack([A, ridge]), np.append(x, [0.0, 0.0]))
    if l2 and scale < 1:  # the penalty leaves `a₂ᵀ(x − a₁ s₁) / l2` of the second
        first = A[:, 0] @ x / (A[:, 0] @ A[:, 0] + l2)
        expected = np.array([first, A[:, 1] @ (x - A[:, 0] * first) / l2 * scale**2])
    for S in (
        hntf.nnls(scaled, x, l2=l2),
        hntf.torch.nnls(torch.tensor(x), torch.tensor(scaled), l2=l2).numpy(),
        hntf.torch.nnls(torch.tensor(x), torch.tensor(scaled), l2=torch.tensor([l2, l2])).numpy(),
    ):
        np.testing.assert_allclose(S * [1.0, scale], expected, rtol=1e-12, atol=1e-320)


def test_a_solution_that_is_no_number_is_an_error():
    with pytest.raises(ValueError, match="A is too small beside B: the solution overflows"):
        hntf.nnls(np.array([[1e-300]]), np.array([1e20]))


@pytest.mark.parametrize("scale", [1e-200, [1.0, 1e-160]])
@pytest.mark.parametrize("linear_map", [Dense, lambda A: KhatriRao([A, A]), lambda A: ModeProduct([A, A])])
def test_layers_refuse_factors_whose_products_underflow(linear_map, backend, rng, scale):
    layer = NNLSLayer(linear_map(backend(scale * rng.random((3, 2)))))
    X = backend(rng.random((4, 3, 3) if len(layer.map.factors) > 1 else (4, 3)))
    for refuses in (layer, hntf.Hierarchy([layer])):
        with pytest.raises(ValueError, match="factors must hold columns whose products do not underflow"):
            refuses.forward(X)
    # In a fit, such a component counts as zero.
    assert np.isfinite(to_numpy(layer.solve(hntf.as_data(X)).S)).all()


@pytest.mark.parametrize("scale", [1e-70, 1.0, 1e60])
@pytest.mark.parametrize("module", [hntf.torch.CP((3, 4), 2), hntf.torch.Tucker((3, 4), (2, 2), l1=1e-3, l2=1e-3)])
def test_modules_do_not_depend_on_the_scale_of_their_factors(module, scale):
    torch.manual_seed(0)
    module, X = copy.deepcopy(module).double(), torch.rand(6, 3, 4, dtype=torch.float64)
    expected = module(X)
    module.set_factors_([scale * U for U in module.factors])
    module.l1, module.l2 = module.l1 * scale**2, module.l2 * scale**4
    torch.testing.assert_close(module(X) * scale**2, expected)


@pytest.mark.parametrize("scale", [1e-170, 1e-50, 1e50, 1e160])
def test_the_label_loss_does_not_depend_on_the_scale_of_the_codes(scale):
    torch.manual_seed(0)
    S, Y = torch.rand(6, 3, dtype=torch.float64), torch.rand(6, 2, dtype=torch.float64)
    torch.testing.assert_close(hntf.torch.label_l2(S * scale, Y), hntf.torch.label_l2(S, Y))


def test_tiny_entries_of_consistent_systems(rng):
    """Columns whose dual is rounding may enter, whatever the condition."""
    for exponent in np.linspace(1, 6, 60):
        U, V = np.linalg.qr(rng.standard_normal((12, 6)))[0], np.linalg.qr(rng.standard_normal((6, 6)))[0]
        A = U * 10.0 ** -np.sort(np.r_[0, rng.uniform(0, exponent, 4), exponent]) @ V
        S = rng.random((20, 6)) * (rng.random((20, 6)) < 0.6) * 10.0 ** rng.uniform(-10, 0, (20, 6)) + 1e-12
        problem = Problem(A, S @ A.T)
        for solver in (by_nnls, by_layer, by_torch):
            assert residuals(problem, solver(problem, np.ones(S.shape)).S).max() < 1e-12


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_large_penalty_on_a_zero_column_beside_dependent_ones(solver):
    problem = Problem(
        np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]]), np.array([[30.0, 50.0, 1.0]]), l1=5.0
    )
    S = solver(problem, np.ones((1, 3))).S
    np.testing.assert_allclose([S[0, :2].sum(), S[0, 2]], [25.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("first", [0, 1, 2, 5])
@pytest.mark.parametrize("second", [3, 4, 7])
def test_twins_with_a_small_ridge(first, second):
    """Their places must not hide them from the estimate of the condition."""
    A = np.eye(8)
    A[:, second] = A[:, first]
    problem = Problem(A, np.ones((3, 8)), l2=1e-9)
    for solver in (by_nnls, by_layer, by_torch):
        S = solver(problem, np.ones((3, 8))).S
        expected = np.ones(8)
        expected[[first, second]] = 0.5
        np.testing.assert_allclose(np.delete(S, second, 1), np.delete(np.tile(expected, (3, 1)), second, 1), atol=1e-6)


def test_gram_matrices_with_eigenvalues_at_rounding():
    """Right-hand sides with a part along such an eigenvector are unbounded but for rounding; the rest is solved."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        U, V = np.linalg.qr(rng.standard_normal((4, 4)))[0], np.linalg.qr(rng.standard_normal((5, 5)))[0]
        A = U * 10.0 ** -np.r_[0, rng.uniform(5, 9, 3)] @ V[:, :4].T
        C = rng.standard_normal((4, 4)) @ A
        G, norms = A.T @ A, np.linalg.norm(A, axis=0)
        S = hntf.nnls_gram(G, C)
        violation = np.abs(np.minimum(S * norms, (S @ G - C) / norms)).max(1)
        assert np.all(violation <= 1e-3 * ((np.abs(C) / norms).max(1) + (S * norms).sum(1)))


SIZES = [5e-324, 1e-320, 1e-310, 1e-308, 1e-300, 1e-200, 1.0, 1e200, 1e300]


class TestNearTheLimitsOfTheNumbers:
    """Powers of two of `A`, `B` and weights change the solution by a power of two, wherever it is a number itself."""

    A = np.array([[1.0, 3.0], [2.0, 1.0], [4.0, 2.0]])
    """Multiples of a subnormal number are exact."""

    @pytest.mark.parametrize("of_weights", [None, 1.0, 2.0**-900, 2.0**900])
    @pytest.mark.parametrize("of_B", SIZES)
    @pytest.mark.parametrize("of_A", SIZES)
    def test_the_solution_has_all_digits(self, of_A, of_B, of_weights):
        of_A, of_B = (np.ldexp(1.0, np.frexp(size)[1]) for size in (of_A, of_B))
        B = self.A @ np.array([[3.0, 0.0], [1.0, 2.0]])
        expected = hntf.nnls(self.A, B)
        exponent = np.frexp(of_B)[1] - np.frexp(of_A)[1]
        weights = None if of_weights is None else np.full(B.shape, of_weights)
        samples, dictionary = torch.tensor(of_B * B.T), torch.tensor(of_A * self.A)
        of_samples = None if weights is None else torch.tensor(weights.T)
        if exponent > 1000:
            with pytest.raises(ValueError, match="overflows"):
                hntf.nnls(of_A * self.A, of_B * B, weights=weights)
            with pytest.raises(ValueError, match="overflows"):
                hntf.torch.nnls(samples, dictionary, weights=of_samples)
            return
        X = hntf.nnls(of_A * self.A, of_B * B, weights=weights)
        S = hntf.torch.nnls(samples, dictionary, weights=of_samples)
        size = np.ldexp(1.0, exponent)
        np.testing.assert_allclose(X, size * expected, rtol=1e-12, atol=1e-12 * size)
        np.testing.assert_allclose(S.T.numpy(), size * expected, rtol=1e-12, atol=1e-12 * size)

    @pytest.mark.parametrize("l1", [0.0, 1e-310, 1e-300])
    def test_penalties_of_subnormal_data(self, l1):
        """`X / l1` alone decides."""
        B, dictionary = np.array([4e-310, 3e-310]), np.eye(2)
        expected = np.maximum(B - l1, 0.0)
        X, info = hntf.nnls(dictionary, B, l1=l1, return_info=True)
        np.testing.assert_allclose(X, expected, rtol=1e-12, atol=1e-322)
        S = hntf.torch.nnls(torch.tensor(B)[None], torch.tensor(dictionary), l1=l1)[0]
        np.testing.assert_allclose(S.numpy(), expected, rtol=1e-12, atol=1e-322)
        assert info.kkt_residual < 1e-12

    def test_gradients_of_tiny_samples(self):
        X = torch.tensor([[3e-309, 1e-309, 2e-309]], dtype=torch.float64, requires_grad=True)
        A = torch.tensor(self.A, requires_grad=True)
        S = hntf.torch.nnls(X, A)
        dX, dA = torch.autograd.grad(S.sum(), (X, A))
        large = (2.0**1000 * X.detach()).requires_grad_()
        of_large, dA_of_large = torch.autograd.grad(hntf.torch.nnls(large, A).sum(), (large, A))
        torch.testing.assert_close(dX, of_large, rtol=1e-12, atol=0.0)
        torch.testing.assert_close(dA, 2.0**-1000 * dA_of_large, rtol=1e-12, atol=1e-322)
