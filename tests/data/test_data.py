"""Every home of data against naive formulas on the dense array."""

import numpy as np
import pytest
import scipy.sparse
import tensorly
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.algebra import cp_dense
from hntf.least_squares.gram_blocks import GramBlocks
from tests.problems import seeds


def naive_mttkrp(X, factors, mode):
    letters = "abcde"[: X.ndim]
    others = [i for i in range(X.ndim) if i != mode]
    terms = ",".join([letters, *(f"{letters[i]}z" for i in others)])
    return np.einsum(f"{terms}->{letters[mode]}z", X, *(factors[i] for i in others))


def draw(seed, order, rank=3):
    rng = np.random.default_rng(seed)
    X = rng.random(tuple(rng.integers(1, 6, order)))
    return X, [rng.random((d, rank)) for d in X.shape]


def assert_close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-10, atol=1e-12)


@given(seed=seeds, order=st.integers(2, 5), weighted=st.booleans())
def test_products_of_dense_and_weighted_data(backend, seed, order, weighted):
    X, factors = draw(seed, order)
    W = np.random.default_rng(seed + 1).random(X.shape) if weighted else np.ones(X.shape)
    data = hntf.as_data(backend(X), weights=backend(W) if weighted else None)
    taken = [backend(U) for U in factors]
    np.testing.assert_allclose(data.norm_squared(), np.sum(W * X**2))
    for mode in range(order):
        assert_close(data.mttkrp(taken, mode), naive_mttkrp(W * X, factors, mode))
        pairs = [np.einsum("ja,jb->jab", U, U).reshape(len(U), -1) for U in factors]
        gram = grams(data, taken, mode)
        expected = naive_mttkrp(W, pairs, mode).reshape(-1, 3, 3)
        assert_close(np.broadcast_to(gram, expected.shape), expected)
        product = tensorly.tenalg.multi_mode_dot(W * X, [U.T for U in factors], skip=mode)
        assert_close(data.multi_mode_dot(taken, mode), product)
    model = tensorly.cp_to_tensor((None, factors))
    np.testing.assert_allclose(
        data.residual_norm_squared(lambda rows: cp_dense(taken[0][rows], taken)),
        np.sum(W * (X - model) ** 2),
        atol=1e-12,
    )
    assert_close(data.input_gradient(taken[0], taken), W * model)


def grams(data, factors, mode=0):
    """Return the Gram matrices of all slices of a mode as one array."""
    G = data.gram(factors, mode)
    return np.asarray(G.formed(np.arange(data.shape[mode])) if isinstance(G, GramBlocks) else G)


@given(seeds, st.sampled_from(["csr", "csc", "coo"]))
def test_sparse_data_agree_with_dense(seed, layout):
    rng = np.random.default_rng(seed)
    X = scipy.sparse.random(8, 6, 0.4, layout, rng=rng)
    sparse, dense = hntf.as_data(X), hntf.as_data(X.toarray())
    S, A = rng.random((8, 3)), rng.random((6, 3))
    np.testing.assert_allclose(sparse.norm_squared(), dense.norm_squared())
    for mode in (0, 1):
        assert_close(sparse.mttkrp([S, A], mode), dense.mttkrp([S, A], mode))
        assert_close(sparse.multi_mode_dot([S, A], mode), dense.multi_mode_dot([S, A], mode))
    np.testing.assert_allclose(
        sparse.residual_norm_squared(lambda rows: S[rows] @ A.T),
        dense.residual_norm_squared(lambda rows: S[rows] @ A.T),
    )
    gradient = sparse.input_gradient(S, [None, A])
    assert_close(gradient.toarray(), (S @ A.T) * (X.toarray() != 0))


def test_a_large_sparse_matrix_is_never_made_dense():
    X = scipy.sparse.random(200_000, 100_000, 1e-7, "csr", rng=np.random.default_rng(0))
    data = hntf.as_data(X)
    S = data.mttkrp([None, np.ones((100_000, 2))], 0)
    assert S.shape == (200_000, 2)
    assert data.mttkrp([S, None], 1).shape == (100_000, 2)


def test_residuals_are_formed_in_several_blocks(monkeypatch, rng):
    X = rng.random((50, 4))
    data = hntf.as_data(X)
    S, A = rng.random((50, 2)), rng.random((4, 2))
    whole = data.residual_norm_squared(lambda rows: S[rows] @ A.T)
    monkeypatch.setattr(type(data), "blocks_of_samples", lambda self: [slice(0, 7), slice(7, 50)])
    np.testing.assert_allclose(data.residual_norm_squared(lambda rows: S[rows] @ A.T), whole)


def test_a_nan_mask_leaves_missing_entries_out(rng):
    X = rng.random((5, 4))
    observed = rng.random((5, 4)) < 0.7
    missing = np.where(observed, X, np.nan)
    A = rng.random((4, 2))
    by_nan, by_mask = hntf.as_data(missing, mask="nan"), hntf.as_data(X, mask=observed)
    assert np.isnan(missing).any()
    assert_close(by_nan.mttkrp([None, A], 0), by_mask.mttkrp([None, A], 0))
    assert_close(grams(by_nan, [None, A]), grams(by_mask, [None, A]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -9999.0, 1e300])
def test_what_is_hidden_is_never_looked_at(rng, backend, value):
    X, A = rng.random((6, 4)), backend(rng.random((4, 2)))
    observed = rng.random(X.shape) < 0.7
    expected = hntf.as_data(backend(X), mask=backend(observed), nonnegative=True)
    covered = backend(np.where(observed, X, value))
    for options in ({"mask": backend(observed)}, {"weights": backend(observed * 1.0)}):
        data = hntf.as_data(covered, **options, nonnegative=True)
        np.testing.assert_array_equal(data.mttkrp([None, A], 0), expected.mttkrp([None, A], 0))
        np.testing.assert_array_equal(grams(data, [None, A]), grams(expected, [None, A]))
        assert data.norm_squared() == expected.norm_squared()


def test_masks_of_whole_samples_and_modes(rng, backend):
    X, A = backend(rng.random((4, 3, 2))), [None, backend(rng.random((3, 2))), backend(rng.random((2, 2)))]
    for mask in (rng.random(4) < 0.7, rng.random((1, 3, 1)) < 0.7, rng.random((4, 1, 2)) < 0.7):
        whole = np.broadcast_to(mask.reshape(-1, 1, 1) if mask.ndim == 1 else mask, X.shape)
        for name, factor in (("mask", 1), ("weights", 2.5)):
            data, expected = (hntf.as_data(X, **{name: backend(m * factor)}) for m in (mask, whole))
            np.testing.assert_array_equal(data.mttkrp(A, 0), expected.mttkrp(A, 0))
            np.testing.assert_array_equal(grams(data, A), grams(expected, A))


def test_several_masks_hide_what_any_of_them_hides(rng):
    X, observed = rng.random((6, 4)), rng.random((6, 4)) < 0.7
    X[2, 1], X[0, 0] = np.nan, np.nan
    data = hntf.as_data(X, mask=("nan", observed), weights=np.where(observed, 2.0, np.nan))
    expected = hntf.as_data(np.nan_to_num(X), weights=2.0 * (observed & ~np.isnan(X)))
    assert data.norm_squared() == expected.norm_squared()


@pytest.mark.parametrize(
    ("X", "options", "error", "words"),
    [
        (np.ones(3), {}, ValueError, "order 2 or more"),
        (np.array([[1.0, np.nan]]), {}, ValueError, "X contains NaN"),
        (np.array([[1.0, -1.0]]), {"nonnegative": True}, ValueError, "Negative"),
        (np.ones((2, 0)), {}, ValueError, "empty axis"),
        (np.ma.masked_array(np.ones((2, 2)), True), {}, TypeError, "mask="),
        (torch.ones(2, 2).to_sparse(), {}, TypeError, "to_dense"),
        (torch.ones(2, 2, dtype=torch.complex64), {}, ValueError, "real numbers"),
        (np.ones((2, 3)), {"mask": np.ones(3, bool)}, ValueError, r"mask must have the shape of X, \(2, 3\)"),
        (np.ones((2, 3)), {"weights": np.ones((2, 2))}, ValueError, "weights must have the shape of X"),
        (np.ones((2, 3)), {"mask": np.ones((2, 3)) / 2}, ValueError, "mask must hold only True and False"),
        (np.ones((2, 3)), {"mask": np.zeros((2, 1), bool)}, ValueError, "X must have observed entries"),
        (np.ones((2, 3)), {"weights": np.zeros(2)}, ValueError, "X must have observed entries"),
        (np.full((2, 3), np.nan), {"mask": "nan"}, ValueError, "X must have observed entries"),
        (np.full((2, 3), np.nan), {"mask": np.eye(2, 3) > 0}, ValueError, "X contains NaN"),
        (np.ones((2, 2)), {"mask": "missing"}, ValueError, "'nan'"),
        (np.ones((2, 2)), {"weights": -np.ones((2, 2))}, ValueError, "Negative values in data: weights"),
        (np.ones((2, 2)), {"mask": torch.ones(2, 2)}, TypeError, "one backend"),
        (np.ones((2, 2)), {"mask": scipy.sparse.eye_array(3)}, ValueError, "mask must have the shape of X"),
        (np.ones((2, 2)), {"weights": -scipy.sparse.eye_array(2)}, ValueError, "Negative values in data: weights"),
        (np.ones((2, 2)), {"mask": [np.ones((2, 2))] * 2}, ValueError, "several masks are given as a tuple"),
        (scipy.sparse.eye_array(2), {"mask": "missing"}, ValueError, "'nan' or 'stored'"),
        (scipy.sparse.eye_array(2), {"mask": scipy.sparse.eye_array(3)}, ValueError, "mask must have shape"),
        (scipy.sparse.eye_array(2), {"mask": 0.5 * scipy.sparse.eye_array(2)}, ValueError, "only True and False"),
        (scipy.sparse.eye_array(2), {"mask": scipy.sparse.csr_array((2, 2))}, ValueError, "observed entries"),
        (scipy.sparse.eye_array(2), {"weights": -scipy.sparse.eye_array(2)}, ValueError, "Negative.*weights"),
        (scipy.sparse.eye_array(2), {"weights": np.ones(3)}, ValueError, "weights must have the shape"),
        (scipy.sparse.csr_array(np.array([[np.nan, 1]])), {"mask": np.array([True])}, ValueError, "X contains NaN"),
        (scipy.sparse.csr_array(np.array([[np.inf]])), {}, ValueError, "infinite"),
    ],
)
def test_bad_data_is_named(X, options, error, words):
    with pytest.raises(error, match=words):
        hntf.as_data(X, **options)


def test_a_users_sparse_matrix_is_left_alone():
    duplicates = (np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 0, 2]), np.array([0, 3, 4]))
    X = scipy.sparse.csr_matrix(duplicates, shape=(2, 3))
    X.data.flags.writeable = X.indices.flags.writeable = False
    data = hntf.as_data(X)
    np.testing.assert_array_equal(X.data, [1, 2, 3, 4])
    np.testing.assert_array_equal(X.indptr, [0, 3, 4])
    np.testing.assert_array_equal(data.mttkrp([None, np.eye(3)], 0), [[3, 3, 0], [0, 0, 4]])


def test_the_gradient_of_sparse_data_covers_stored_zeros():
    X = scipy.sparse.csr_array((np.array([0.0, 1.0]), (np.array([0, 1]), np.array([1, 0]))), shape=(2, 2))
    assert hntf.as_data(X).input_gradient(np.ones((2, 1)), [None, np.ones((2, 1))]).nnz == 2


@given(seed=seeds, order=st.integers(2, 4), weighted=st.booleans())
def test_unfoldings_are_data_whose_features_are_the_entries_of_a_mode(backend, seed, order, weighted):
    X, _ = draw(seed, order)
    W = np.random.default_rng(seed + 1).random(X.shape) if weighted else np.ones(X.shape)
    data = hntf.as_data(backend(X), weights=backend(W) if weighted else None)
    n = len(X)
    views = [(data.as_matrix(), X.reshape(n, -1), W.reshape(n, -1))]
    for mode in range(order):
        views.append((data.transposed_unfolding(mode), *(tensorly.base.unfold(T, mode).T for T in (X, W))))
    for view, matrix, weights in views:
        assert view.shape == matrix.shape
        np.testing.assert_allclose(view.norm_squared(), np.sum(W * X**2))
        identity = np.eye(matrix.shape[1])
        assert_close(view.mttkrp([None, backend(identity)], 0), weights * matrix)


def test_unfoldings_of_sparse_data_are_sparse(rng):
    X = scipy.sparse.random(8, 6, 0.4, "csr", rng=rng)
    data = hntf.as_data(X)
    for view, matrix in ((data.as_matrix(), X), (data.transposed_unfolding(1), X), (data.transposed_unfolding(0), X.T)):
        assert scipy.sparse.issparse(view.matrix)
        np.testing.assert_array_equal(view.matrix.toarray(), matrix.toarray())


@pytest.mark.parametrize("kind", ["dense", "weighted", "sparse"])
def test_the_smallest_and_the_largest_entry(kind):
    X = np.array([[2.0, -3.0], [0.0, 7.0]])
    data = hntf.as_data(
        scipy.sparse.csr_array(X) if kind == "sparse" else X, weights=X * X if kind == "weighted" else None
    )
    assert data.minimum_and_maximum() == (-3.0, 7.0)
    # What a sparse matrix does not store is zero.
    assert hntf.as_data(scipy.sparse.csr_array(np.eye(3))).minimum_and_maximum() == (0.0, 1.0)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gram_matrix_of_a_mode_of_a_tucker_decomposition(backend, rng, weighted):
    X, W = rng.random((5, 4, 3)), rng.random((5, 4, 3))
    W = W if weighted else np.ones(X.shape)
    data = hntf.as_data(backend(X), weights=backend(W) if weighted else None)
    core, factors = rng.random((2, 3, 2)), [rng.random((d, r)) for d, r in zip(X.shape, (2, 3, 2), strict=True)]
    for mode in range(3):
        image = tensorly.tenalg.multi_mode_dot(core, [U for i, U in enumerate(factors) if i != mode],
                                               modes=[i for i in range(3) if i != mode])  # fmt: skip
        M = tensorly.base.unfold(image, mode)
        expected = np.einsum("dj,rj,sj->drs", tensorly.base.unfold(W, mode), M, M)
        gram = np.asarray(data.tucker_gram(backend(core), [backend(U) for U in factors], mode))
        assert_close(np.broadcast_to(gram, expected.shape), expected)


def test_sparse_masks_and_weights_of_dense_data(backend, rng):
    X = rng.random((6, 4))
    observed, weights = X > 0.3, np.where(X > 0.6, 2.0, 0.0)
    for mask in (scipy.sparse.csr_array(observed), ["nan", scipy.sparse.coo_array(observed)]):
        data = hntf.as_data(backend(X), mask=mask, weights=scipy.sparse.csr_array(weights))
        assert float(data.norm_squared()) == pytest.approx((np.where(observed, weights, 0) * X**2).sum())
        fits = [hntf.NMF(2, random_state=0).fit(backend(X), mask=each) for each in (mask, backend(observed))]
        assert fits[0].reconstruction_err_ == fits[1].reconstruction_err_


def test_no_masks_are_no_mask(rng):
    X = rng.random((4, 3))
    for data in (X, scipy.sparse.csr_array(X)):
        assert hntf.as_data(data, mask=()).norm_squared() == hntf.as_data(data).norm_squared()


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array"])
@pytest.mark.parametrize("also", [None, "stored", "hold-out", "rows"])
def test_nan_of_sparse_data_is_hidden(kind, also, rng):
    X = np.where(rng.random((9, 7)) < 0.5, rng.random((9, 7)), 0.0)
    stored = X != 0
    X[stored & (rng.random(X.shape) < 0.3)] = np.nan
    hold_out = hntf.data.HoldOut(0.3, 1)
    others = {
        None: (None, None),
        "stored": ("stored", stored),
        "hold-out": (hold_out, hold_out),
        "rows": (np.arange(9)[:, None] % 3 > 0,) * 2,
    }
    of_sparse, of_dense = others[also]
    S = getattr(scipy.sparse, kind)(X)
    before = S.copy()
    found = hntf.as_data(S, mask="nan" if also is None else ("nan", of_sparse))
    expected = hntf.as_data(X, mask="nan" if also is None else ("nan", of_dense))
    factors = [rng.random((d, 2)) for d in X.shape]
    assert found.norm_squared() == pytest.approx(expected.norm_squared())
    for mode in range(2):
        assert_close(found.mttkrp(factors, mode), expected.mttkrp(factors, mode))
    np.testing.assert_array_equal(S.toarray(), before.toarray())


@pytest.mark.parametrize("argument", ["mask", "weights"])
@pytest.mark.parametrize("beside", [False, True])
def test_what_users_pass_is_not_changed(argument, beside, rng):
    X = scipy.sparse.csr_array(np.where(rng.random((9, 7)) < 0.5, rng.random((9, 7)), 0.0))
    W = scipy.sparse.csr_array((rng.random((9, 7)) < 0.8) * 1.0)
    W.data[::3] = 0.0
    arrays = [array for each in (X, W) for array in (each.data, each.indices, each.indptr)]
    before = [array.copy() for array in arrays]
    options = {argument: W} | ({"weights" if argument == "mask" else "mask": np.ones((9, 1))} if beside else {})
    norms = [hntf.as_data(X, **options).norm_squared() for _ in range(2)]
    assert norms[0] == norms[1] == pytest.approx((W.toarray() * X.toarray() ** 2).sum())
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
