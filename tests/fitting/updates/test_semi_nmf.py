import numpy as np
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.fitting.loop import advance
from hntf.fitting.updates.semi_nmf import SemiUpdates, semi_levels, semi_update
from tests.problems import few, seeds


@few
@given(seed=seeds, ranks=st.sampled_from([(4,), (4, 2), (5, 3, 2)]))
def test_the_cost_never_rises(backend, seed, ranks):
    rng = np.random.default_rng(seed)
    X = hntf.as_data(backend(rng.standard_normal((12, 7))))
    factors, S = semi_levels(X, ranks, np.random.RandomState(0))
    found, costs = SemiUpdates(X, factors, S), []
    advance(found, max_iter=30, tol=-1.0, note=lambda _, at: costs.append(at.cost))
    assert len(costs) == 30
    assert np.all(np.diff(costs) <= 1e-10 * costs[0])
    assert float(found.S.min()) >= 0
    model = found.S
    for A in reversed(found.factors):
        model = model @ A.T
    np.testing.assert_allclose(found.cost, 0.5 * float(((X.array - model) ** 2).sum()), rtol=1e-9)


def test_the_update_is_that_of_the_paper(rng):
    X, A, S = rng.standard_normal((6, 5)), rng.standard_normal((5, 3)), rng.random((6, 3))

    def plus(Z):
        return np.maximum(Z, 0)

    expected = S * np.sqrt((plus(X @ A) + S @ plus(-A.T @ A)) / (plus(-X @ A) + S @ plus(A.T @ A)))
    np.testing.assert_allclose(semi_update(A.T @ A, X @ A, S), expected)


def test_codes_that_all_but_vanished_do_not_overflow():
    G, C = np.array([[6.0, -5.0], [-5.0, 8.0]]), np.array([[0.01, -1.0]])
    S = np.array([[1e-319, 4e-322]])
    found = semi_update(G, C, S)
    assert np.isfinite(found).all()
    assert found[0, 0] > S[0, 0]


def test_sparse_data_of_any_sign(rng):
    X = rng.standard_normal((20, 8)) * (rng.random((20, 8)) < 0.5)
    dense, sparse = (hntf.DeepSemiNMF((3, 2), random_state=0, tol=1e-3).fit(Z) for Z in (X, scipy.sparse.csr_array(X)))
    np.testing.assert_allclose(dense.reconstruction_err_, sparse.reconstruction_err_, rtol=1e-6)
