"""Weights of dense data as they are given: few that differ from the others are kept apart, and nothing else changes."""

import numpy as np
import pytest
import scipy.sparse
import sparse
import torch

import hntf
from hntf.arrays import to_numpy
from hntf.data.entry_weights import DenseWeights
from hntf.data.given_weights import entry_weights
from hntf.data.hold_out import HoldOut
from hntf.data.structured_tensor_weights import StructuredTensorWeights
from hntf.data.structured_weights import StructuredWeights

K = 11
KINDS = {2: StructuredWeights, 3: StructuredTensorWeights, 4: StructuredTensorWeights}


def few_differ(order, is_mask, rng):
    """Return weights of which one in twenty differs from the others, a mask or of several sizes."""
    shape = (30, 9, 7, 4)[:order]
    weights = np.ones(shape)
    differs = rng.random(shape) < 0.05
    weights[differs] = 0.0 if is_mask else rng.choice([0.0, 0.01, 0.5], differs.sum())
    weights[3] = weights[8] = 1.0  # two complete samples
    return weights > 0 if is_mask else 3.0 * weights


def same(actual, expected):
    np.testing.assert_allclose(to_numpy(actual), to_numpy(expected), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", KINDS)
@pytest.mark.parametrize("is_mask", [True, False])
@pytest.mark.parametrize("home", [np.asarray, torch.from_numpy])
def test_products_are_those_of_an_array(order, is_mask, home, rng):
    array = few_differ(order, is_mask, rng)
    weights, expected = entry_weights(home(array)), DenseWeights(home(array))
    assert isinstance(weights, KINDS[order])
    assert weights.is_mask == is_mask
    factors, others = ([home(rng.random((d, K))) for d in array.shape] for _ in range(2))
    modes = list(range(order))
    for one, other in ((weights, expected), (weights.take(np.array([5, 3, 5])), expected.take(np.array([5, 3, 5])))):
        np.testing.assert_array_equal(one.n_observed_by_sample, other.n_observed_by_sample)
        same(one.of_samples(slice(1, 3)), other.of_samples(slice(1, 3)))
        cut = [[U[: one.shape[0]] if i == 0 else U for i, U in enumerate(of_all)] for of_all in (factors, others)]
        for product, product_of_array in zip(one.products(*cut, modes), other.products(*cut, modes), strict=True):
            assert type(product) is type(product_of_array)
            same(product, product_of_array)
        for mode in modes:
            slices = np.array([0, 2])
            same(one.mttkrp(cut[0], mode), other.mttkrp(cut[0], mode))
            same(one.grams_of_slices(slices, cut[0], mode), other.grams_of_slices(slices, cut[0], mode))
            unfolded = one.transposed_unfolding(mode), other.transposed_unfolding(mode)
            same(*(W.of_samples(slice(None)) for W in unfolded))
    same(*(W.as_matrix().of_samples(slice(None)) for W in (weights, expected)))
    pattern = weights.equal_slices(0).pattern
    assert pattern[3] == pattern[8] != pattern[0]


@pytest.mark.parametrize("array", [np.ones((4, 3, 2)), np.zeros((4, 3, 2), bool)])
def test_weights_that_are_all_the_same(array):
    weights = entry_weights(array)
    assert weights.n_entries == 0
    same(weights.of_samples(slice(None)), 1.0 * array)


@pytest.mark.parametrize(("share", "kind"), [(0.05, StructuredTensorWeights), (0.3, DenseWeights)])
def test_many_that_differ_are_an_array(share, kind, rng):
    assert isinstance(entry_weights(rng.random((20, 10, 10)) >= share), kind)


@pytest.mark.filterwarnings("ignore:the fit stopped")
@pytest.mark.parametrize(
    "model", [hntf.NCPD(3, random_state=0, max_iter=30), hntf.NeuralNTF((3, 2), random_state=0, max_iter=30)]
)
def test_fits_are_those_of_an_array(model, rng, monkeypatch):
    X = np.einsum("ar,br,cr->abc", *(rng.random((d, 3)) for d in (20, 9, 8))) + 0.1 * rng.random((20, 9, 8))
    X[rng.random(X.shape) < 0.03] = np.nan
    structured = list(model.fit(X, mask="nan").reconstruction_err_)
    monkeypatch.setattr("hntf.data.given_weights.LARGEST_REST", -1.0)
    np.testing.assert_allclose(model.fit(X, mask="nan").reconstruction_err_, structured, rtol=1e-6)


RNG = np.random.default_rng(0)
MASKS = {
    "none": None,
    "stored": "stored",
    "sparse": scipy.sparse.csr_array(RNG.random((20, 12)) < 0.6),
    "dense": RNG.random((20, 12)) < 0.6,
    "hold-out": HoldOut(0.2),
}


class TestSparseWeights:
    """Weights of sparse data are those of dense ones, however they are written."""

    X = RNG.random((20, 12)) * (RNG.random((20, 12)) < 0.5)

    @pytest.mark.parametrize("mask", MASKS)
    def test_entries_that_are_given_twice_add_up(self, mask):
        weights = scipy.sparse.csr_array(RNG.random(self.X.shape) * (RNG.random(self.X.shape) < 0.7))
        twice = scipy.sparse.csr_array(
            (np.repeat(weights.data / 2, 2), np.repeat(weights.indices, 2), weights.indptr * 2), shape=weights.shape
        )
        X, mask = scipy.sparse.csr_array(self.X), MASKS[mask]
        one, other = (hntf.as_data(X, mask=mask, weights=W).weights.of_samples(slice(None)) for W in (weights, twice))
        np.testing.assert_allclose(one, other, rtol=1e-15)
        assert twice.nnz == 2 * weights.nnz

    @pytest.mark.parametrize("wrong", [np.nan, -1.0, np.inf])
    @pytest.mark.parametrize("mode", [0, 1])
    def test_those_of_hidden_slices_may_be_anything(self, mode, wrong):
        mask = np.ones(self.X.shape, dtype=bool)
        weights = np.ones(self.X.shape[mode])
        weights[2] = wrong
        mask[(slice(None), 2) if mode else 2] = False
        weights = weights[None] if mode else weights
        dense = hntf.as_data(self.X, mask=mask, weights=weights)
        for X in (scipy.sparse.csr_array(self.X), scipy.sparse.coo_array(self.X)):
            data = hntf.as_data(X, mask=mask, weights=weights)
            np.testing.assert_array_equal(data.weights.of_samples(slice(None)), dense.weights.of_samples(slice(None)))
        mask[4] = True
        with pytest.raises(ValueError, match="weights"):
            hntf.as_data(scipy.sparse.csr_array(self.X), mask=np.ones_like(mask), weights=weights)

    def test_those_of_hidden_slices_of_a_tensor_may_be_anything(self):
        T = RNG.random((6, 5, 4))
        weights, mask = np.ones((1, 5, 1)), np.ones((1, 5, 1), dtype=bool)
        weights[0, 2], mask[0, 2] = np.nan, False
        data = hntf.as_data(sparse.COO(T), mask=mask, weights=weights)
        np.testing.assert_array_equal(data.weights.of_samples(slice(None)), np.broadcast_to(mask, T.shape))
        with pytest.raises(ValueError, match="weights"):
            hntf.as_data(sparse.COO(T), weights=weights)
