"""Both implementations under one contract."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hntf.arrays import from_numpy
from hntf.least_squares import portable, solver
from hntf.least_squares.on_support import pullback, solve_on_support
from tests.problems import KINDS, least_squares, seeds


def gram_problem(seed, k, n, kind, grams=1):
    """Draw `G`, one for all rows or `grams` of them, and `C`."""
    parts = [least_squares(seed + i, k + 2, k, n // grams, kind=kind) for i in range(grams)]
    G = np.array([A.T @ A for A, _ in parts])
    return (G[0] if grams == 1 else G), np.concatenate([B.T @ A for A, B in parts])


def objective(G, C, S):
    G = np.broadcast_to(G, (1, *G.shape)) if G.ndim == 2 else G
    G = np.repeat(G, len(C) // len(G), axis=0)
    return 0.5 * np.einsum("ni,nij,nj->n", S, G, S) - np.sum(C * S, axis=1)


@pytest.fixture(params=["compiled", "portable"])
def solve(request):
    return solver.solve if request.param == "compiled" else solver._solve_portable


@given(seed=seeds, k=st.integers(1, 9), grams=st.sampled_from([1, 3, 12]), kind=st.sampled_from(KINDS))
def test_portable_agrees_with_compiled(backend, seed, k, grams, kind):
    G, C = gram_problem(seed, k, 12, kind, grams)
    compiled = solver.solve(G, C)
    portable_solution = solver._solve_portable(backend(G), backend(C), None)
    S = np.asarray(portable_solution.S)
    np.testing.assert_array_equal(np.asarray(portable_solution.support), S > 0)
    value, reference = objective(G, C, S), objective(G, C, compiled.S)
    np.testing.assert_allclose(value, reference, rtol=1e-8, atol=1e-10 * (1 + np.abs(reference).max()))


@given(seed=seeds, k=st.integers(1, 9), grams=st.sampled_from([1, 4]), warm=st.booleans())
def test_on_support_agrees_with_direct_solves(backend, seed, k, grams, warm):
    G, C = gram_problem(seed, k, 8, "dense", grams)
    support = np.random.default_rng(seed).random(C.shape) < 0.6
    expected = np.zeros_like(C)
    for i, P in enumerate(support):
        g = G if grams == 1 else G[i // 2]
        expected[i, P] = np.linalg.solve(g[np.ix_(P, P)], C[i, P])
    implementation = portable.solve_on_support if warm else solve_on_support
    V = implementation(backend(G), backend(C), backend(support))
    np.testing.assert_allclose(np.asarray(V), expected, rtol=1e-6, atol=1e-9 * (1 + np.abs(expected).max()))


def test_the_pullback_is_self_adjoint(rng):
    """`⟨solve(dS), dC⟩ = ⟨dS, solve(dC)⟩`: the backward pass is the forward map."""
    G, C = gram_problem(3, 6, 10, "dense")
    S, support, *_ = solver.solve(G, C)
    dS, dC = rng.standard_normal(C.shape), rng.standard_normal(C.shape)
    _, V = pullback(G, S, support, dS)
    np.testing.assert_allclose(np.sum(V * dC), np.sum(dS * solve_on_support(G, dC, support)), rtol=1e-10)


def test_at_a_dependent_support_the_pullback_is_finite():
    G = np.ones((2, 2))
    dG, dC = pullback(G, np.array([[1.0, 0.0]]), np.array([[True, True]]), np.ones((1, 2)))
    assert np.isfinite(dG).all()
    assert np.isfinite(dC).all()


def test_rows_that_pivoting_gives_up_are_settled(monkeypatch, solve):
    """With no iterations for pivoting, the active set solves every row."""
    G, C = gram_problem(0, 7, 30, "signed")
    expected = solver.solve(G, C).S
    monkeypatch.setattr(solver, "max_iterations", lambda k: 1)
    np.testing.assert_allclose(solve(G, -np.abs(C) + 2 * C, None).S, solver.solve(G, -np.abs(C) + 2 * C).S, atol=1e-9)
    np.testing.assert_allclose(solve(G, C, None).S, expected, atol=1e-9)


def test_large_problems_are_split_over_threads_with_the_same_result():
    G, C = gram_problem(1, 10, 6000, "dense")
    whole = solver.solve(G, C).S
    parts = np.concatenate([solver.solve(G, rows).S for rows in np.array_split(C, 60)])
    np.testing.assert_array_equal(whole, parts)


def test_calls_from_several_threads_at_once():
    G, C = gram_problem(1, 10, 4000, "dense")
    expected = solver.solve(G, C).S
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: solver.solve(G, C).S, range(8)):
            np.testing.assert_array_equal(result, expected)


def _solve_sum(problem):
    return float(solver.solve(*problem).S.sum())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    problem = gram_problem(1, 10, 6000, "dense")
    expected = _solve_sum(problem)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_solve_sum, (problem,)).get(timeout=60) == expected


def test_from_numpy_shares_memory_with_torch():
    import torch

    x = np.zeros(3)
    from_numpy(x, torch.zeros(1))[0] = 1.0
    assert x[0] == 1.0


@given(seed=seeds, rank=st.integers(0, 4), k=st.integers(1, 6))
def test_singular_gram_matrices_of_single_rows_are_solved_as_each_alone(seed, rank, k):
    rng = np.random.default_rng(seed)
    roots = rng.random((7, rank, k)) * 10.0 ** rng.integers(-3, 4, (7, 1, k))
    roots[0, :, 0] = 0.0
    G = roots.transpose(0, 2, 1) @ roots
    C = np.einsum("gij,gj->gi", G, rng.random((7, k)) - 0.3)
    together = solver.solve(G, C)
    scale = np.abs(C).max() + 1.0
    for i in range(7):
        alone = solver.solve(G[i], C[i : i + 1])
        costs = [0.5 * s @ G[i] @ s - C[i] @ s for s in (together.S[i], alone.S[0])]
        np.testing.assert_allclose(*costs, rtol=1e-8, atol=1e-10 * scale)
