"""Run by `test_ranks.py` on every rank: fits each rank's samples, and compares with the fit of all of them."""

import multiprocessing
import os
import signal
import sys
import tempfile
import warnings

import numpy as np
import sparse
import torch
import torch.distributed as dist
from sklearn.base import clone

import hntf
from tests.fitting.parts.test_parts import METHODS, TENSOR, assert_same, fitted

FORKED = multiprocessing.get_context("fork")
HOLD_OUT = hntf.HoldOut(0.2)
WITH_LABELS = [name for name, (_, _, y) in METHODS.items() if y is not None]
MASKED = ("NMF", "SSNMF", "NCPD", "NeuralNMF")


OF_ENTRIES = (hntf.NCPD(3, random_state=0), hntf.NeuralNTF((4, 2), random_state=0))


def share(X):
    return np.array_split(X, dist.get_world_size())[dist.get_rank()]


def some_hidden(X):
    return np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)


def labels_of_one(y, size):
    """Return labels of which only the first of so many ranks knows any."""
    return np.where(np.arange(len(y)) < len(np.array_split(y, size)[0]), y, -1)


def first_half_hidden(X):
    """Return a mask that hides all samples of the first rank."""
    observed = np.ones(X.shape, bool)
    observed[: len(X) // 2] = False
    return observed


def entries_of(X):
    X = np.where(np.median(TENSOR) < X, X, 0.0)
    return np.nonzero(X), X[np.nonzero(X)], X.shape


def weights_of_entries(samples):
    """Return masks and weights of some samples of the tensor as that of entries."""
    of_samples = np.random.default_rng(0).random(len(TENSOR))
    of_features = np.random.default_rng(1).random((1, 1, TENSOR.shape[2]))
    observed = np.random.default_rng(2).random(TENSOR.shape)[samples] < 0.8
    return {
        "some observed": {"mask": sparse.COO.from_numpy(observed), "weights": of_samples[samples]},
        "weights of features": {"weights": of_features},
        "held out": {"mask": HOLD_OUT},
    }


def compare(n_ranks):
    """Compare, on so many ranks after each other, with the fits of one process; ranks are forks of this process."""
    expected = {name: fitted(*method) for name, method in METHODS.items()}
    expected["entries"] = fitted(hntf.NCPD(3, random_state=0), entries_of(TENSOR))
    for kind, options in weights_of_entries(slice(None)).items():
        for model in OF_ENTRIES:
            expected[f"{model}, {kind}"] = fitted(model, entries_of(TENSOR), **options)
    for name in MASKED:
        model, X, y = METHODS[name]
        expected[f"{name}, masked"] = fitted(model, some_hidden(X), y, mask="nan")
        expected[f"{name}, held out"] = fitted(model, X, y, mask=HOLD_OUT)
    model, X, y = METHODS["NMF"]
    expected["NMF, half observed"] = fitted(model, X, y, mask=first_half_hidden(X))
    for size in n_ranks:
        for name in WITH_LABELS:
            model, X, y = METHODS[name]
            expected[f"{name}, partly labelled"] = fitted(model, X, partly_labelled(y))
            expected[f"{name}, labels of one"] = fitted(model, np.array_split(X, size), labels_of_one(y, size))
        with tempfile.TemporaryDirectory() as folder:
            arguments = (expected, f"file://{folder}/ranks", size)
            ranks = [FORKED.Process(target=on_a_rank, args=(*arguments, rank)) for rank in range(size)]
            for rank in ranks:
                rank.start()
            for rank in ranks:
                rank.join()
        if any(rank.exitcode for rank in ranks):
            sys.exit(1)
        print(f"the same on {size}")


def on_a_rank(expected, meeting, size, rank):
    dist.init_process_group("gloo", init_method=meeting, world_size=size, rank=rank)
    same_as(expected)
    some_unlabelled(expected)
    partly_labelled_on_some(expected)
    interrupted_on_one()
    masks_of_some_ranks()
    hold_outs_of_some_samples()
    samples_that_one_rank_refuses()
    without_a_seed()
    features_that_differ()
    dist.destroy_process_group()


def same_as(expected):
    for name, (model, X, y) in METHODS.items():
        of_all = with_own_codes(expected[name])
        score = of_all.reconstruction_err_[-1]
        for kind in (np.asarray, torch.as_tensor) if name in ("NMF", "NCPD", "NeuralNMF") else (np.asarray,):
            here, labels = kind(share(X)), None if y is None else share(y)
            found = fitted(model, here, labels)
            assert_same(found, of_all)
            np.testing.assert_allclose(found.reconstruction_error(here), score, rtol=1e-6)
            assert found.transform(here).shape == of_all.codes_[-1].shape
            if y is not None:
                assert 0 <= found.score(here, labels) <= 1
    for name in MASKED:
        model, X, y = METHODS[name]
        found = fitted(model, share(some_hidden(X)), None if y is None else share(y), mask="nan")
        assert_same(found, with_own_codes(expected[f"{name}, masked"]), rtol=1e-5)
        found = fitted(model, share(X), None if y is None else share(y), mask=HOLD_OUT)
        assert_same(found, with_own_codes(expected[f"{name}, held out"]), rtol=1e-5)
        blocks = np.array_split(share(X), 2) if name == "NMF" else share(X)
        assert_same(fitted(model, blocks, None if y is None else share(y), mask=HOLD_OUT), found, rtol=1e-5)
    model, X, _ = METHODS["NMF"]
    found = fitted(model, share(X), mask=share(first_half_hidden(X)))
    assert_same(found, with_own_codes(expected["NMF, half observed"]), rtol=1e-5)
    found = fitted(hntf.NCPD(3, random_state=0), entries_of(share(TENSOR)))
    assert_same(found, with_own_codes(expected["entries"]))
    for kind, options in weights_of_entries(share(np.arange(len(TENSOR)))).items():
        for model in OF_ENTRIES:
            found = fitted(model, entries_of(share(TENSOR)), **options)
            assert_same(found, with_own_codes(expected[f"{model}, {kind}"]), rtol=1e-5)


def with_own_codes(of_all):
    of_all.codes_ = [share(codes) for codes in of_all.codes_]
    return of_all


def some_unlabelled(expected):
    """Labels that all lie on one rank."""
    rank, size = dist.get_rank(), dist.get_world_size()
    for name in WITH_LABELS:
        model, X, y = METHODS[name]
        here = share(labels_of_one(y, size))
        found = fitted(model, share(X), here)
        assert found.classes_.tolist() == [0, 1, 2]
        assert_same(found, with_own_codes(expected[f"{name}, labels of one"]), rtol=1e-5)
    model, X, y = METHODS["SSNMF"]
    if size > 1:
        try:
            fitted(model, share(X), share(y) if rank == 0 else None)
        except ValueError as error:
            assert "on every rank or on none" in str(error)  # noqa: PT017  a check on every rank, without pytest
        else:
            raise AssertionError


def partly_labelled(y):
    """Return labels of which all are known on the first ranks, and some on the last."""
    return np.where(np.arange(len(y)) < len(y) - 3, y, -1)


def partly_labelled_on_some(expected):
    for name in WITH_LABELS:
        model, X, y = METHODS[name]
        found = fitted(model, share(X), share(partly_labelled(y)))
        assert_same(found, with_own_codes(expected[f"{name}, partly labelled"]), rtol=1e-5)


def interrupted_on_one():
    """Ctrl-C on one rank ends the fit on all of them, after the same iteration."""

    def press(progress):
        if progress.n_iter == 3 and dist.get_rank() == 0:
            signal.raise_signal(signal.SIGINT)

    for name in ("NMF", "NeuralNMF", "NCPD"):
        model, X, _ = METHODS[name]
        found = fitted(clone(model).set_params(callback=press, max_iter=500, tol=0.0), share(X))
        of_ranks = [None] * dist.get_world_size()
        dist.all_gather_object(of_ranks, (found.n_iter_, found.reconstruction_err_.tolist()))
        assert of_ranks.count(of_ranks[0]) == len(of_ranks)
        assert found.n_iter_ < 500


def masks_of_some_ranks():
    X = share(METHODS["NMF"][1])
    given = np.ones(X.shape, bool) if dist.get_rank() == 0 else None
    for name in ("mask", "weights"):
        try:
            fitted(METHODS["NMF"][0], X, **{name: given})
        except ValueError as error:
            assert f"{name} must be given on every rank or on none" in str(error)  # noqa: PT017  as above
        else:
            assert dist.get_world_size() == 1


def refused(words, function, *arguments, **options):
    """Check that a call is refused on this rank, without pytest, which forks of this process do not have."""
    try:
        function(*arguments, **options)
    except (TypeError, ValueError) as error:
        assert words in str(error), str(error)  # noqa: PT017  as above
    else:
        raise AssertionError(words)


def hold_outs_of_some_samples():
    """What a rank does by itself has to know which samples are its own."""
    for name in ("NMF", "NeuralNMF"):
        model, X, y = METHODS[name]
        labels = None if y is None else share(y)
        found = fitted(model, share(X), labels, mask=HOLD_OUT)
        of_these = HOLD_OUT.of_rows(share(np.arange(len(X))))
        codes = found.transform(share(X), level=0, mask=of_these)
        np.testing.assert_allclose(codes, found.codes_[0], atol=1e-6 * codes.max())
        if dist.get_world_size() > 1:
            refused("of_rows", found.transform, share(X), mask=HOLD_OUT)
        if y is not None:
            score = found.score(share(X), labels, mask=HOLD_OUT)
            of_ranks = [None] * dist.get_world_size()
            right = found.predict(share(X), mask=of_these) == labels
            dist.all_gather_object(of_ranks, right.tolist())
            assert score == np.mean(np.concatenate(of_ranks))
        assert_same(fitted(model, share(X), labels, mask=of_these), found)


def samples_that_one_rank_refuses():
    """All ranks say what is wrong, not only that the others are gone."""
    first, size = dist.get_rank() == 0, dist.get_world_size()
    if size == 1:
        return
    X = share(TENSOR)
    refused("NaN", hntf.NCPD(2).fit, np.full_like(X, np.nan) if first else X)
    refused("shape", hntf.NCPD(2).fit, X, mask=np.ones(X.shape if first else 3, bool))
    refused("sparse tensor on every rank", hntf.NCPD(2).fit, entries_of(X) if first else X)
    refused("same hold-outs", hntf.NCPD(2).fit, X, mask=hntf.HoldOut(0.1, seed=int(first)))
    refused("positive integers", hntf.NCPD(2).fit, entries_of(X[:0] if first else X))


def without_a_seed():
    losses = [None] * dist.get_world_size()
    model = hntf.NeuralNMF((4, 2), random_state=None).fit(share(METHODS["NeuralNMF"][1]))
    dist.all_gather_object(losses, model.history_["loss"][-1])
    assert len(set(losses)) == 1


def features_that_differ():
    X = share(METHODS["NeuralNMF"][1])
    last = dist.get_rank() == dist.get_world_size() - 1
    try:
        hntf.NeuralNMF((4, 2)).fit(X[:, :-1] if last else X)
    except ValueError as error:
        assert "same features on every rank" in str(error)  # noqa: PT017  a check on every rank, without pytest
    else:
        assert dist.get_world_size() == 1


def fit(fault):
    """Fit with a fault of the last rank, which ends the job."""
    dist.init_process_group("gloo")
    last = dist.get_rank() == dist.get_world_size() - 1

    def callback(progress):
        if last and fault == "dies" and progress.n_iter == 3:
            os._exit(1)

    X = share(METHODS["NeuralNMF"][1])
    X = np.where(X.mean() < X, np.nan, X) if last and fault == "nan" else X
    hntf.NeuralNMF((4, 2), callback=callback).fit(X)
    print("the fit ended")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    compare([int(size) for size in sys.argv[2:]]) if sys.argv[1] == "compare" else fit(sys.argv[1])
