"""Run by `test_ranks.py` on every rank: fits each rank's samples, and compares with the fit of all of them."""

import os
import sys
import warnings

import numpy as np
import torch
import torch.distributed as dist

import hntf
from tests.fitting.parts.test_parts import METHODS, TENSOR, assert_same, fitted


def share(X):
    return np.array_split(X, dist.get_world_size())[dist.get_rank()]


def some_hidden(X):
    return np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


def entries_of(X):
    X = np.where(np.median(TENSOR) < X, X, 0.0)
    return np.nonzero(X), X[np.nonzero(X)], X.shape


def compare():
    expected = {name: fitted(*method) for name, method in METHODS.items()}
    of_entries = fitted(hntf.NCPD(3, random_state=0), entries_of(TENSOR))
    masked = {
        name: fitted(model, some_hidden(X), y, mask="nan")
        for name, (model, X, y) in METHODS.items()
        if name in ("NMF", "SSNMF", "NCPD", "NeuralNMF")
    }
    dist.init_process_group("gloo")
    for name, (model, X, y) in METHODS.items():
        of_all = expected[name]
        score = of_all.reconstruction_err_[-1]
        of_all.codes_ = [share(codes) for codes in of_all.codes_]
        for kind in (np.asarray, torch.as_tensor) if name in ("NMF", "NCPD", "NeuralNMF") else (np.asarray,):
            here, labels = kind(share(X)), None if y is None else share(y)
            found = fitted(model, here, labels)
            assert_same(found, of_all)
            np.testing.assert_allclose(found.reconstruction_error(here), score, rtol=1e-6)
            assert found.transform(here).shape == of_all.codes_[-1].shape
            if y is not None:
                assert 0 <= found.score(here, labels) <= 1
    for name, of_all in masked.items():
        model, X, y = METHODS[name]
        of_all.codes_ = [share(codes) for codes in of_all.codes_]
        found = fitted(model, share(some_hidden(X)), None if y is None else share(y), mask="nan")
        assert_same(found, of_all, rtol=1e-5)
    of_entries.codes_ = [share(codes) for codes in of_entries.codes_]
    assert_same(fitted(hntf.NCPD(3, random_state=0), entries_of(share(TENSOR))), of_entries)
    some_unlabelled()
    print("same")


def some_unlabelled():
    """Labels that all lie on one rank."""
    model, X, y = METHODS["SSNMF"]
    rank, size = dist.get_rank(), dist.get_world_size()
    rows = np.array_split(np.arange(len(X)), size)
    expected = np.full(len(X), -1)
    expected[rows[0]] = y[rows[0]]
    found = fitted(model, X[rows[rank]], expected[rows[rank]])
    assert found.classes_.tolist() == [0, 1, 2]
    if size > 1:
        try:
            fitted(model, X[rows[rank]], y[rows[rank]] if rank == 0 else None)
        except ValueError as error:
            assert "on every rank or on none" in str(error)  # noqa: PT017  a check on every rank, without pytest
        else:
            raise AssertionError


def fit(fault):
    dist.init_process_group("gloo")
    last = dist.get_rank() == dist.get_world_size() - 1
    X = share(METHODS["NeuralNMF"][1])

    def callback(progress):
        if fault == "dies" and last and progress.n_iter == 3:
            os._exit(1)

    if last and fault == "features":
        X = X[:, :-1]
    if last and fault == "nan":
        X = np.where(X.mean() < X, np.nan, X)
    model = hntf.NeuralNMF((4, 2), random_state=None, callback=callback).fit(X)
    print(f"loss {model.history_['loss'][-1]!r};", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    compare() if sys.argv[1] == "compare" else fit(sys.argv[1])
    dist.destroy_process_group()
