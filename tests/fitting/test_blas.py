from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse
from threadpoolctl import threadpool_info

import hntf
from hntf.fitting import blas
from hntf.fitting.blas import blas_threads_for


def blas_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blas_threads_are_held_to_one_and_restored(monkeypatch, rng):
    before = blas_threads()
    data = hntf.as_data(rng.random((20, 10)))
    with blas_threads_for(data.n_dense_entries, 3):
        assert set(blas_threads()) == {1}
    assert blas_threads() == before
    with pytest.raises(KeyError), blas_threads_for(data.n_dense_entries, 3):
        raise KeyError
    assert blas_threads() == before
    monkeypatch.setattr(blas, "DOMINATING_WORK", 1.0)
    with blas_threads_for(data.n_dense_entries, 3):
        assert blas_threads() == before
    with blas_threads_for(hntf.as_data(scipy.sparse.eye_array(5)).n_dense_entries, 3):
        assert set(blas_threads()) == {1}


def test_concurrent_holders_restore_the_blas_threads():
    before = blas_threads()
    A, B = np.random.default_rng(0).random((400, 30)), np.random.default_rng(1).random((400, 500))
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: hntf.nnls(A, B), range(60)))
    assert blas_threads() == before
