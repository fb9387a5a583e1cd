"""Systems on the supports of eight rows at once, interleaved or one after another, against dense solves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hntf.least_squares import compiled
from hntf.least_squares.systems import MOST_INTERLEAVED
from tests.problems import seeds

SIZES = st.one_of(st.integers(1, 14), st.sampled_from([MOST_INTERLEAVED, MOST_INTERLEAVED + 5]))


def problem(seed, n, k, grams):
    """Draw Gram matrices with columns of all sizes, right-hand sides and supports, full and empty ones among them."""
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((grams, 3 * k, k)) * 10.0 ** rng.uniform(-3, 3, k)
    G, C = factors.mT @ factors, rng.standard_normal((n * grams, k))
    support = rng.random(C.shape) < rng.choice([0.0, 0.3, 0.9, 1.0], (n * grams, 1))
    return G, C, support


@given(seed=seeds, n=st.integers(1, 20), k=SIZES, grams=st.integers(1, 3), first=st.integers(0, 3))
def test_systems_on_supports_agree_with_dense_solves(seed, n, k, grams, first):
    G, C, support = problem(seed, n, k, grams)
    V, safe = np.full(C.shape, np.nan), np.zeros(len(C), bool)
    first = min(first, len(C))
    compiled.on_support(G, C, support, V, safe, first, len(C))
    assert safe[first:].all()
    assert np.isnan(V[:first]).all()
    for i in range(first, len(C)):
        P, g = support[i], G[i // n]
        scale = np.sqrt(np.diagonal(g)[P])
        expected = np.linalg.solve(g[np.ix_(P, P)] / np.outer(scale, scale), C[i, P] / scale)
        np.testing.assert_allclose(V[i, P] * scale, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max(initial=0))
        assert not V[i, ~P].any()


@given(seed=seeds, n=st.integers(1, 20), k=SIZES, grams=st.integers(1, 3))
def test_conditions_are_estimated_from_above_and_within_an_order(seed, n, k, grams):
    G, C, support = problem(seed, n, k, grams)
    found = np.empty(len(C))
    compiled.conditions(G, C, support, found, 0, len(C))
    for i, P in enumerate(support):
        if P.any():
            g = G[i // n][np.ix_(P, P)]
            scale = np.sqrt(np.diagonal(g))
            smallest = np.linalg.eigvalsh(g / np.outer(scale, scale))[0] / len(g)
            assert 0.99 * smallest <= found[i] <= 30 * smallest


@pytest.mark.parametrize("k", [2, 9, MOST_INTERLEAVED + 5])
def test_a_dependent_column_is_told_in_its_row_only(rng, k):
    A = rng.random((2 * k, k))
    A[:, -1] = A[:, 0]
    G, C = (A.T @ A)[None], rng.random((11, k))
    support = np.ones(C.shape, bool)
    support[::2, 0] = False
    V, safe, found = np.empty(C.shape), np.empty(len(C), bool), np.empty(len(C))
    compiled.on_support(G, C, support, V, safe, 0, len(C))
    compiled.conditions(G, C, support, found, 0, len(C))
    np.testing.assert_array_equal(safe, np.arange(11) % 2 == 0)
    np.testing.assert_array_equal(found > 0, safe)
    np.testing.assert_allclose(V[::2] @ G[0][:, 1:], C[::2, 1:], rtol=1e-8, atol=1e-8)


def test_a_zero_column_in_a_support_is_not_safe(rng):
    A = rng.random((6, 3)) * [1.0, 0.0, 1.0]
    G, C, support = (A.T @ A)[None], rng.random((1, 3)), np.ones((1, 3), bool)
    V, safe = np.empty((1, 3)), np.ones(1, bool)
    compiled.on_support(G, C, support, V, safe, 0, 1)
    assert not safe[0]
