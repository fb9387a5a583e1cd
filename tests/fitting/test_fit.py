from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
import torch
from threadpoolctl import threadpool_info

import hntf
from hntf.fitting import blas
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.fit import Settings, fit_model
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.objective import Objective
from hntf.hierarchies.stack import dense_hierarchy
from tests.problems import hierarchy


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_threads_are_held_to_one_and_restored(monkeypatch, rng):
    before = blas_threads()
    data = hntf.as_data(rng.random((20, 10)))
    with blas_threads_for(data, 3):
        assert set(blas_threads()) == {1}
    assert blas_threads() == before
    with pytest.raises(KeyError), blas_threads_for(data, 3):
        raise KeyError
    assert blas_threads() == before
    monkeypatch.setattr(blas, "DOMINATING_WORK", 1.0)
    with blas_threads_for(data, 3):
        assert blas_threads() == before
    with blas_threads_for(hntf.as_data(scipy.sparse.eye_array(5)), 3):
        assert set(blas_threads()) == {1}


def test_the_objective_is_the_loss_relative_to_the_data(backend, rng):
    stack, X = hierarchy(rng, 7, (3, 2), backend), rng.random((6, 7))
    data = hntf.as_data(backend(X))
    objective = Objective(hntf.losses.Energy(), stack, data)
    at = objective(objective.start)
    value, gradients = hntf.losses.Energy().value_and_grad(stack, data)
    np.testing.assert_allclose(at.value, value / np.sum(X**2))
    flat = np.concatenate([np.asarray(g).ravel() for g in gradients])
    np.testing.assert_allclose(np.asarray(at.gradient), flat / np.sum(X**2))
    for A, B in zip(objective.model_at(objective.start).factors, stack.factors, strict=True):
        np.testing.assert_array_equal(np.asarray(A), np.asarray(B))
    # A second evaluation starts its searches from the first one's supports, and gives the same.
    np.testing.assert_allclose(objective(objective.start).value, at.value, rtol=1e-12)
    assert objective.n_evaluations == 2


def test_both_backends_take_one_path(rng):
    """The fit itself, written once, on arrays and on tensors."""
    X = rng.random((30, 4)) @ rng.random((4, 20))
    settings = Settings("lbfgs", 30, 1e-3, 1, None, False)
    fits = []
    for data in (hntf.as_data(X), hntf.as_data(torch.tensor(X))):
        start = dense_hierarchy(INITIALIZERS["levels"](data, (4, 2), np.random.RandomState(0)))
        fits.append(fit_model(data, lambda start=start: start, hntf.losses.Energy(), settings, rank=4))
    assert isinstance(fits[1].model.factors[0], torch.Tensor)
    np.testing.assert_allclose(fits[0].history["loss"][-1], fits[1].history["loss"][-1], rtol=1e-4)


def test_concurrent_holders_restore_the_blas_threads():
    before = blas_threads()
    A, B = np.random.default_rng(0).random((400, 30)), np.random.default_rng(1).random((400, 500))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: hntf.nnls(A, B), range(60)))
    assert blas_threads() == before
