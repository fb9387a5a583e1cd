import importlib
import tracemalloc

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from tests.problems import KINDS, brute_force_residual, least_squares, seeds


def residuals(A, X, B):
    return np.linalg.norm(A @ X - B, axis=0)


def assert_optimal(A, B, X, info):
    """The certificate holds, and it is the truth: `X ≥ 0`, and no column correlates with its residual beyond rounding."""
    assert np.all(X >= 0)
    assert info.kkt_residual < 1e-12
    norms = np.linalg.norm(A, axis=0)
    correlation = A.T @ (B - A @ X) / np.where(norms > 0, norms, 1)[:, None]
    scale = np.linalg.norm(B, axis=0) + norms @ X + 1e-300
    assert np.max(correlation / scale) < 1e-10
    assert np.max(np.abs(correlation * (X > 0)) / scale) < 1e-10


@given(seeds, st.integers(1, 12), st.integers(1, 8), st.integers(1, 20), st.sampled_from(KINDS))
def test_agrees_with_scipy(seed, m, k, n, kind):
    A, B = least_squares(seed, m, k, n, kind=kind)
    X, info = hntf.nnls(A, B, return_info=True)
    assert_optimal(A, B, X, info)
    reference = np.array([scipy.optimize.nnls(A, b, maxiter=100 * k)[1] for b in B.T])
    np.testing.assert_allclose(residuals(A, X, B), reference, rtol=1e-7, atol=1e-9 * (1 + np.abs(B).max()))


@given(seeds, st.integers(1, 6), st.integers(1, 5), st.sampled_from(KINDS))
def test_agrees_with_brute_force_over_supports(seed, m, k, kind):
    A, B = least_squares(seed, m, k, 1, kind=kind)
    x = hntf.nnls(A, B[:, 0])
    best = brute_force_residual(A, B[:, 0])
    assert np.linalg.norm(A @ x - B[:, 0]) <= best * (1 + 1e-9) + 1e-9


@given(seeds, st.integers(2, 12), st.integers(1, 9), st.sampled_from(KINDS))
def test_support_has_independent_columns_and_is_where_the_solution_is_positive(seed, m, k, kind):
    A, B = least_squares(seed, m, k, 5, kind=kind)
    X, info = hntf.nnls(A, B, return_info=True)
    np.testing.assert_array_equal(info.support, X > 0)
    for support in info.support.T:
        columns = A[:, support] / np.linalg.norm(A[:, support], axis=0)
        assert np.linalg.matrix_rank(columns) == support.sum()


@given(seeds, st.sampled_from(KINDS))
def test_any_starting_support_gives_an_optimum(seed, kind):
    A, B = least_squares(seed, 10, 6, 7, kind=kind)
    start = np.random.default_rng(seed).random((6, 7)) < 0.5
    cold = hntf.nnls(A, B)
    X, info = hntf.nnls(A, B, support=start, return_info=True)
    assert_optimal(A, B, X, info)
    np.testing.assert_allclose(residuals(A, X, B), residuals(A, cold, B), rtol=1e-9, atol=1e-9)


def test_a_warm_start_from_the_solution_takes_one_iteration(rng):
    A, B = rng.random((30, 8)), rng.random((30, 50))
    _, info = hntf.nnls(A, B, return_info=True)
    assert hntf.nnls(A, B, support=info.support, return_info=True)[1].n_iter == 1


def test_one_right_hand_side_and_many_have_the_shapes_of_lstsq(rng):
    A, B = rng.random((9, 4)), rng.random((9, 3))
    X = hntf.nnls(A, B)
    x, info = hntf.nnls(A, B[:, 1], return_info=True)
    assert X.shape == (4, 3)
    assert x.shape == info.support.shape == (4,)
    np.testing.assert_allclose(x, X[:, 1], rtol=1e-12)


def test_badly_scaled_float32_columns():
    """Columns over nine orders of magnitude, on which SciPy's solver once failed (scipy#22884)."""
    rng = np.random.default_rng(0)
    A = (rng.random((50, 10)) * np.logspace(-5, 4, 10)).astype(np.float32)
    b = rng.random(50).astype(np.float32)
    x, info = hntf.nnls(A, b, return_info=True)
    assert x.dtype == np.float32
    assert info.kkt_residual < 1e-12
    reference = scipy.optimize.nnls(A.astype(float) / np.logspace(-5, 4, 10), b.astype(float))[1]
    np.testing.assert_allclose(np.linalg.norm(A.astype(float) @ x - b), reference, rtol=1e-6)


def test_an_empty_support(rng):
    """Nothing correlates with the right-hand side (scipy#20302)."""
    x, info = hntf.nnls(rng.random((5, 3)), -rng.random(5), return_info=True)
    assert not x.any()
    assert not info.support.any()
    assert info.margin > 0


def test_wide_matrices_reach_no_iteration_limit(rng):
    """SciPy's solver once stopped at its limit on wide `A` (scipy#22727)."""
    A, B = rng.random((20, 200)), rng.random((20, 30))
    X, info = hntf.nnls(A, B, return_info=True)
    assert_optimal(A, B, X, info)


@pytest.mark.parametrize("condition", [1e3, 1e6, 1e7])
def test_ill_conditioned_matrices_are_refined(rng, condition):
    U, _ = np.linalg.qr(rng.standard_normal((40, 6)))
    V, _ = np.linalg.qr(rng.standard_normal((6, 6)))
    A = U @ np.diag(np.geomspace(1, 1 / condition, 6)) @ V
    truth = rng.uniform(0.5, 1.0, 6)
    x = hntf.nnls(A, A @ truth)
    # A backward stable method loses one factor of the condition number. Normal equations lose two: they do up to 1e4.
    lost = condition if condition > 1e4 else condition**2
    np.testing.assert_allclose(x, truth, rtol=100 * lost * np.finfo(float).eps)


@pytest.mark.parametrize("scale", [1e-150, 1e-20, 1e20, 1e150])
def test_scales_do_not_matter(rng, scale):
    A, B = rng.random((20, 5)), rng.standard_normal((20, 8))
    X = hntf.nnls(A, B)
    np.testing.assert_allclose(hntf.nnls(A, B * scale), X * scale, rtol=1e-10)
    np.testing.assert_allclose(hntf.nnls(A * scale, B * scale), X, rtol=1e-10)


def is_only_code(A, image):
    """Tell by linear programs whether one `x ≥ 0` only has this image `A x`."""
    spread = 0.0
    for column in np.eye(A.shape[1]):
        least, most = (scipy.optimize.linprog(sign * column, A_eq=A, b_eq=image) for sign in (1, -1))
        spread = max(spread, np.inf if most.status == 3 else -most.fun - least.fun)
    return spread < 1e-6


class TestUniqueness:
    def test_independent_columns(self, rng):
        assert hntf.nnls(rng.random((8, 3)), rng.random(8), return_info=True)[1].unique

    def test_duplicate_columns_in_use(self, rng):
        a = rng.random((8, 1))
        assert not hntf.nnls(np.hstack([a, a]), a[:, 0], return_info=True)[1].unique

    def test_dependent_columns_that_cannot_enter(self):
        # The best is zero; two equal columns both push away from it.
        A = np.array([[1.0, 1.0], [0.0, 0.0]])
        assert hntf.nnls(A, np.array([-1.0, 0.0]), return_info=True)[1].unique

    def test_dependent_columns_at_zero_whose_combination_cannot_vanish(self):
        # x = 0 with every dual zero; A d = 0 has no nonnegative solution but 0.
        A = np.array([[1.0, 1.0], [0.0, 0.0]])
        assert hntf.nnls(A, np.array([0.0, 1.0]), return_info=True)[1].unique

    def test_opposite_columns_at_zero(self):
        A = np.array([[1.0, -1.0], [0.0, 0.0]])
        assert not hntf.nnls(A, np.array([0.0, 1.0]), return_info=True)[1].unique

    def test_a_zero_column(self):
        assert not hntf.nnls(np.array([[1.0, 0.0]]), np.array([1.0]), return_info=True)[1].unique

    @given(seed=seeds, m=st.integers(1, 4), k=st.integers(1, 6))
    def test_at_kinks_of_integer_problems_it_does_not_depend_on_the_start(self, seed, m, k):
        A, B = least_squares(seed, m, k, 2, kind="integer")
        starts = [None, np.ones((k, 2), bool), np.random.default_rng(seed).random((k, 2)) < 0.5]
        solutions = [hntf.nnls(A, B, support=start, return_info=True) for start in starts]
        image = A @ solutions[0][0]
        expected = all(is_only_code(A, b) for b in image.T)
        assert [info.unique for _, info in solutions] == [expected] * 3


@given(seeds, st.sampled_from(["rows", "entries"]), st.booleans())
def test_weights_and_penalties_agree_with_the_stacked_problem(seed, kind, sparse):
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((12, 5)), rng.standard_normal((12, 4))
    weights = rng.uniform(0, 2, 12 if kind == "rows" else (12, 4)) * (
        rng.random(12 if kind == "rows" else (12, 4)) < 0.8
    )
    l1, l2 = 0.3, 0.7
    X = hntf.nnls(A, scipy.sparse.csr_array(B) if sparse else B, weights=weights, l1=l1, l2=l2)
    columns = np.broadcast_to(weights[:, None] if kind == "rows" else weights, B.shape)
    for x, b, w in zip(X.T, B.T, columns.T, strict=True):
        G = A.T @ (w[:, None] * A) + l2 * np.eye(5)
        R = np.linalg.cholesky(G).T
        z = np.linalg.solve(R.T, A.T @ (w * b) - l1)
        np.testing.assert_allclose(x, scipy.optimize.nnls(R, z)[0], atol=1e-9)


def test_sparse_right_hand_sides(rng):
    A, B = rng.random((30, 6)), scipy.sparse.random(30, 40, 0.2, "csc", rng=rng)
    np.testing.assert_allclose(hntf.nnls(A, B), hntf.nnls(A, B.toarray()), atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_in_torch_out(rng, dtype):
    A, B = rng.random((9, 4)).astype(dtype), rng.random((9, 6)).astype(dtype)
    X, info = hntf.nnls(torch.tensor(A), torch.tensor(B), return_info=True)
    assert isinstance(X, torch.Tensor)
    assert X.numpy().dtype == dtype
    assert isinstance(info.support, torch.Tensor)
    np.testing.assert_allclose(X.numpy(), hntf.nnls(A, B), rtol=1e-6 if dtype == np.float32 else 1e-12, atol=1e-12)


@given(seeds, st.integers(1, 6), st.booleans())
def test_gram_form(seed, k, one_a_row):
    rng = np.random.default_rng(seed)
    A, X = rng.random((k + 3, k)), rng.standard_normal((7, k + 3))
    G, C = A.T @ A, X @ A
    expected = hntf.nnls(A, X.T).T
    S, info = hntf.nnls_gram(np.repeat(G[None], 7, 0) if one_a_row else G, C, return_info=True)
    np.testing.assert_allclose(S, expected, atol=1e-8)
    assert info.kkt_residual < 1e-12
    np.testing.assert_allclose(info.margin, np.maximum(S, S @ G - C).min(), atol=1e-9)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"A": np.ones(3)}, ValueError, "A must have order 2"),
        ({"A": np.ones((4, 2))}, ValueError, "A and B must have as many rows"),
        ({"A": np.full((3, 2), np.nan)}, ValueError, "A contains NaN"),
        ({"B": np.full((3, 2), np.inf)}, ValueError, "B contains infinite"),
        ({"B": np.array([[np.nan, 1], [0, 0], [0, 0]])}, ValueError, "B contains NaN"),
        ({"B": np.ones((3, 2), complex)}, ValueError, "B must hold real numbers"),
        ({"B": np.array([["a"], ["b"], ["c"]])}, TypeError, "B must hold real numbers"),
        ({"A": np.ones((3, 0))}, ValueError, "A must have no empty axis"),
        ({"B": [[1.0], [2.0, 3.0], [4.0]]}, TypeError, "uneven"),
        ({"B": torch.ones(3, 2)}, TypeError, "one backend"),
        ({"weights": -np.ones(3)}, ValueError, "Negative values in data: weights"),
        ({"weights": np.ones((1, 4))}, ValueError, "weights must have shape"),
        ({"l1": -1.0}, ValueError, "l1 must be at least 0"),
        ({"l2": "big"}, TypeError, "l2 must be a real number"),
        ({"support": np.ones((2, 3), bool)}, ValueError, "support must have shape"),
        ({"support": np.full((2, 2), 0.5)}, ValueError, "support must hold only True and False"),
    ],
)
def test_bad_input_is_named(change, error, words):
    arguments = {"A": np.ones((3, 2)), "B": np.ones((3, 2)), **change}
    with pytest.raises(error, match=words):
        hntf.nnls(arguments.pop("A"), arguments.pop("B"), **arguments)


@pytest.mark.parametrize(
    ("G", "words"),
    [
        (np.array([[1.0, 2.0], [0.0, 1.0]]), "symmetric"),
        (np.diag([1.0, -1.0]), "positive semidefinite"),
        (np.eye(3), "G must have shape"),
        (np.ones((4, 2, 2)), "G must have shape"),
    ],
)
def test_bad_grams_are_named(G, words):
    with pytest.raises(ValueError, match=words):
        hntf.nnls_gram(G, np.ones((3, 2)))


@pytest.mark.parametrize("size", [1e-160, 1e-154, 1e-100, 1e100, 1e150])
@pytest.mark.parametrize("per_row", [False, True])
def test_columns_of_any_size_in_gram_form(rng, backend, size, per_row):
    A, X = rng.random((6, 3)), rng.random((4, 6))
    solve = hntf.nnls_gram if backend is np.asarray else hntf.torch.nnls_gram
    G, C = A.T @ A, X @ A
    expected = solve(backend(G), backend(C))
    units = np.array([1.0, size, 1.0])
    G, C = G * units * units[:, None], C * units
    G = np.broadcast_to(G, (4, 3, 3)).copy() if per_row else G
    S, info = solve(backend(G), backend(C), return_info=True)
    # Where a square is subnormal, it has fewer digits.
    rtol = 1e-9 if size > 1e-153 else 1e-3
    np.testing.assert_allclose(S * backend(units), expected, rtol=rtol, atol=rtol)
    assert info.kkt_residual < 1e-12
    assert info.unique


def test_a_gram_of_zeros_gives_zero():
    assert not hntf.nnls_gram(np.zeros((2, 2)), -np.eye(2)).any()


def test_a_tensor_with_a_sparse_right_hand_side_is_named():
    with pytest.raises(TypeError, match="one backend"):
        hntf.nnls(torch.ones(3, 2), scipy.sparse.csr_array(np.ones((3, 2))))


@pytest.mark.parametrize("backend", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("hidden", ["one entry", "three patterns", "half", "patterns and others"])
def test_weights_of_entries_share_gram_matrices_and_take_little_memory(backend, hidden, monkeypatch):
    """Right-hand sides with equal weights are solved together, the others in blocks; all Gram matrices take 77 MB."""
    monkeypatch.setattr(importlib.import_module("hntf.least_squares.nnls"), "BLOCK_ENTRIES", 2**20)
    rng = np.random.default_rng(0)
    m, n, k = 20, 6000, 40
    A, B, W = rng.random((m, k)), rng.random((m, n)), np.ones((m, n))
    if hidden == "one entry":
        W[3, 7] = 0.0
    elif hidden == "half":
        W = 1.0 * (rng.random((m, n)) < 0.5)
    else:
        W = rng.random((m, 3))[:, rng.integers(3, size=n)]
    if hidden == "patterns and others":
        W[:, ::2] = rng.random((m, n // 2))
    given = [backend(x) for x in (A, B)], {"weights": backend(W), "l2": 0.1}
    hntf.nnls(*given[0], **given[1])
    tracemalloc.start()
    X = np.asarray(hntf.nnls(*given[0], **given[1]))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if backend is np.asarray:
        assert peak < 50e6
    for i in (0, 7, n - 1):
        root = np.sqrt(W[:, i])
        stacked = np.vstack([root[:, None] * A, np.sqrt(0.1) * np.eye(k)])
        expected = scipy.optimize.nnls(stacked, np.append(root * B[:, i], np.zeros(k)))[0]
        np.testing.assert_allclose(X[:, i], expected, atol=1e-10)
    found, info = hntf.nnls(*given[0], **given[1], return_info=True)
    np.testing.assert_array_equal(np.asarray(found), X)
    np.testing.assert_array_equal(np.asarray(info.support), X > 0)
    assert info.kkt_residual < 1e-12
    warm = hntf.nnls(*given[0], **given[1], support=info.support)
    np.testing.assert_allclose(np.asarray(warm), X, atol=1e-12)
