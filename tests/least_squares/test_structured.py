"""Structured Gram matrices against the dense ones they stand for."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hntf.least_squares import kronecker
from hntf.least_squares.gram import apply_gram, symmetric_outer, with_ridge
from hntf.least_squares.hals import hals
from hntf.least_squares.kronecker import KroneckerGram
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve
from tests.problems import seeds


def draw(seed, backend, pattern, ridge=0.0):
    """Draw the Gram of a code with an identity on some axes, the dense matrix of the whole code, and right-hand sides."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(r) for r in rng.integers(1, 4, len(pattern)))
    factors = [None if identity else rng.random((r + 2, r)) for identity, r in zip(pattern, shape, strict=True)]
    grams = [None if A is None else A.T @ A for A in factors]
    whole = reduce(np.kron, [np.eye(r) if G is None else G for G, r in zip(grams, shape, strict=True)])
    rows = (shape[0], int(np.prod(shape[1:])))
    C = rng.standard_normal(rows) + 0.3
    G = KroneckerGram([None if G is None else backend(G) for G in grams], shape)
    return with_ridge(G, ridge), whole + ridge * np.eye(len(whole)), C


patterns = st.lists(st.booleans(), min_size=2, max_size=4).filter(lambda p: not all(p))


@pytest.mark.parametrize("formed", [True, False])
@given(seed=seeds, pattern=patterns, ridge=st.sampled_from([0.0, 1e-12, 0.3, 100.0]))
def test_kronecker_agrees_with_the_dense_problem(backend, formed, seed, pattern, ridge):
    G, whole, C = draw(seed, backend, pattern, ridge)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kronecker, "LARGEST_FORMED", 512 if formed else 0)
        S, support, *_ = solve(G, backend(C))
        again, *_ = solve(G, backend(C), support)
        V = solve_on_support(G, backend(C), support)
    expected = solve(whole, C.reshape(1, -1)).S.reshape(C.shape)
    scale = np.abs(expected).max() + 1e-300
    np.testing.assert_allclose(np.asarray(S) / scale, expected / scale, atol=1e-8)
    np.testing.assert_allclose(np.asarray(again) / scale, expected / scale, atol=1e-8)
    np.testing.assert_allclose(np.asarray(V) / scale, expected / scale, atol=1e-8)
    np.testing.assert_allclose(np.asarray(apply_gram(G, backend(C))), (C.reshape(1, -1) @ whole).reshape(C.shape))


@given(seed=seeds, pattern=patterns)
def test_the_gradient_of_the_product_with_a_kronecker_gram(backend, seed, pattern):
    G, _, S = draw(seed, backend, pattern)
    V = np.random.default_rng(seed).standard_normal(S.shape)
    found = symmetric_outer(backend(V), backend(S), G)
    for axis, gradient in enumerate(found.arrays):
        if gradient is None:
            continue
        direction = np.random.default_rng(1).random(tuple(gradient.shape))
        direction = direction + direction.T
        moved = KroneckerGram([backend(direction) if i == axis else H for i, H in enumerate(G.grams)], G.shape)
        derivative = np.sum(V * np.asarray(moved.apply(backend(S))))
        np.testing.assert_allclose(np.sum(np.asarray(gradient) * direction), derivative, rtol=1e-8, atol=1e-10)
    doubled = 2.0 * found + (-found)
    for a, b in zip(doubled.arrays, found.arrays, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(np.asarray(a), np.asarray(b))


@pytest.mark.parametrize("ridge", [0.0, 1e-13, 0.1])
def test_a_singular_kronecker_gram_is_solved_without_being_formed(monkeypatch, rng, ridge):
    monkeypatch.setattr(kronecker, "LARGEST_FORMED", 0)
    A, B = rng.random((5, 3)), rng.random((4, 2))
    A[:, 2] = A[:, 1]
    X = rng.random((6, 5, 4))
    C = np.einsum("nij,ia,jb->nab", X, A, B).reshape(6, -1)
    G = with_ridge(KroneckerGram([None, A.T @ A, B.T @ B], (6, 3, 2)), ridge)
    S = solve(G, C).S
    Y = apply_gram(G, S) - C
    assert S.min() >= 0
    assert np.abs(np.minimum(S, Y)).max() < 1e-7


@given(seed=seeds, n=st.integers(1, 6), k=st.integers(1, 5), one_a_row=st.booleans())
def test_hals_lowers_the_error_to_the_minimum(backend, seed, n, k, one_a_row):
    rng = np.random.default_rng(seed)
    A = rng.random((n if one_a_row else 1, k + 2, k))
    A[:, :, 0] *= rng.random() < 0.8
    G = np.swapaxes(A, 1, 2) @ A
    C = (
        np.einsum("gmk,gm->gk", A, rng.standard_normal((len(A), k + 2)))
        if one_a_row
        else rng.standard_normal((n, k + 2)) @ A[0]
    )
    gram = backend(G if one_a_row else G[0])

    def error(S):
        S = np.asarray(S)
        return np.sum((np.einsum("gij,gj->gi", np.broadcast_to(G, (n, k, k)), S) / 2 - C) * S)

    S = backend(rng.random((n, k)))
    errors = [error(S)]
    for _ in range(100):
        S = hals(gram, backend(C), S)
        errors.append(error(S))
    assert np.diff(errors).max() <= 1e-9
    assert errors[-1] <= error(solve(gram, backend(C)).S) + 1e-4 * max(1, abs(errors[0]))
