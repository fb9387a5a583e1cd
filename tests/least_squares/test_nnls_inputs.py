"""What the public solver takes and gives: hidden entries, sparse dictionaries, batches, dtypes, tensors that require gradients."""

import numpy as np
import pytest
import scipy.sparse
import torch

import hntf


class TestHiddenEntries:
    """What stands where the weight is zero has no effect, whatever it is."""

    @pytest.fixture
    def problem(self, rng, backend):
        A, B = rng.random((9, 3)), rng.random((9, 5))
        return backend, A, B

    @pytest.mark.parametrize("hidden", [np.nan, np.inf, -np.inf, 1e300])
    @pytest.mark.parametrize("shape", ["rows", "entries"])
    def test_of_many_right_hand_sides(self, problem, rng, hidden, shape):
        backend, A, B = problem
        seen = rng.random(9 if shape == "rows" else (9, 5)) < 0.7
        weights = seen * rng.uniform(0.5, 2.0, seen.shape)
        columns = np.broadcast_to(seen[:, None] if shape == "rows" else seen, B.shape)
        X = hntf.nnls(backend(A), backend(np.where(columns, B, hidden)), weights=backend(weights), l1=0.01)
        np.testing.assert_array_equal(X, hntf.nnls(backend(A), backend(B), weights=backend(weights), l1=0.01))
        for j in range(5):
            w = np.broadcast_to(weights[:, None] if shape == "rows" else weights, B.shape)[columns[:, j], j]
            x = hntf.nnls(A[columns[:, j]], B[columns[:, j], j], weights=w, l1=0.01)
            np.testing.assert_allclose(np.asarray(X)[:, j], x, atol=1e-12)

    def test_of_one_right_hand_side(self, problem):
        backend, A, B = problem
        b, weights = B[:, 0].copy(), np.ones(9)
        b[[1, 4]], weights[[1, 4]] = np.nan, 0.0
        x = hntf.nnls(backend(A), backend(b), weights=backend(weights))
        np.testing.assert_allclose(x, hntf.nnls(np.delete(A, [1, 4], 0), np.delete(b, [1, 4])), atol=1e-13)

    def test_the_data_are_left_as_they_are(self, problem):
        backend, A, B = problem
        B[2] = np.nan
        given = backend(B.copy())
        hntf.nnls(backend(A), given, weights=backend((np.arange(9) != 2) * 1.0))
        np.testing.assert_array_equal(np.asarray(given), B)

    def test_where_the_weight_is_positive_they_are_named(self, problem):
        backend, A, B = problem
        B[2] = np.nan
        for weights in (None, backend((np.arange(9) != 3) * 1.0)):
            with pytest.raises(ValueError, match=r"B contains NaN; .* leave them out with weights of 0"):
                hntf.nnls(backend(A), backend(B), weights=weights)

    @pytest.mark.parametrize("weights", [np.r_[0.0, np.ones(8)], np.r_[0.0, np.ones(8)][:, None] * np.ones(5)])
    def test_of_sparse_right_hand_sides(self, rng, weights):
        A, B = rng.random((9, 3)), rng.random((9, 5))
        hidden = B.copy()
        hidden[0] = np.nan
        X = hntf.nnls(A, scipy.sparse.csr_array(hidden), weights=weights)
        np.testing.assert_allclose(X, hntf.nnls(A[1:], B[1:]), atol=1e-12)


class TestSparseDictionaries:
    @pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_matrix"])
    @pytest.mark.parametrize("options", [{}, {"l1": 0.1}, {"l2": 0.2}, {"l1": 0.1, "l2": 0.2}])
    @pytest.mark.parametrize("weighted", [None, "rows", "entries"])
    @pytest.mark.parametrize("sparse_B", [False, True])
    def test_they_agree_with_dense_ones(self, rng, kind, options, weighted, sparse_B):
        A = rng.random((12, 4)) * (rng.random((12, 4)) < 0.6)
        B = rng.random((12, 6)) * (rng.random((12, 6)) < 0.6)
        weights = None if weighted is None else rng.uniform(0, 1, 12 if weighted == "rows" else (12, 6))
        given = scipy.sparse.csc_array(B) if sparse_B else B
        X, info = hntf.nnls(getattr(scipy.sparse, kind)(A), given, weights=weights, return_info=True, **options)
        expected, dense = hntf.nnls(A, B, weights=weights, return_info=True, **options)
        np.testing.assert_allclose(X, expected, atol=1e-12)
        np.testing.assert_array_equal(info.support, dense.support)
        assert info.kkt_residual < 1e-12
        np.testing.assert_allclose(info.margin, dense.margin, atol=1e-12)
        assert info.unique == dense.unique

    def test_one_right_hand_side_and_a_warm_start(self, rng):
        A, b = rng.random((12, 4)), rng.random(12)
        x, info = hntf.nnls(scipy.sparse.csr_array(A), b, return_info=True)
        np.testing.assert_allclose(x, hntf.nnls(A, b), atol=1e-12)
        again, warm = hntf.nnls(scipy.sparse.csr_array(A), b, support=info.support, return_info=True)
        assert warm.n_iter == 1
        np.testing.assert_allclose(again, x, atol=1e-13)

    @pytest.mark.parametrize("condition", [1.0, 1e-6])
    def test_singular_ones_are_solved_and_told(self, rng, condition):
        A = np.hstack([rng.random((8, 2)), rng.random((8, 1)) * condition])
        A = np.hstack([A, A[:, :1]])
        X, info = hntf.nnls(scipy.sparse.csr_array(A), A @ np.ones((4, 3)), return_info=True)
        np.testing.assert_allclose(A @ X, A @ np.ones((4, 3)), rtol=1e-9)
        assert not info.unique
        assert (info.support.sum(0) <= 3).all()

    def test_badly_scaled_ones(self, rng):
        A, B, scale = rng.random((12, 4)), rng.random((12, 3)), np.logspace(-6, 6, 4)
        X = hntf.nnls(scipy.sparse.csr_array(A * scale), B)
        np.testing.assert_allclose(X * scale[:, None], hntf.nnls(A, B), atol=1e-10)

    def test_what_they_may_not_hold_is_named(self):
        with pytest.raises(ValueError, match="A contains NaN"):
            hntf.nnls(scipy.sparse.csr_array(np.array([[1.0], [np.nan]])), np.ones(2))
        with pytest.raises(TypeError, match=r"one backend|NumPy"):
            hntf.nnls(scipy.sparse.csr_array(np.ones((2, 1))), torch.ones(2), weights=np.ones(2))


def test_a_margin_that_is_no_number_in_its_units_is_not_zero():
    A, b = np.array([[1.0, 0.0], [0.0, -1.0]]), np.ones(2)
    assert hntf.nnls(1e-165 * A, 1e-165 * b, return_info=True)[1].margin == 5e-324
    assert hntf.nnls(1e-165 * A, np.array([1e-165, 0.0]), return_info=True)[1].margin == 0.0


def test_a_dual_beyond_all_numbers_is_no_kink():
    info = hntf.nnls(1e200 * np.eye(2), 1e200 * np.array([1.0, -1.0]), return_info=True)[1]
    assert info.margin == 1.0


def test_weights_are_broadcast(backend, rng):
    A, B = rng.random((2, 6, 3)), rng.random((2, 6, 5))
    for shape in ((2, 6, 1), (2, 1, 5), (1, 6, 5), (1, 1, 5)):
        W = rng.random(shape)
        X = hntf.nnls(backend(A), backend(B), weights=backend(W))
        np.testing.assert_allclose(X, hntf.nnls(A, B, weights=np.broadcast_to(W, B.shape)), atol=1e-13)
        if shape[0] == 2:
            one = hntf.nnls(backend(A[0]), backend(B[0]), weights=backend(W[0]))
            np.testing.assert_allclose(one, X[0], atol=1e-13)
    for shape in ((6,), (1, 6), (2, 6), (6, 5), (6, 1)):
        W = rng.random(shape)
        of_entries = W if shape[-1] != 6 else W[..., None]
        X = hntf.nnls(backend(A), backend(B), weights=backend(W))
        np.testing.assert_allclose(X, hntf.nnls(A, B, weights=np.broadcast_to(of_entries, B.shape)), atol=1e-13)


def test_a_solution_that_vanishes_in_single_precision_is_wider(backend):
    X = hntf.nnls(backend(np.array([[1e4]], np.float32)), backend(np.array([[1e-37]], np.float32)))
    assert X.dtype == backend(np.ones(1)).dtype
    assert float(X[0, 0]) == pytest.approx(1e-41, rel=1e-6)


class TestBatches:
    @pytest.mark.parametrize("vector", [False, True])
    @pytest.mark.parametrize("weighted", [None, "rows", "entries"])
    def test_they_agree_with_loops(self, backend, rng, vector, weighted):
        A, B = rng.random((2, 4, 6, 3)), rng.random((2, 4, 6, 5))
        weights = None if weighted is None else rng.random(A.shape[:3] if weighted == "rows" else B.shape)
        start = rng.random((2, 4, 3, 5)) < 0.5
        if vector:
            B, start = B[..., 0], start[..., 0]
            weights = weights[..., 0] if weighted == "entries" else weights
        given = {
            "weights": None if weights is None else backend(weights),
            "support": backend(start),
            "l1": 0.01,
            "l2": 0.02,
        }
        X, info = hntf.nnls(backend(A), backend(B), return_info=True, **given)
        assert X.shape == info.support.shape == ((2, 4, 3) if vector else (2, 4, 3, 5))
        single = []
        for i in np.ndindex(2, 4):
            one = {name: x[i] if hasattr(x, "shape") else x for name, x in given.items()}
            x, found = hntf.nnls(backend(A[i]), backend(B[i]), return_info=True, **one)
            np.testing.assert_allclose(X[i], x, rtol=1e-12, atol=1e-14)
            np.testing.assert_array_equal(info.support[i], found.support)
            single.append(found)
        assert info.n_iter == max(one.n_iter for one in single)
        assert info.margin == pytest.approx(min(one.margin for one in single))
        assert max(info.kkt_residual, *(one.kkt_residual for one in single)) < 1e-15
        assert info.unique == all(one.unique for one in single)
        np.testing.assert_array_equal(hntf.nnls(backend(A), backend(B), **given), X)

    @pytest.mark.parametrize(
        ("A", "B", "expected"),
        [
            ((0, 6, 3), (0, 6, 5), (0, 3, 5)),
            ((2, 0, 6, 3), (2, 0, 6), (2, 0, 3)),
            ((2, 6, 3), (2, 6, 0), (2, 3, 0)),
            ((6, 3), (6, 0), (3, 0)),
        ],
    )
    def test_empty_batches_and_no_right_hand_sides(self, backend, A, B, expected):
        X, info = hntf.nnls(backend(np.ones(A)), backend(np.ones(B)), return_info=True)
        assert tuple(X.shape) == tuple(info.support.shape) == expected
        assert info.unique
        assert (info.kkt_residual, info.margin) == (0.0, np.inf)

    def test_empty_ones_are_checked_as_others(self, backend):
        A, B = backend(np.ones((0, 3, 2), np.float32)), backend(np.ones((0, 3), np.float32))
        for one, other in ((A, B), (A, backend(np.ones((0, 3)))), (A, backend(np.ones((0, 3), int)))):
            some = hntf.nnls(backend(np.ones((1, 3, 2), np.float32)), backend(np.ones((1, 3), np.asarray(other).dtype)))
            assert hntf.nnls(one, other).dtype == some.dtype
        with pytest.raises(ValueError, match="weights must have shape"):
            hntf.nnls(A, B, weights=backend(np.ones((0, 9))))
        with pytest.raises(ValueError, match="support must have shape"):
            hntf.nnls(A, B, support=backend(np.ones((0, 77), bool)))
        with pytest.raises(TypeError, match="one backend"):
            hntf.nnls(torch.rand(0, 3, 2), np.ones((0, 3)))

    def test_information_in_gram_form_does_not_change_with_the_arrays(self, backend):
        G, C = backend(np.diag([1.0, 2.0, 3.0])), backend(np.ones((2, 3)))
        S, info = hntf.nnls_gram(G, C, return_info=True)
        for x in (S, G, C):
            x[...] = 5
        assert info.margin == pytest.approx(1 / 3)
        assert info.kkt_residual < 1e-15

    def test_in_gram_form(self, backend, rng):
        A, X = rng.random((2, 4, 6, 3)), rng.random((2, 4, 5, 6))
        G, C = A.mT @ A, X @ A
        S, info = hntf.nnls_gram(backend(G), backend(C), return_info=True)
        assert tuple(S.shape) == tuple(info.support.shape) == C.shape
        assert info.kkt_residual < 1e-14
        np.testing.assert_allclose(hntf.nnls(A, X.mT).mT, S, atol=1e-12)
        of_rows = np.broadcast_to(G[:, :, None], (2, 4, 5, 3, 3)).copy()
        np.testing.assert_allclose(hntf.nnls_gram(backend(of_rows), backend(C), support=info.support), S, atol=1e-12)
        np.testing.assert_array_equal(hntf.nnls_gram(G[0, 0], C[0, 0]), hntf.nnls_gram(G[0, 0], C)[0, 0])
        assert hntf.nnls_gram(np.empty((0, 3, 3)), np.empty((0, 5, 3))).shape == (0, 5, 3)
        with pytest.raises(ValueError, match=r"G must have shape \(3, 3\), \(2, 4, 3, 3\) or \(2, 4, 5, 3, 3\)"):
            hntf.nnls_gram(G[0], C)

    def test_asymmetry_in_gram_form_is_judged_by_the_columns_it_is_in(self):
        G = np.diag([1e16, 1.0, 1.0])
        G[1, 2] = 0.9
        with pytest.raises(ValueError, match="symmetric"):
            hntf.nnls_gram(G, np.ones((1, 3)))

    def test_one_that_is_not_unique_is_told(self, rng):
        A = rng.random((3, 6, 2))
        A[1, :, 1] = A[1, :, 0]
        assert not hntf.nnls(A, A.sum(-1), return_info=True)[1].unique
        assert hntf.nnls(A[[0, 2]], A[[0, 2]].sum(-1), return_info=True)[1].unique

    @pytest.mark.parametrize(
        ("of_A", "of_B"),
        [
            ((4, 6, 3), (6,)),
            ((4, 6, 3), (6, 5)),
            ((4, 6, 3), (1, 6)),
            ((4, 1, 6, 3), (2, 6, 5)),
            ((2, 4, 6, 3), (1, 4, 6)),
            ((2, 1, 6, 3), (1, 4, 6, 5)),
            ((6, 3), (4, 6, 5)),
            ((6, 3), (2, 4, 6, 5)),
            ((6, 3), (0, 6, 5)),
        ],
        ids=str,
    )
    def test_leading_dimensions_are_broadcast(self, backend, rng, of_A, of_B):
        A, B = rng.random(of_A), rng.random(of_B)
        is_vector = B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape[-1] == 6 and of_B != (6, 5))
        matrices = B[..., None] if is_vector else B
        lead = np.broadcast_shapes(A.shape[:-2], matrices.shape[:-2])
        A_all = np.broadcast_to(A, (*lead, 6, 3))
        B_all = np.broadcast_to(matrices, (*lead, *matrices.shape[-2:]))
        X, info = hntf.nnls(backend(A), backend(B), l1=0.01, return_info=True)
        expected = np.zeros((*lead, 3, B_all.shape[-1]))
        for i in np.ndindex(lead):
            expected[i] = hntf.nnls(A_all[i].copy(), B_all[i].copy(), l1=0.01)
        expected = expected[..., 0] if is_vector else expected
        assert tuple(X.shape) == tuple(info.support.shape) == expected.shape
        np.testing.assert_allclose(X, expected, atol=1e-12)
        again = hntf.nnls(backend(A), backend(B), l1=0.01, support=info.support)
        np.testing.assert_allclose(again, expected, atol=1e-12)

    @pytest.mark.parametrize("shape", [(6,), (4, 6), (4, 6, 5), (4, 6, 1), (1, 1, 5)])
    def test_weights_of_right_hand_sides_of_one_dictionary(self, backend, rng, shape):
        A, B, W = rng.random((6, 3)), rng.random((4, 6, 5)), rng.random(shape)
        W_all = np.broadcast_to(W[..., None] if W.ndim < 3 else W, B.shape)
        X = hntf.nnls(backend(A), backend(B), weights=backend(W))
        for i in range(4):
            np.testing.assert_allclose(X[i], hntf.nnls(A, B[i], weights=W_all[i].copy()), atol=1e-12)

    def test_float32(self, rng):
        A, B = rng.random((3, 6, 2)).astype("f4"), rng.random((3, 6, 4)).astype("f4")
        assert hntf.nnls(A, B).dtype == np.float32

    @pytest.mark.parametrize(
        ("A", "B", "options", "words"),
        [
            ((2, 6, 3), (3, 6, 5), {}, r"B must have shape .*broadcast with those of A, \(2,\)"),
            ((2, 6, 3), (5, 5), {}, "B must have shape"),
            ((2, 6, 3), (2, 7, 5), {}, "B must have shape"),
            ((6, 3), (2, 7, 5), {}, "as many rows"),
            ((6, 3), (2, 6, 5), {"weights": np.ones((2, 5))}, "weights must have"),
            ((6, 3), (2, 6, 5), {"support": np.ones((2, 6, 5), bool)}, "support must have"),
            ((2, 6, 3), (2, 6, 5), {"weights": np.ones((3, 6))}, "weights must have"),
            ((2, 6, 3), (2, 6, 5), {"support": np.ones((3, 5), bool)}, "support must have"),
            ((2, 6, 3), (2, 6, 5), {"support": np.ones((3, 3, 5), bool)}, "support must have"),
            ((0, 6, 3), (0, 5, 5), {}, "B must have shape"),
        ],
    )
    def test_shapes_that_do_not_fit_are_named(self, A, B, options, words):
        with pytest.raises(ValueError, match=words):
            hntf.nnls(np.ones(A), np.ones(B), **options)


class TestDtypes:
    def test_results_that_do_not_fit_come_in_double_precision(self, backend, rng):
        A, B = rng.random((6, 3)).astype("f4"), rng.random((6, 5)).astype("f4")
        X = hntf.nnls(backend(A * np.float32(1e-3)), backend(B * np.float32(1e38)))
        assert np.asarray(X).dtype == np.float64
        expected = hntf.nnls((A * np.float32(1e-3)).astype(float), (B * np.float32(1e38)).astype(float))
        np.testing.assert_allclose(X, expected, rtol=1e-12)
        assert np.asarray(hntf.nnls(backend(A), backend(B))).dtype == np.float32

    def test_of_the_gram_form_in_half_precision(self, backend):
        G = backend((np.eye(3) * 1e-3).astype(np.float16))
        S = hntf.nnls_gram(G, backend(np.full((2, 3), 6e4, np.float16)))
        assert np.asarray(S).dtype == np.float32
        np.testing.assert_allclose(S, 6e4 / np.float64(np.float16(1e-3)), rtol=1e-2)
        assert np.asarray(hntf.nnls_gram(G, backend(np.ones((2, 3), np.float16)))).dtype == np.float16

    def test_of_the_gram_form_in_single_precision(self, backend):
        G = backend((np.eye(3) * 1e-3).astype("f4"))
        S = hntf.nnls_gram(G, backend(np.full((2, 3), 1e38, "f4")))
        assert np.asarray(S).dtype == np.float64
        np.testing.assert_allclose(S, 1e41, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_an_indefinite_gram_is_named_at_any_scale(backend, scale):
    with pytest.raises(ValueError, match="G must be positive semidefinite"):
        hntf.nnls_gram(backend(scale * np.array([[1.0, 2.0], [2.0, 1.0]])), backend(np.ones((1, 2))))
    grams = scale * np.array([np.eye(2), [[1.0, 2.0], [2.0, 1.0]]])
    with pytest.raises(ValueError, match="G must be positive semidefinite"):
        hntf.nnls_gram(backend(grams), backend(np.ones((2, 2))))


CALLS = {
    "nnls, A": hntf.nnls,
    "nnls, B": lambda x, fixed: hntf.nnls(fixed, x),
    "nnls, weights": lambda x, fixed: hntf.nnls(fixed, fixed, weights=x),
    "nnls of a batch": lambda x, fixed: hntf.nnls(x[None], fixed[None]),
    "nnls_gram, G": hntf.nnls_gram,
    "nnls_gram, C": lambda x, fixed: hntf.nnls_gram(fixed, x),
    "a layer": lambda x, fixed: hntf.layers.NNLSLayer(hntf.maps.Dense(fixed)).forward(x),
    "the factor of a layer": lambda x, fixed: hntf.layers.NNLSLayer(hntf.maps.Dense(x)).forward(fixed),
    "as_data": lambda x, fixed: hntf.as_data(x),
    "as_data, weights": lambda x, fixed: hntf.as_data(fixed, weights=x),
    "fit": lambda x, fixed: hntf.NMF(1, random_state=0).fit(x),
    "transform": lambda x, fixed: hntf.NMF(1, random_state=0).fit(fixed).transform(x),
}


class TestGradientsAreNotLost:
    """Functions of the core do not differentiate tensors, and say so."""

    @pytest.fixture
    def x(self):
        return torch.eye(3, dtype=torch.float64).add(0.2).requires_grad_()

    @pytest.mark.parametrize("name", list(CALLS))
    def test_a_tensor_that_requires_one_is_refused(self, name, x):
        with pytest.raises(TypeError, match=r"requires a gradient, which would be lost here; use hntf.torch, or pass"):
            CALLS[name](x, x.detach())

    @pytest.mark.parametrize("name", list(CALLS))
    def test_without_gradients_it_is_taken(self, name, x):
        with torch.no_grad():
            CALLS[name](x, x.detach())
        CALLS[name](x.detach(), x.detach())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_margin_is_that_of_the_solution_in_the_units_of_the_data(scale):
    X, info = hntf.nnls(scale * np.eye(2), scale * np.array([2.0, 0.125]), return_info=True)
    X[:] = 0.0  # what is done with the solution does not change the certificate
    expected = hntf.torch.nnls(torch.tensor([[2.0, 0.125]]) * scale, scale * torch.eye(2), return_info=True)[1]
    np.testing.assert_allclose(info.margin, expected.margin, rtol=1e-5)
    assert info.kkt_residual < 1e-15


def test_tensors_with_a_negative_bit():
    X = torch.complex(torch.rand(4, 6), torch.rand(4, 6)).conj().imag
    A = torch.rand(6, 3)
    assert X.is_neg()
    torch.testing.assert_close(hntf.torch.nnls(X, A), hntf.torch.nnls(X.clone(), A))


def test_a_penalty_that_is_huge_beside_a_tiny_dictionary(backend, rng):
    A, B = rng.random((6, 3)), rng.random((6, 4))
    X, info = hntf.nnls(backend(1e-300 * A), backend(B), l1=1e10, return_info=True)
    assert float(abs(X).max()) == 0.0
    assert info.kkt_residual == 0.0
    dictionary = torch.tensor(1e-300 * A, requires_grad=True)
    S = hntf.torch.nnls(torch.tensor(B.T), dictionary, l1=1e10)
    S.sum().backward()
    assert not S.detach().any()
    assert not dictionary.grad.any()


def test_a_masked_array_is_told_of_weights():
    masked = np.ma.masked_invalid(np.ones(3))
    for A, B, name in ((np.ones((3, 2)), masked, "B"), (np.ma.masked_invalid(np.ones((3, 2))), np.ones(3), "A")):
        with pytest.raises(TypeError, match=f"{name} is a masked array.*weights of 0"):
            hntf.nnls(A, B)
