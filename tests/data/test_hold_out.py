"""A hold-out by a hash: the same entries everywhere, nothing stored, and the fits of the mask that it stands for."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse
import sparse
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import hntf
from hntf.data import hold_out
from hntf.data.masks import as_masks


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


BESIDE = {
    "nothing": lambda X, rng: {},
    "rows": lambda X, rng: {"mask": rng.random((len(X), 1)) < 0.8},
    "weights of rows": lambda X, rng: {"weights": rng.random(len(X)) + 0.1},
    "weights of columns and rows": lambda X, rng: {
        "weights": rng.random((1, X.shape[1])) + 0.1,
        "mask": rng.random((len(X), 1)) < 0.8,
    },
    "entries": lambda X, rng: {"mask": rng.random(X.shape) < 0.8, "weights": rng.random(X.shape) + 0.1},
    "hold-out": lambda X, rng: {"mask": hntf.HoldOut(0.4, 7)},
    "hold-out and rows": lambda X, rng: {"mask": (hntf.HoldOut(0.4, 7), rng.random((len(X), 1)) < 0.8)},
}
"""Masks and weights beside a hold-out."""


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("stored", [True, False])
@settings(deadline=None, max_examples=6)
@given(st.integers(0, 2**31 - 1), st.floats(0.01, 0.9), st.booleans(), st.integers(1, 30), st.integers(1, 30))
def test_products_are_those_of_the_mask(beside, stored, seed, fraction, inverted, n, m):
    rng = np.random.default_rng(seed)
    X = rng.random((n, m)) * (rng.random((n, m)) < 0.5)
    mask = hntf.HoldOut(fraction, seed, inverted=inverted)
    others = BESIDE[beside](X, rng)
    masks = (*as_masks(others.get("mask")), mask)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hold_out, "REMEMBERED", 2**21 if stored or "hold-out" in beside else -1)
        arrays = tuple(each.of_shape((n, m)) if isinstance(each, hntf.HoldOut) else each for each in masks)
        assume(np.all(np.broadcast_arrays(*arrays), axis=0).any())
        data = hntf.as_data(scipy.sparse.csr_array(X), **{**others, "mask": masks})
        compare_products(data, hntf.as_data(X, **{**others, "mask": arrays}), rng)


def compare_products(data, dense, rng):
    """Hold the products of a weighted sparse matrix against those of a dense one."""
    n = dense.shape[0]
    np.testing.assert_array_equal(data.observed, dense.observed)
    np.testing.assert_array_equal(data.n_observed_by_sample, dense.n_observed_by_sample)
    rows = rng.integers(0, n, 3)
    for ours, theirs in (
        (data, dense),
        (data.take(rows), dense.take(rows)),
        (data.transposed_unfolding(0), dense.transposed_unfolding(0)),
    ):
        factors, others = ([rng.random((d, 2)) for d in theirs.shape] for _ in range(2))
        close(ours.norm_squared(), theirs.norm_squared())
        for mode in range(2):
            close(ours.mttkrp(factors, mode), theirs.mttkrp(factors, mode))
            close(ours.weights_mttkrp(factors, mode), theirs.weights_mttkrp(factors, mode))
            gram, of_mask = ours.gram(factors, mode), theirs.gram(factors, mode)
            every = np.arange(theirs.shape[mode])
            close(gram.formed(every), of_mask.formed(every))
            close(gram.apply(factors[mode]), of_mask.apply(factors[mode]))
            gradient = gram.outer(factors[mode], others[mode])
            for a, b in zip(gram.pullback(gradient), of_mask.pullback(gradient), strict=True):
                close(a, b)


@pytest.mark.parametrize("solver", ["anls", "hals", "mu"])
def test_fits_of_every_kind_of_data_agree(rng, solver):
    X = rng.random((40, 3)) @ rng.random((3, 20))
    mask, model = hntf.HoldOut(0.2, 5), hntf.NMF(3, solver=solver, max_iter=50, tol=1e-4, random_state=0)
    observed = mask.of_shape(X.shape)
    expected = model.fit(X, mask=observed).reconstruction_err_
    held_out = model.reconstruction_error(X, mask=~observed)
    for data in (X, torch.tensor(X), scipy.sparse.csr_array(X)):
        np.testing.assert_allclose(model.fit(data, mask=mask).reconstruction_err_, expected, rtol=1e-6)
        np.testing.assert_allclose(model.reconstruction_error(data, mask=~mask), held_out, rtol=1e-6)


def test_it_goes_with_other_masks(rng):
    X = rng.random((30, 20)) * (rng.random((30, 20)) < 0.6)
    mask = hntf.HoldOut(0.3)
    stored, observed = X > 0, mask.of_shape(X.shape)
    as_sparse = hntf.as_data(scipy.sparse.csr_array(X), mask=("stored", mask))
    np.testing.assert_array_equal(as_sparse.observed, stored & observed)
    np.testing.assert_array_equal(hntf.as_data(X, mask=(stored, mask)).observed, stored & observed)
    as_sparse = hntf.as_data(scipy.sparse.csr_array(X), mask=(stored, mask, hntf.HoldOut(0.1, 1)))
    np.testing.assert_array_equal(as_sparse.observed, stored & observed & hntf.HoldOut(0.1, 1).of_shape(X.shape))
    T = X[:, :, None] * np.ones(4)
    of_tensor = hntf.as_data(sparse.COO.from_numpy(T), mask=("stored", mask))
    np.testing.assert_array_equal(of_tensor.observed, (T > 0) & mask.of_shape(T.shape))
    for one in (mask, ~mask):
        np.testing.assert_array_equal(hntf.as_data(sparse.COO.from_numpy(T), mask=one).observed, one.of_shape(T.shape))


def test_it_is_a_random_fraction_and_seeds_differ():
    masks = [hntf.HoldOut(0.1, seed).of_shape((400, 500)) for seed in (0, 1)]
    for observed in masks:
        np.testing.assert_allclose(np.mean(~observed), 0.1, atol=0.005)
        np.testing.assert_allclose(np.mean(~observed, axis=0), 0.1, atol=0.09)
        np.testing.assert_allclose(np.mean(~observed, axis=1), 0.1, atol=0.09)
    np.testing.assert_allclose(np.mean(~masks[0] & ~masks[1]), 0.01, atol=0.003)


@pytest.mark.parametrize("block", [5, 2**20])
def test_entries_of_tensors(rng, block, monkeypatch):
    monkeypatch.setattr(hold_out, "BLOCK_HELD_OUT", block)
    for shape in ((9, 7, 5), (4, 1, 3, 6)):
        mask = hntf.HoldOut(0.3, 2)
        np.testing.assert_array_equal(mask.entries(shape), np.nonzero(~mask.of_shape(shape)))
        rows = rng.permutation(shape[0])[:3]
        part = mask.of_rows(rows).entries((3, *shape[1:]))
        np.testing.assert_array_equal(part, np.nonzero(~mask.of_shape(shape)[rows]))


def test_fits_of_sparse_tensors_agree_with_dense_ones(rng):
    T = np.einsum("ar,br,cr->abc", *(rng.random((d, 2)) * (rng.random((d, 2)) < 0.6) for d in (12, 10, 8)))
    T *= 1 + 0.1 * rng.random(T.shape)
    mask = hntf.HoldOut(0.2)
    dense, given = hntf.NCPD(2, random_state=0).fit(T, mask=mask), sparse.COO.from_numpy(T)
    model = hntf.NCPD(2, random_state=0).fit(given, mask=mask)
    np.testing.assert_allclose(model.reconstruction_err_, dense.reconstruction_err_, rtol=1e-6, atol=1e-8)
    held_out_error = model.reconstruction_error(given, mask=~mask)
    np.testing.assert_allclose(held_out_error, dense.reconstruction_error(T, mask=~mask), rtol=1e-4)
    large = (np.zeros((3, 1), int), np.ones(1), (10_000, 10_000, 10_000))
    with pytest.raises(ValueError, match=r"fraction must be at most 8.4e-06 for a sparse tensor of shape"):
        hntf.as_data(large, mask=mask)


def test_two_hold_outs_that_cannot_be_stored_are_refused(monkeypatch):
    monkeypatch.setattr(hold_out, "REMEMBERED", -1)
    with pytest.raises(TypeError, match="at most one hold-out of more than two million entries"):
        hntf.as_data(scipy.sparse.eye_array(5), mask=(hntf.HoldOut(0.1), hntf.HoldOut(0.2)))


@pytest.mark.slow
def test_nothing_is_stored(rng, monkeypatch):
    monkeypatch.setattr(hold_out, "BLOCK_HELD_OUT", 2**14)
    assert hold_out.REMEMBERED < 0.2 * 8_000 * 4_000
    X = scipy.sparse.random(8_000, 4_000, density=1e-4, random_state=0, format="csr")
    data = hntf.as_data(X, mask=hntf.HoldOut(0.2))  # 6.4 million entries are held out: 77 MB
    factors = [rng.random((d, 2)) for d in X.shape]
    data.gram(factors, 0).apply(factors[0])  # compiles
    tracemalloc.start()
    for mode in range(2):
        gram = data.gram(factors, mode)
        gram.apply(factors[mode])
        gram.formed(np.arange(100))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, "a"])
def test_bad_fractions_are_named(fraction):
    with pytest.raises((TypeError, ValueError), match="fraction"):
        hntf.HoldOut(fraction)


def test_bad_seeds_are_named():
    for seed in (-1, 2**64):
        with pytest.raises(ValueError, match="seed must be"):
            hntf.HoldOut(0.1, seed)
