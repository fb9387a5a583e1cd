"""The base models against independent implementations and planted factors."""

import numpy as np
import pytest
import tensorly
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import NMF
from tensorly.decomposition import non_negative_parafac_hals, non_negative_tucker_hals

import hntf
from hntf import NCPD, NTD
from hntf.fitting.loop import advance
from hntf.fitting.updates.alternating import UPDATES, AlternatingCP
from tests.problems import few, seeds


def planted(rng, shape, rank, noise=0.0):
    factors = [rng.random((d, rank)) * (rng.random((d, rank)) < 0.7) + 0.01 for d in shape]
    X = tensorly.cp_to_tensor((None, factors))
    return X + noise * np.linalg.norm(X) / np.sqrt(X.size) * np.abs(rng.standard_normal(shape)), factors


@pytest.mark.parametrize("solver", ["anls", "hals"])
@pytest.mark.parametrize("shape", [(12, 9), (9, 8, 7), (6, 5, 5, 4), (4, 4, 4, 3, 3)])
def test_planted_factors_are_recovered(rng, solver, shape):
    X, factors = planted(rng, shape, 3)
    model = NCPD(3, solver=solver, tol=1e-7, max_iter=3000, random_state=0).fit(X)
    assert model.reconstruction_err_[0] < 2e-3
    if len(shape) == 2:
        # A matrix has many factorizations.
        return
    units = [U / np.linalg.norm(U, axis=0) for U in factors]
    found = [U / np.linalg.norm(U, axis=0) for U in model.factors_]
    similarity = np.prod([a.T @ b for a, b in zip(units, found, strict=True)], axis=0)
    assert sorted(np.argmax(similarity, axis=0)) == [0, 1, 2]
    assert similarity.max(axis=0).min() > 0.99


@pytest.mark.parametrize("solver", ["anls", "hals"])
def test_as_good_as_tensorly_from_the_same_start(rng, solver):
    X, _ = planted(rng, (20, 18, 16), 4, noise=0.1)
    init = [rng.random((d, 4)) for d in X.shape]
    model = NCPD(4, solver=solver, init=init, tol=1e-6).fit(X)
    start = tensorly.cp_tensor.CPTensor((np.ones(4), [U.copy() for U in init]))
    peer = tensorly.cp_to_tensor(non_negative_parafac_hals(X, 4, init=start, n_iter_max=200))
    assert model.reconstruction_err_[0] <= 1.001 * np.linalg.norm(X - peer) / np.linalg.norm(X)


def test_of_a_matrix_it_is_the_nmf_of_scikit_learn(rng):
    X = rng.random((30, 20))
    model = NCPD(4, init="screened", tol=1e-7, max_iter=2000, random_state=0).fit(X)
    peer = NMF(4, init="nndsvda", max_iter=2000, tol=1e-8).fit(X)
    assert model.reconstruction_err_[0] <= 1.01 * peer.reconstruction_err_ / np.linalg.norm(X)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["anls", "hals"])
def test_tucker_is_as_good_as_tensorly(rng, solver):
    core, factors = rng.random((3, 2, 2)), [rng.random((d, r)) for d, r in zip((12, 10, 9), (3, 2, 2), strict=True)]
    X = tensorly.tucker_to_tensor((core, factors)) + 0.05 * rng.random((12, 10, 9))
    model = NTD((3, 2, 2), solver=solver, tol=1e-6, max_iter=1000, random_state=0).fit(X)
    peer = tensorly.tucker_to_tensor(non_negative_tucker_hals(X, [3, 2, 2], n_iter_max=200, random_state=0))
    assert model.reconstruction_err_[0] <= 1.01 * np.linalg.norm(X - peer) / np.linalg.norm(X)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@few
@given(seed=seeds, order=st.integers(2, 4), solver=st.sampled_from(list(UPDATES)), weighted=st.booleans())
def test_no_sweep_raises_the_error(backend, seed, order, solver, weighted):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 7, order))
    X = backend(rng.random(shape))
    data = hntf.as_data(X, weights=backend(rng.random(shape)) if weighted else None)
    errors = []
    descent = AlternatingCP(data, [backend(rng.random((d, 3))) for d in shape], solver)
    advance(descent, max_iter=20, tol=-1.0, note=lambda _, at: errors.append(at.error))
    assert np.diff(errors).max(initial=0.0) <= 1e-7
    for model in (NCPD(2, solver=solver, random_state=0), NTD(2, solver=solver, random_state=0)):
        loss = model.set_params(max_iter=15, tol=0.0).fit(data).history_["loss"]
        assert np.diff(loss, prepend=1.0).max() <= 1e-7


def test_components_come_by_size_and_weights_carry_it(rng):
    X, _ = planted(rng, (10, 9, 8), 4, noise=0.1)
    weights, factors = NCPD(4, random_state=0).fit(X).cp_tensor(normalize=True)
    assert np.all(np.diff(weights) <= 0)
    for U in factors:
        np.testing.assert_allclose(np.linalg.norm(U, axis=0), 1.0)
    model = NTD((3, 2, 2), random_state=0).fit(X)
    for mode, U in enumerate(model.factors_):
        np.testing.assert_allclose(np.linalg.norm(U, axis=0), 1.0)
        slices = np.moveaxis(model.core_, mode, 0).reshape(model.core_.shape[mode], -1)
        assert np.all(np.diff(np.linalg.norm(slices, axis=1)) <= 1e-12)


def test_a_cp_tensor_as_start(rng):
    X, _ = planted(rng, (10, 9, 8), 3, noise=0.1)
    first = NCPD(3, tol=1e-8, max_iter=3000, random_state=0).fit(X)
    again = NCPD(3, init=first.cp_tensor(normalize=True), tol=1e-6).fit(X)
    assert again.n_iter_ <= 3
    np.testing.assert_allclose(again.reconstruction_err_, first.reconstruction_err_, rtol=1e-5)


def test_of_several_starts_the_best_is_kept(rng):
    X, _ = planted(rng, (10, 9, 8), 5, noise=0.1)
    one = [NCPD(5, init="random", random_state=np.random.RandomState(0)).fit(X).reconstruction_err_[0]]
    several = NCPD(5, init="random", n_init=5, random_state=np.random.RandomState(0)).fit(X)
    assert several.reconstruction_err_[0] <= one[0] + 1e-12
