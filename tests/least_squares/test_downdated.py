"""Rows whose Gram matrix is a shared one less a few terms, against the formed matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hntf.data.conversion import as_data
from hntf.least_squares.gram_blocks import GramBlocks, GramSum
from hntf.least_squares.on_support import pullback
from hntf.least_squares.solver import solve
from tests.problems import few


def problem(seed, n=90, m=80, k=12, hidden=0.01, tilt=0.0):
    rng = np.random.default_rng(seed)
    A = rng.random((m, k))
    # Few features tell the last component: without them it depends on others.
    A[3:, -1] = (1 - tilt) * A[3:, -1] + tilt * A[3:, 0]
    X = np.maximum(rng.random((n, k)) @ A.T - 0.5 * rng.random((n, 1)), 0.0)
    observed = rng.random(X.shape) >= hidden
    observed[: n // 3, :3] = False
    return as_data(X, mask=observed), A


def without_downdates(monkeypatch, work):
    with monkeypatch.context() as patch:
        patch.setattr(GramBlocks, "_downdates_of", lambda self, C: None)
        return work()


@few
@given(seed=st.integers(0, 2**32 - 1), hidden=st.sampled_from([0.0, 0.01, 0.02]), tilt=st.sampled_from([0.0, 0.9, 1.0]))
def test_solutions_and_gradients_are_those_of_the_formed_matrices(seed, hidden, tilt):
    X, A = problem(seed, hidden=hidden, tilt=tilt)
    shared = np.eye(A.shape[1]) * 0.1
    G = GramSum([(0.5, X.gram([None, A])), (2.0, shared)], ridge=0.01)
    for gram, C in ((X.gram([None, A]), X.mttkrp([None, A], 0)), (G, 0.5 * X.mttkrp([None, A], 0))):
        assert gram.downdates is not None
        S, support, _ = solve(gram, C)
        _, dC = pullback(gram, S, support, C)
        with pytest.MonkeyPatch.context() as monkeypatch:
            expected = without_downdates(monkeypatch, lambda: solve(gram, C))  # noqa: B023
            _, of_expected = without_downdates(monkeypatch, lambda: pullback(gram, S, support, C))  # noqa: B023
        reconstruction = S @ A.T
        np.testing.assert_allclose(reconstruction, expected.S @ A.T, atol=1e-7 * reconstruction.max())
        warm = solve(gram, C, support)
        np.testing.assert_allclose(warm.S, S, atol=1e-9 * S.max())
        if tilt < 1.0:
            np.testing.assert_allclose(S, expected.S, atol=1e-9 * S.max())
            np.testing.assert_array_equal(support, expected.support)
            np.testing.assert_allclose(dC, of_expected, atol=1e-8 * abs(of_expected).max())


def test_most_rows_with_few_hidden_entries_are_solved_so():
    X, A = problem(0)
    rows = np.arange(30, 90)
    gram, C = X.gram([None, A]), X.mttkrp([None, A], 0)
    downdates = gram.downdates
    np.testing.assert_allclose(
        gram.formed(rows), [downdates.G - (A.T * w) @ A for w in downdates.weights[rows].toarray()]
    )
    solved, _ = downdates.solve(downdates.few(rows), C, None)
    assert len(solved) > 50


def test_rows_that_are_not_well_conditioned_are_left():
    X, A = problem(0, tilt=1.0)
    solved, _ = X.gram([None, A]).downdates.solve(np.arange(30), X.mttkrp([None, A], 0), None)
    assert not len(solved)


def test_other_weights_are_no_downdates():
    A = np.ones((40, 5))
    weights = np.ones((60, 40))
    weights[1, 1] = 0.5
    assert as_data(np.ones((60, 40)), weights=weights).gram([None, A]).downdates is not None
    weights[0, 0] = 2.0
    assert as_data(np.ones((60, 40)), weights=weights).gram([None, A]).downdates is None
    half = np.random.default_rng(0).random((60, 40)) < 0.5
    assert as_data(np.ones((60, 40)), mask=half).gram([None, A]).downdates is None
