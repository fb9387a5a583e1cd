"""Weighted data, whose Gram matrices are formed in blocks, against the same problems one by one."""

import subprocess
import sys
import tracemalloc

import dask.array
import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
import sparse
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.algebra import khatri_rao, unfold
from hntf.arrays import to_numpy
from hntf.costs import Energy
from hntf.data import protocol
from hntf.layers import NNLSLayer
from hntf.least_squares import gram_blocks
from hntf.least_squares.gram_blocks import restricted, sum_of_grams
from hntf.least_squares.hals import hals
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve
from hntf.maps import Dense, KhatriRao
from tests.problems import few, seeds

pytestmark = pytest.mark.usefixtures("one_thread")

K = 3

KINDS = ["weights", "half", "complete but a few", "patterns", "of samples", "of features"]


def draw_weights(rng, shape, kind):
    if kind == "weights":
        return rng.random(shape)
    if kind == "half":
        return rng.random(shape) < 0.5
    if kind == "complete but a few":
        return rng.random(shape) < 0.98
    if kind == "patterns":
        return (rng.random((3, *shape[1:])) < 0.7)[rng.integers(3, size=shape[0])]
    ones = [1] * (len(shape) - 1)
    weights = rng.random((shape[0], *ones)) if kind == "of samples" else rng.random((1, *shape[1:])) < 0.6
    return np.broadcast_to(weights, shape).copy()


def draw(seed, kind, order, backend=np.asarray):
    """Draw data, their weights, factors of all modes, and the same in NumPy."""
    rng = np.random.default_rng(seed)
    shape = (40, 12) if order == 2 else (20, 5, 4, 3)[:order]
    W = draw_weights(rng, shape, kind)
    W[0] = True
    X, factors = rng.random(shape), [rng.random((d, K)) for d in shape]
    return hntf.as_data(backend(X), weights=backend(W * 1.0)), list(map(backend, factors)), X, W * 1.0, factors


def naive_grams(W, factors, mode):
    products = khatri_rao([U for i, U in enumerate(factors) if i != mode])
    return np.einsum("ij,ja,jb->iab", unfold(W, mode), products, products)


@pytest.fixture(params=["in one block", "in several"])
def _blocks(request, monkeypatch):
    if request.param == "in several":
        monkeypatch.setattr(gram_blocks, "BLOCK_ENTRIES", 7 * K**2)
        monkeypatch.setattr(gram_blocks, "FEWEST_EQUAL", 3)
        monkeypatch.setattr(protocol, "BLOCK_ENTRIES", 60)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@few
@given(seed=seeds, order=st.integers(2, 4), data=st.data())
def test_everything_agrees_with_the_gram_matrices_one_by_one(backend, kind, seed, order, data):
    X, factors, _, W, naive = draw(seed, kind, order, backend)
    mode = data.draw(st.integers(0, order - 1))
    G, rng = X.gram(factors, mode), np.random.default_rng(seed)
    expected = naive_grams(W, naive, mode)
    np.testing.assert_allclose(to_numpy(G.formed(np.arange(len(expected)))), expected, atol=1e-12)
    C, S, R = rng.standard_normal((len(expected), K)) + 0.5, rng.random((len(expected), K)), rng.random((K, 2))
    for gram, matrices in [
        (G, expected),
        (G.with_ridge(0.3), expected + 0.3 * np.eye(K)),
        (sum_of_grams([(2.0, G), (0.5, G), (1.0, backend(np.eye(K)))]), 2.5 * expected + np.eye(K)),
        (restricted(G.with_ridge(0.1), backend(R)), R.T @ (expected + 0.1 * np.eye(K)) @ R),
    ]:
        k = matrices.shape[-1]
        c, s = C[:, :k], S[:, :k]
        np.testing.assert_allclose(to_numpy(gram.apply(backend(s))), np.einsum("nij,nj->ni", matrices, s), atol=1e-12)
        found, reference = solve(gram, backend(c)), solve(matrices, c)
        np.testing.assert_allclose(to_numpy(found.S), reference.S, atol=1e-9 * (1 + reference.S.max()))
        again = solve(gram, backend(c), found.support)
        np.testing.assert_allclose(to_numpy(again.S), reference.S, atol=1e-9 * (1 + reference.S.max()))
        V = solve_on_support(gram, backend(s), backend(reference.support))
        reference_V = solve_on_support(matrices, s, reference.support)
        np.testing.assert_allclose(to_numpy(V), reference_V, atol=1e-9 * (1 + np.abs(reference_V).max()))
        np.testing.assert_allclose(to_numpy(hals(gram, backend(c), backend(s))), hals(matrices, c, s), atol=1e-9)


@pytest.mark.usefixtures("_blocks")
@pytest.mark.parametrize("kind", KINDS)
@few
@given(seed=seeds, order=st.integers(2, 4))
def test_what_the_gram_matrices_pass_back(backend, kind, seed, order):
    X, factors, _, W, naive = draw(seed, kind, order, backend)
    rng = np.random.default_rng(seed)
    V, S = rng.standard_normal((len(W), K)), rng.random((len(W), K))
    G = X.gram(factors)
    dG = 2.0 * G.outer(backend(V), backend(S)) + -G.outer(backend(S), backend(S))
    gradients = X.gram_pullback(factors, dG)
    dG = np.einsum("ni,nj->nij", V, S) + np.einsum("ni,nj->nij", S, V - S)
    for i, gradient in enumerate(gradients, start=1):
        direction = rng.standard_normal(naive[i].shape)
        moved = [
            np.sum(dG * naive_grams(W, [U + h * direction if j == i else U for j, U in enumerate(naive)], 0))
            for h in (1e-4, -1e-4)
        ]
        expected = (moved[0] - moved[1]) / 2e-4
        np.testing.assert_allclose(np.sum(to_numpy(gradient) * direction), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("linear_map", [Dense, KhatriRao])
def test_gradients_of_layers(backend, kind, linear_map):
    X, factors, *_ = draw(0, kind, 2 if linear_map is Dense else 3, backend)
    for l2 in (0.0, 0.2):
        layer = NNLSLayer(linear_map(factors[1] if linear_map is Dense else factors[1:]), l1=0.05, l2=l2)
        report = hntf.gradcheck(Energy(), [hntf.Hierarchy([layer]), X])
        assert report.ok, str(report)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_are_those_of_scipy(kind):
    X, factors, array, W, (_, A) = draw(1, kind, 2)
    S, _ = NNLSLayer(Dense(factors[1])).forward(X)
    for s, x, w in zip(S, array, np.sqrt(W), strict=True):
        expected, _ = scipy.optimize.nnls(w[:, None] * A, w * x)
        np.testing.assert_allclose(s, expected, atol=1e-12 * max(1.0, np.linalg.cond(w[:, None] * A) ** 2))


@pytest.mark.parametrize("sparse", [False, True])
def test_weights_of_samples_cost_no_gram_matrix_each(rng, sparse):
    W, X, A = rng.uniform(0.5, 2.0, 400), rng.random((400, 12)), rng.random((12, K))
    data = hntf.as_data(scipy.sparse.csr_array(X) if sparse else X, weights=W)
    (_, groups, others), _ = data.gram([None, A]).proportional_rows
    assert [len(group) for group in groups] == [400]
    assert len(others) == 0
    S, _ = NNLSLayer(Dense(A), l1=0.1).forward(data)
    for s, x, w in zip(S, X, W, strict=True):
        expected = hntf.nnls(A, x, weights=np.full(12, w), l1=0.1)
        np.testing.assert_allclose(s, expected, atol=1e-12)


def test_ill_conditioned_weights_of_samples(rng):
    A = np.linalg.qr(rng.standard_normal((12, 4)))[0] * [1, 1e-2, 1e-4, 1e-6]
    S = rng.random((300, 4)) * (rng.random((300, 4)) < 0.7)
    data = hntf.as_data(S @ A.T, weights=rng.uniform(0.5, 2.0, 300))
    layer = NNLSLayer(Dense(A))
    codes, tape = layer.forward(data)
    np.testing.assert_allclose(codes, S, atol=1e-8)
    dX, _ = layer.backward(tape, np.ones_like(S))
    expected = [A[:, s > 0] @ np.linalg.solve(A[:, s > 0].T @ A[:, s > 0], np.ones((s > 0).sum())) for s in codes]
    np.testing.assert_allclose(dX, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("sparse", [False, True])
def test_light_weights_are_not_hidden_by_heavy_ones(rng, sparse):
    """Rows that differ in light weights alone are not solved together."""
    X, W, A = rng.random((300, 12)), 1.0 * (rng.random((300, 12)) < 0.5), rng.random((12, 3))
    W[:, 0] = 1e12
    given = (scipy.sparse.csr_array(X), scipy.sparse.csr_array(W)) if sparse else (X, W)
    layer = hntf.layers.NNLSLayer(hntf.maps.Dense(A))
    codes, _ = layer.forward(hntf.as_data(given[0], weights=given[1]))
    expected = hntf.nnls(A, X.T, weights=W.T).T
    np.testing.assert_allclose(codes, expected, atol=1e-9)


def test_rows_with_equal_weights_have_one_gram_matrix(rng):
    W = rng.random((3, 6))[rng.integers(3, size=600)]
    W[7], W[9] = rng.random(6), rng.random(6)
    _, groups, others = hntf.as_data(rng.random((600, 6)), weights=W).gram([None, rng.random((6, 2))]).equal_rows
    assert len(groups) == 3
    assert all(np.array_equal(W[group], np.tile(W[group[0]], (len(group), 1))) for group in groups)
    np.testing.assert_array_equal(others, [7, 9])


MASKS_OF_SPARSE = {
    "stored": lambda X, M, W: ({"mask": "stored"}, X != 0),
    "sparse": lambda X, M, W: ({"mask": scipy.sparse.csr_array(M)}, M),
    "dense": lambda X, M, W: ({"mask": M}, M),
    "of samples": lambda X, M, W: ({"mask": M[:, 0]}, M[:, :1]),
    "of features": lambda X, M, W: ({"mask": M[:1]}, M[:1]),
    "two": lambda X, M, W: ({"mask": (M[:1], scipy.sparse.coo_array(M))}, M[:1] & M),
    "sparse and dense": lambda X, M, W: ({"mask": ("stored", M)}, M & (X != 0)),
    "sparse weights": lambda X, M, W: ({"weights": scipy.sparse.csc_array(W * (X != 0))}, W * (X != 0)),
    "weights": lambda X, M, W: ({"weights": W, "mask": scipy.sparse.csr_array(M)}, W * M),
    "weights of samples": lambda X, M, W: ({"weights": W[:, 0], "mask": M}, W[:, :1] * M),
    "weights of both": lambda X, M, W: ({"weights": W[:, 0], "mask": M[:1]}, W[:, :1] * M[:1]),
}


def draw_sparse(seed):
    rng = np.random.default_rng(seed)
    X = rng.random((30, 9)) * (rng.random((30, 9)) < 0.4)
    return X, rng.random(X.shape) < 0.7, rng.uniform(0.5, 2.0, X.shape)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
@pytest.mark.parametrize("kind", MASKS_OF_SPARSE)
def test_sparse_data_with_a_mask_or_weights_agree_with_dense_ones(kind, value):
    X, M, W = draw_sparse(0)
    options, weights = MASKS_OF_SPARSE[kind](X, M, W)
    weights = np.broadcast_to(weights, X.shape) * 1.0
    covered = scipy.sparse.csr_array(X)
    hidden = weights[np.repeat(np.arange(30), np.diff(covered.indptr)), covered.indices] == 0
    covered.data[hidden] = value
    sparse, dense = hntf.as_data(covered, **options, nonnegative=True), hntf.as_data(X, weights=weights)
    rng = np.random.default_rng(1)
    S, A, rows = rng.random((30, K)), rng.random((9, K)), np.array([3, 0, 17])
    taken = (sparse.take(rows), dense.take(rows), [S[rows], A])
    unfolded = (sparse.transposed_unfolding(0), dense.transposed_unfolding(0), [A, S])
    for one, other, factors in [(sparse, dense, [S, A]), taken, unfolded]:
        np.testing.assert_allclose(one.norm_squared(), other.norm_squared())
        np.testing.assert_array_equal(one.n_observed_by_sample, other.n_observed_by_sample)
        for mode in (0, 1):
            np.testing.assert_allclose(one.mttkrp(factors, mode), other.mttkrp(factors, mode))
            np.testing.assert_allclose(one.weights_mttkrp(factors, mode), other.weights_mttkrp(factors, mode))
            every = np.arange(one.shape[mode])
            np.testing.assert_allclose(
                one.gram(factors, mode).formed(every), other.gram(factors, mode).formed(every), atol=1e-12
            )
            np.testing.assert_allclose(
                one.gram(factors, mode).apply(factors[mode]), other.gram(factors, mode).apply(factors[mode])
            )
            pattern, expected = (data.gram(factors, mode).equal_rows.pattern for data in (one, other))
            np.testing.assert_array_equal(pattern[:, None] == pattern, expected[:, None] == expected)
        ratio, expected = one.ratio(factors), other.ratio(factors)
        np.testing.assert_allclose(ratio.mttkrp(factors, 0), expected.mttkrp(factors, 0))
        np.testing.assert_allclose(one.divergence(ratio), other.divergence(expected))

        def model(rows, factors=factors):
            return factors[0][rows] @ factors[1].T

        np.testing.assert_allclose(one.residual_norm_squared(model), other.residual_norm_squared(model))
    gradient = sparse.input_gradient(S, [None, A]).toarray()
    np.testing.assert_allclose(gradient, (X != 0) * dense.input_gradient(S, [None, A]))


@pytest.mark.slow
def test_small_weights_keep_their_digits(rng):
    X, weights = rng.random((40, 12)), np.ones((40, 12))
    model = hntf.NMF(3, random_state=0).fit(X)
    expected = model.transform(X)
    for size in (1e-2, 1e-6, 1e-12, 1e-17, 1e-100):
        weights[0] = size
        np.testing.assert_allclose(model.transform(X, weights=weights), expected, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(model.transform(X, weights=weights[:, 0]), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [bool, np.int8, float])
def test_what_a_sparse_mask_observes_twice_is_observed(rng, dtype):
    X = scipy.sparse.csr_array(rng.random((4, 5)))
    rows, columns = np.array([0, 0, 1, 3, 3, 3]), np.array([2, 2, 1, 0, 0, 0])
    mask = scipy.sparse.csr_array((np.ones(len(rows), dtype), columns, [0, 2, 3, 3, 6]), shape=X.shape)
    expected = (X.toarray()[[0, 1, 3], [2, 1, 0]] ** 2).sum()
    np.testing.assert_allclose(hntf.as_data(X, mask=mask).norm_squared(), expected)
    tensor = (np.array([rows, columns, 0 * rows]), np.ones(len(rows), dtype), (4, 5, 1))
    entries = (np.array([*np.nonzero(X.toarray()), np.zeros(20, int)]), X.toarray().ravel(), (4, 5, 1))
    for each in (tensor, (tensor,)):
        np.testing.assert_allclose(hntf.as_data(entries, mask=each).norm_squared(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("weights_of", [np.asarray, scipy.sparse.csr_array])
def test_weights_of_sparse_data_below_a_mask_may_be_anything(rng, weights_of):
    X = scipy.sparse.random_array((6, 5), density=0.5, rng=rng, format="csr")
    observed = rng.random((6, 5)) < 0.7
    weights = rng.random((6, 5))
    expected = hntf.as_data(X, mask=observed, weights=weights).norm_squared()
    for value in (np.nan, np.inf, -1.0):
        data = hntf.as_data(X, mask=observed, weights=weights_of(np.where(observed, weights, value)))
        assert data.norm_squared() == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match="weights"):
        hntf.as_data(X, mask=observed, weights=weights_of(np.where(observed, np.nan, weights)))


def test_a_sparse_mask_is_never_made_dense():
    X = scipy.sparse.random(200_000, 100_000, 1e-6, "csr", rng=np.random.default_rng(0))
    data = hntf.as_data(X, mask="stored", weights=np.random.default_rng(1).random(200_000))
    A = np.ones((100_000, 2))
    S = solve(data.gram([None, A]), data.mttkrp([None, A], 0)).S
    assert data.gram([S, None], 1).apply(A).shape == A.shape
    assert data.norm_squared() > 0


MEMORY = """
import resource, sys, warnings
import dask.array
import numpy as np
import hntf
warnings.simplefilter("ignore")
rng, n, m, k = np.random.default_rng(0), 20_000, 100, 30
X = rng.random((n, k)) @ rng.random((k, m))
hidden = {hidden}
if hidden:
    X[rng.random(X.shape) < hidden] = np.nan
mask = "nan" if hidden else None
small, few = X[:500], {{"max_iter": 2, "n_init": 1, "init": "random", "random_state": 0}}
estimators = [hntf.NMF(k, **few), hntf.NeuralNMF((k, 3), **few, level_weights=None)]
for estimator in estimators:
    estimator.fit(small, mask=mask)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for estimator in estimators:
    estimator.fit(X, mask=mask).transform(X, mask=mask)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / X.nbytes)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in kilobytes, as on Linux")
def test_masks_take_little_memory():
    """The Gram matrices of all samples would take 9 times the memory of the data, and their pullback several times that."""
    peak = [
        float(subprocess.run([sys.executable, "-c", MEMORY.format(hidden=h)], capture_output=True, check=True).stdout)
        for h in (0.0, 1e-6, 0.5)
    ]
    assert max(peak[1:]) < peak[0] + 2.0, peak


OF_SPARSE_MATRICES = {
    "scipy": scipy.sparse.csr_array,
    "sparse": sparse.COO.from_numpy,
    "entries": lambda x: (np.stack(np.nonzero(x)), x[np.nonzero(x)], x.shape),
}


@pytest.mark.parametrize("of_weights", OF_SPARSE_MATRICES)
@pytest.mark.parametrize("of_data", ["dense", "blocks", "chunks", *OF_SPARSE_MATRICES])
def test_sparse_masks_and_weights_of_any_package_go_with_any_data(rng, of_data, of_weights):
    X, observed, weights = rng.random((30, 8)), rng.random((30, 8)) < 0.8, rng.random((30, 8))
    give = {
        "dense": np.asarray,
        "blocks": lambda x: [sparse.COO.from_numpy(x[:10]), x[10:]],
        "chunks": lambda x: dask.array.from_array(x, chunks=(10, 8)).map_blocks(sparse.COO.from_numpy),
        **OF_SPARSE_MATRICES,
    }[of_data]
    sparsely = OF_SPARSE_MATRICES[of_weights]
    for options in (
        {"mask": observed},
        {"weights": weights * observed},
        {"mask": observed, "weights": weights * observed},
    ):
        expected = hntf.NMF(2, random_state=0, max_iter=30, tol=1e-3).fit(X, **options)
        given = {name: sparsely(value) for name, value in options.items()}
        found = hntf.NMF(2, random_state=0, max_iter=30, tol=1e-3).fit(give(X), **given)
        np.testing.assert_allclose(found.reconstruction_err_, expected.reconstruction_err_, rtol=1e-6)


@pytest.mark.parametrize("in_blocks", [False, True])
def test_sparse_masks_of_dense_tensors(rng, in_blocks):
    X, observed = rng.random((12, 5, 4)), rng.random((12, 5, 4)) < 0.8
    expected = hntf.NCPD(2, random_state=0, max_iter=30, tol=1e-3).fit(X, mask=observed)
    given = [X[:5], X[5:]] if in_blocks else X
    found = hntf.NCPD(2, random_state=0, max_iter=30, tol=1e-3).fit(given, mask=sparse.COO.from_numpy(observed))
    np.testing.assert_allclose(found.reconstruction_err_, expected.reconstruction_err_, rtol=1e-6)


@pytest.mark.slow
def test_a_fit_of_a_tensor_with_hidden_entries_takes_no_more_than_twice_the_data(rng, monkeypatch):
    monkeypatch.setattr(protocol, "BLOCK_ENTRIES", 2**15)  # as small beside these data as blocks are beside large ones
    X = rng.random((80, 100, 100))
    observed = rng.random(X.shape) < 0.5
    model = hntf.NCPD(10, max_iter=2, n_init=1, random_state=0)
    model.fit(X[:10], mask=observed[:10])  # compiles
    tracemalloc.start()
    model.fit(X, mask=observed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.1 * X.nbytes
