import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.initializers.nndsvd import _nonnegative_double_svd, truncated_svd
from tests.problems import few, seeds


@pytest.mark.parametrize("name", list(INITIALIZERS))
@few
@given(
    seed=seeds,
    shape=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    ranks=st.sampled_from([(3,), (4, 2), (5, 5, 1)]),
)
def test_starts_are_nonnegative_finite_and_fit(backend, name, seed, shape, ranks):
    X = np.random.default_rng(seed).random(shape)
    X[X < 0.3] = 0.0
    factors = INITIALIZERS[name](hntf.as_data(backend(X)), ranks, np.random.RandomState(seed))
    assert [tuple(A.shape) for A in factors] == list(zip([shape[1], *ranks], ranks, strict=False))
    for A in map(np.asarray, factors):
        assert np.isfinite(A).all()
        assert (A >= 0).all()


@pytest.mark.parametrize("name", list(INITIALIZERS))
def test_one_seed_gives_one_start_and_sparse_data_the_dense_one(name):
    X = scipy.sparse.random(20, 15, 0.4, "csr", rng=np.random.default_rng(0))
    starts = [INITIALIZERS[name](hntf.as_data(x), (4, 2), np.random.RandomState(1)) for x in (X, X, X.toarray())]
    for a, b, c in zip(*starts, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(a, c, atol=1e-6)


def test_the_truncated_svd_is_that_of_numpy(rng):
    X = rng.random((40, 30))
    U, sigma, V = truncated_svd(hntf.as_data(X), 5, np.random.RandomState(0))
    np.testing.assert_allclose(sigma, np.linalg.svd(X, compute_uv=False)[:5], rtol=1e-2)
    assert U.shape == (40, 5)
    np.testing.assert_allclose(V.T @ V, np.eye(5), atol=1e-10)


def test_the_double_svd_is_that_of_scikit_learn(rng):
    """Up to the scale of each column, which the codes take up."""
    X = rng.random((12, 9)) @ np.diag(np.geomspace(1, 1e-3, 9))
    A = _nonnegative_double_svd(hntf.as_data(X), 3, np.random.RandomState(0))
    from sklearn.decomposition._nmf import _initialize_nmf

    H = _initialize_nmf(X, 3, init="nndsvd", random_state=0)[1].T
    np.testing.assert_allclose(A / np.linalg.norm(A, axis=0), H / np.linalg.norm(H, axis=0), atol=1e-3)
