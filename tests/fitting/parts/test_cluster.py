"""Dask's distributed scheduler: the same fit on one worker and on two, and when a worker dies."""

import os
import signal
import warnings

import dask.array
import numpy as np
import pytest

import hntf
from tests.fitting.parts.test_parts import MATRIX, METHODS, assert_same, fitted

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module", params=[1, 2])
def client(request):
    with (
        distributed.LocalCluster(
            n_workers=request.param, threads_per_worker=1, dashboard_address=None, processes=True
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["NMF", "SSNMF", "HierarchicalNMF", "NeuralNMF labels", "NCPD", "NeuralNTF", "NeuralNTF Tucker"]
)
def test_a_cluster_finds_the_same(client, name):
    model, X, y = METHODS[name]
    given = dask.array.from_array(X, chunks=(-(-len(X) // 3), *X.shape[1:])).persist()
    found, expected = fitted(model, given, y), fitted(model, X, y)
    assert_same(found, expected)
    assert all(isinstance(codes, dask.array.Array) for codes in found.codes_)
    np.testing.assert_allclose(expected.score(given), expected.score(X), rtol=1e-9)
    if y is not None:
        np.testing.assert_array_equal(expected.predict(given).compute(), expected.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("lazy", [False, True])
def test_masks_and_weights_travel_to_a_cluster(client, rng, lazy):
    weights = rng.random(MATRIX.shape)
    options = {"mask": (hntf.HoldOut(0.2), rng.random(len(MATRIX)) < 0.9), "weights": weights}
    model, given = hntf.NMF(3, random_state=0), dask.array.from_array(MATRIX, chunks=(20, -1)).persist()
    expected = fitted(model, MATRIX, **options)
    if lazy:
        options["weights"] = dask.array.from_array(weights, chunks=(13, 4))
    assert_same(fitted(model, given, **options), expected)


@pytest.mark.slow
def test_updates_that_remember_are_refused(client):
    given = dask.array.from_array(MATRIX, chunks=(20, -1))
    with pytest.raises(ValueError, match="'anls'"):
        hntf.NMF(3, solver="mu").fit(given)
    with pytest.raises(ValueError, match="'anls'"):
        hntf.NCPD(3, solver="hals").fit(given)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NMF", "NeuralNMF labels"])
def test_a_worker_that_dies_changes_nothing(name):
    model, X, y = METHODS[name]
    expected = fitted(model, X, y)
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True) as cluster,
        distributed.Client(cluster) as client,
    ):
        given = dask.array.from_array(X, chunks=(10, -1)).persist()
        victims = list(client.run(os.getpid).values())

        def kill(progress):
            if progress.n_iter == 2 and victims:
                os.kill(victims.pop(), signal.SIGKILL)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = fitted(model.set_params(callback=kill), given, y)
        model.set_params(callback=None)
        assert len(victims) == 1
        assert_same(found, expected)
        np.testing.assert_allclose(found.transform(given).compute(), found.transform(X), rtol=1e-9, atol=1e-9)
