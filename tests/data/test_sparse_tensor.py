"""Sparse tensors: every product against the dense one, inputs, and tensors whose dense form would not fit anywhere."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pytest
import sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

import hntf
from hntf.data import coordinates
from hntf.data.low_rank import CPData

SHAPES = [(6, 5, 4), (1, 3, 2), (5, 4, 3, 3), (2, 3, 2, 2, 2), (40, 1, 30)]


def draw(rng, shape, density=0.3):
    X = rng.random(shape) * (rng.random(shape) < density)
    index = np.array(np.nonzero(X))
    return X, (index, X[tuple(index)], shape)


@pytest.mark.parametrize("cached", [0, 2**17])
@pytest.mark.parametrize("rank", [1, 7, 8, 9, 15, 16, 17, 23, 24, 25, 33, 40])
def test_mttkrp_agrees_with_dense_for_every_rank(rng, monkeypatch, rank, cached):
    """Columns are read eight at a time, in groups that may overlap."""
    monkeypatch.setattr(coordinates, "CACHED", cached)
    for shape in SHAPES:
        X, entries = draw(rng, shape)
        dense, data = hntf.as_data(X), hntf.as_data(entries)
        factors = [rng.random((d, rank)) for d in shape]
        for mode in range(len(shape)):
            close(data.mttkrp(factors, mode), dense.mttkrp(factors, mode))


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31 - 1), st.sampled_from(SHAPES), st.sampled_from([0.0, 0.05, 0.5, 1.0]), st.booleans())
def test_products_agree_with_dense(seed, shape, density, in_chunks):
    rng = np.random.default_rng(seed)
    X, entries = draw(rng, shape, density)
    dense, data = hntf.as_data(X), hntf.as_data(entries)
    factors = [rng.random((d, 3)) for d in shape]
    features = [None, *factors[1:]]
    code = rng.random((shape[0], *[3] * (len(shape) - 1)))
    chunk, cached = coordinates.CHUNK, coordinates.CACHED
    try:
        if in_chunks:  # groups that several chunks share
            coordinates.CHUNK, coordinates.CACHED = 3, 0
        for mode in range(len(shape)):
            close(data.mttkrp(factors, mode), dense.mttkrp(factors, mode))
            close(data.multi_mode_dot(factors, mode), dense.multi_mode_dot(factors, mode))
            core = rng.random([3] * len(shape))
            pullback = data.mode_product_pullback(factors, core, mode)
            close(pullback, dense.mode_product_pullback(factors, core, mode))
            if mode:
                pullback = data.mode_product_pullback(features, code, mode)
                close(pullback, dense.mode_product_pullback(features, code, mode))
        close(data.multi_mode_dot(factors, -1), dense.multi_mode_dot(factors, -1))
    finally:
        coordinates.CHUNK, coordinates.CACHED = chunk, cached
    rows = rng.integers(0, shape[0], 4)
    close(data.take(rows).of_samples(slice(None)), X[rows])
    close(data.take(rows).mttkrp([None, *factors[1:]], 0), dense.take(rows).mttkrp([None, *factors[1:]], 0))
    close(data.norm_squared(), dense.norm_squared())
    assert data.minimum_and_maximum() == dense.minimum_and_maximum()
    close(data.ratio(factors).of_samples(slice(None)), dense.ratio(factors).array)
    close(data.divergence(data.ratio(factors)), dense.divergence(dense.ratio(factors)))
    close(data.as_matrix().matrix.toarray(), X.reshape(shape[0], -1))
    matrix, restored = data.nonzero_features()
    assert matrix.shape[1] == max(1, np.count_nonzero(X.any(axis=0)))
    close(restored(matrix.matrix.toarray()).of_samples(slice(None)), X)
    for mode in range(len(shape)):
        unfolding = dense.transposed_unfolding(mode).array
        close(data.transposed_unfolding(mode).matrix.toarray(), unfolding[unfolding.any(axis=1)])
    gradient = data.ratio_gradient(data.ratio(factors), factors, code.reshape(shape[0], -1)[:, :3])
    expected = dense.ratio_gradient(dense.ratio(factors), factors, code.reshape(shape[0], -1)[:, :3])
    close(gradient.of_samples(slice(None)), expected.array)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["cp", "tucker", "one mode"])
def test_gradients_of_layers_are_those_of_dense_data_at_the_entries(rng, kind):
    X, entries = draw(rng, (6, 5, 4))
    U, V = rng.random((5, 2)), rng.random((4, 2))
    linear_map = {
        "cp": hntf.maps.KhatriRao([U, V]),
        "tucker": hntf.maps.ModeProduct([U, V]),
        "one mode": hntf.maps.ModeProduct([V], [2]),
    }[kind]
    layer = hntf.layers.NNLSLayer(linear_map)
    S, tape = layer.forward(X)
    S_sparse, tape_sparse = layer.forward(entries)
    close(S_sparse, S)
    dX, dfactors = layer.backward(tape, S)
    (index, values, shape), dfactors_sparse = layer.backward(tape_sparse, S)
    close(values, dX[tuple(index)])
    assert shape == X.shape
    for a, b in zip(dfactors_sparse, dfactors, strict=True):
        close(a, b)


@pytest.mark.parametrize("form", ["coo", "gcxs", "dok", "tuple", "transposed coordinates", "shuffled", "duplicates"])
def test_every_form_is_the_same_data(rng, form):
    X, (index, values, shape) = draw(rng, (6, 5, 4))
    order = rng.permutation(len(values))
    given = {
        "coo": lambda: sparse.COO.from_numpy(X),
        "gcxs": lambda: sparse.GCXS.from_numpy(X),
        "dok": lambda: sparse.DOK.from_numpy(X),
        "tuple": lambda: (index.tolist(), values.tolist(), list(shape)),
        "transposed coordinates": lambda: (index.T, values, shape),
        "shuffled": lambda: (index[:, order], values[order], shape),
        "duplicates": lambda: (np.hstack([index, index]), np.concatenate([0.25 * values, 0.75 * values]), shape),
    }[form]()
    close(hntf.as_data(given).of_samples(slice(None)), X)


def test_a_sparse_matrix_of_the_package_is_a_sparse_matrix(rng):
    X = rng.random((6, 5)) * (rng.random((6, 5)) < 0.5)
    a = hntf.NMF(2, random_state=0).fit(sparse.COO.from_numpy(X))
    b = hntf.NMF(2, random_state=0).fit(X)
    close(a.reconstruction_err_, b.reconstruction_err_)
    observed = rng.random(X.shape) < 0.7
    model = hntf.NMF(2, random_state=0, tol=1e-2)
    error = model.fit(X, mask=observed).reconstruction_err_
    close(model.fit(sparse.COO.from_numpy(X), mask=observed).reconstruction_err_, error)


@pytest.mark.parametrize(
    ("X", "error", "words"),
    [
        (([[0], [0], [9]], [1.0], (2, 2, 2)), ValueError, "from 0 to 1 in mode 2, got 9"),
        (([[0], [0], [-1]], [1.0], (2, 2, 2)), ValueError, "in mode 2, got -1"),
        (([[0], [0]], [1.0], (2, 2, 2)), ValueError, "integer coordinates of shape"),
        (([[0.5], [0], [0]], [1.0], (2, 2, 2)), ValueError, "type float64"),
        (([[0], [0], [0]], [1.0, 2.0], (2, 2, 2)), ValueError, "one value for each"),
        (([[0], [0], [0]], [np.nan], (2, 2, 2)), ValueError, "NaN"),
        (([[0], [0], [0]], [-1.0], (2, 2, 2)), ValueError, "[Nn]egative"),
        (([[0], [0], [0]], [1j], (2, 2, 2)), (TypeError, ValueError), "omplex"),
        (([[0], [0], [0]], [1.0], (2, 0, 2)), ValueError, "positive integers"),
        (([[0]], [1.0], (2,)), ValueError, "two or more"),
        (sparse.COO.from_numpy(np.zeros((2, 2, 2))) + 1, ValueError, "fill_value"),
    ],
)
def test_bad_entries_are_named(X, error, words):
    with pytest.raises(error, match=words):
        hntf.NCPD(1).fit(X)


METHODS = {
    "NCPD": hntf.NCPD(2, random_state=0, max_iter=3),
    "NeuralNTF": hntf.NeuralNTF((3, 2), random_state=0, max_iter=3),
    "NeuralNTF Tucker": hntf.NeuralNTF(((3, 3), (2, 2)), random_state=0, max_iter=3),
    "NeuralNTF one mode": hntf.NeuralNTF(((3,), (2,)), modes=(1,), random_state=0, max_iter=3),
    "NeuralNCPD": hntf.NeuralNCPD((3, 2), random_state=0, max_iter=3),
    "HierarchicalNCPD": hntf.HierarchicalNCPD((3, 2), random_state=0, max_iter=3, n_init=1),
    "MultiHNTF": hntf.MultiHNTF((3, 2), random_state=0, max_iter=3),
    "MultilayerNTF": hntf.MultilayerNTF((3, 2), lead_mode=1, random_state=0, max_iter=3, n_init=1),
    "NTD": hntf.NTD((2, 2, 2), random_state=0, max_iter=3),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_finds_what_it_finds_in_the_dense_tensor(rng, name):
    X = np.einsum("ia,ja,ka->ijk", *(rng.random((d, 3)) for d in (12, 10, 8))) * (rng.random((12, 10, 8)) < 0.6)
    index = np.array(np.nonzero(X))
    model = METHODS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dense = model.fit(X)
        error, codes = dense.reconstruction_err_, dense.transform(X)
        entries = (index, X[tuple(index)], X.shape)
        model.fit(entries)
    np.testing.assert_allclose(model.reconstruction_err_, error, rtol=1e-8)
    np.testing.assert_allclose(model.transform(entries), codes, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.reconstruction_error(entries), model.reconstruction_error(X), rtol=1e-8)
    np.testing.assert_allclose(model.score(entries), model.score(X), rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in METHODS if name != "NeuralNTF one mode"]
)  # its codes are (n, 2 · 5000)
def test_nothing_of_the_dense_size(rng, name):
    shape = (5000, 5000, 5000)  # 1 TB
    index = np.array([rng.integers(0, d, 6_000) for d in shape])
    X = (index, rng.exponential(size=6_000), shape)
    model = clone(METHODS[name]).set_params(max_iter=3)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X)
        model.transform(X)
        model.score(X)
        model.reconstruction_error(X)
        assert len(model.components_) == model.n_levels_
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 200e6
    assert np.isfinite(model.reconstruction_err_).all()


def test_data_in_cp_form_have_the_products_of_the_dense_tensor(rng):
    factors = [rng.random((d, 2)) for d in (5, 4, 3)]
    data, dense = CPData(factors), CPData(factors).expanded()
    others = [rng.random((d, 3)) for d in (5, 4, 3)]
    for mode in range(3):
        close(data.mttkrp(others, mode), dense.mttkrp(others, mode))
        close(data.multi_mode_dot(others, mode), dense.multi_mode_dot(others, mode))
    close(data.norm_squared(), dense.norm_squared())
    close(data.take(np.array([2, 0])).expanded().array, dense.take(np.array([2, 0])).array)


@pytest.mark.slow
def test_dimensions_whose_product_overflows(rng):
    shape = (10**5,) * 4
    X = (np.array([rng.integers(0, d, 300) for d in shape]), rng.random(300), shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = hntf.NCPD(2, max_iter=2, random_state=0).fit(X)
    assert model.transform(X).shape == (10**5, 2)
    assert np.isfinite(model.score(X))


@pytest.mark.parametrize("ranks", [(3, 2), ((2, 2), (1, 1))])
def test_no_entry_and_empty_cells(rng, ranks):
    nothing = (np.zeros((3, 0), int), np.zeros(0), (5, 4, 3))
    assert (hntf.NeuralNTF(ranks, max_iter=3, random_state=0).fit(nothing).reconstruction_err_ == 0).all()
    X = rng.random((12, 9, 8))
    X[:, 3] = 0
    index = np.array(np.nonzero(X))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        errors = [
            hntf.NeuralNTF(ranks, max_iter=10, random_state=0).fit(given).reconstruction_err_
            for given in (X, (index, X[tuple(index)], X.shape))
        ]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-7)


@pytest.mark.parametrize("options", [{}, {"weights": np.ones(4)}, {"mask": hntf.HoldOut(0.1)}], ids=str)
def test_a_tensor_without_entries_is_fitted(options):
    entries = (np.zeros((3, 0), int), np.zeros(0), (4, 3, 2))
    model = hntf.NeuralNTF((2, 1), max_iter=3, random_state=0).fit(entries, **options)
    np.testing.assert_array_equal(model.reconstruction_err_, 0.0)


def test_what_is_found_again_is_not_pickled(rng):
    data = hntf.as_data((rng.integers(0, 30, (3, 500)), rng.random(500), (30, 30, 30)))
    size = len(pickle.dumps(data))
    factors = [rng.random((30, 2)) for _ in range(3)]
    expected = [data.mttkrp(factors, mode) for mode in range(3)]
    assert len(pickle.dumps(data)) == size
    again = pickle.loads(pickle.dumps(data))
    for mode in range(3):
        np.testing.assert_array_equal(again.mttkrp(factors, mode), expected[mode])


def test_modes_far_longer_than_there_are_entries(rng):
    """Entries are sorted by comparison there, not by counting those of every slice."""
    shape = (5, 2**40, 2**41)
    index = np.array([rng.integers(0, d, 50) for d in shape])
    index[:, 40:] = index[:, :10]
    values = rng.random(50)
    data = hntf.as_data((index, values, shape))
    cells, of_entry = np.unique(index, axis=1, return_inverse=True)
    assert data.n_entries == cells.shape[1] == 40
    summed = np.bincount(of_entry.ravel(), values)
    np.testing.assert_allclose(data.norm_squared(), summed @ summed, rtol=1e-14)
