"""What is heavy and hidden leaves no rounding: structured weights against the same weights, formed entry by entry."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import sparse

import hntf
from hntf.algebra import khatri_rao, unfold
from hntf.data import hold_out, structured_tensor_weights, structured_weights

K = 3


def rng_of(decades):
    return np.random.default_rng(abs(decades))


def hidden_heavy_entries(shape, decades, heavy_mode):
    """Return weights of the slices of a mode, the last of them heavy, and a mask that hides these in half of the samples."""
    rng = rng_of(decades)
    observed = rng.random(shape) < 0.9
    weights = np.ones([d if i == heavy_mode else 1 for i, d in enumerate(shape)])
    last = tuple(slice(-2, None) if i == heavy_mode else slice(None) for i in range(len(shape)))
    weights[last] = 10.0**decades
    hidden = np.zeros(shape, bool)
    hidden[last] = True
    half = tuple(slice(None, None, 2) if i != heavy_mode else slice(None) for i in range(len(shape)))
    observed[half] &= ~hidden[half]
    observed[0] = False
    return weights, observed


def data_of(home, shape, weights, observed):
    """Return data with these weights in one of their homes."""
    X = np.where(observed, rng_of(0).random(shape), np.nan)
    if home in ("dense", "dense tensor"):
        return hntf.as_data(X, mask="nan", weights=weights)
    if home == "tensor":
        return hntf.as_data(sparse.COO.from_numpy(X, fill_value=0), mask="nan", weights=weights)
    return hntf.as_data(scipy.sparse.csr_array(X), mask="nan", weights=weights)


def close_in_every_slice(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    sizes = np.abs(expected).reshape(len(expected), -1).max(axis=1).reshape(-1, *[1] * (expected.ndim - 1))
    assert (np.abs(actual - expected) <= 1e-11 * sizes).all()


@pytest.mark.parametrize("block", [7, 2**20])
@pytest.mark.parametrize("heavy_mode", [0, 1])
@pytest.mark.parametrize("decades", [-12, -6, 6, 12, 100])
@pytest.mark.parametrize("home", ["dense", "dense tensor", "sparse", "tensor"])
def test_products(home, decades, heavy_mode, block, monkeypatch):
    for module in (structured_weights, structured_tensor_weights):
        monkeypatch.setattr(module, "BLOCK_ANEW", block)
    shape = (12, 10, 4) if "tensor" in home else (12, 10)
    weights, observed = hidden_heavy_entries(shape, decades, heavy_mode)
    data = data_of(home, shape, weights, observed)
    W = weights * observed
    np.testing.assert_array_equal(data.observed, observed)
    np.testing.assert_allclose(data.weights.of_samples(slice(None)), W, rtol=1e-15)
    assert np.count_nonzero(data.n_observed_by_sample == 0) == 1
    rng = rng_of(decades)
    factors, others = ([rng.random((d, K)) for d in shape] for _ in range(2))
    for mode in range(len(shape)):
        products = khatri_rao([U for i, U in enumerate(factors) if i != mode])
        gram, every = data.gram(factors, mode), np.arange(shape[mode])
        weights_of_mode = unfold(W, mode)
        formed = np.einsum("ij,ja,jb->iab", weights_of_mode, products, products)
        close_in_every_slice(gram.formed(every), formed)
        close_in_every_slice(gram.apply(others[mode]), np.einsum("iab,ib->ia", formed, others[mode]))
        close_in_every_slice(data.weights_mttkrp(factors, mode), weights_of_mode @ products)


@pytest.mark.parametrize("decades", [-9, 9])
def test_hold_outs_that_are_drawn_anew(decades, monkeypatch):
    monkeypatch.setattr(hold_out, "REMEMBERED", -1)
    shape, mask = (12, 10), hntf.HoldOut(0.5, 3)
    weights = np.where(np.arange(10) < 7, 1.0, 10.0**decades)[None]
    data = hntf.as_data(scipy.sparse.csr_array(np.ones(shape)), mask=mask, weights=weights)
    A, W = rng_of(decades).random((10, K)), mask.of_shape(shape) * weights
    close_in_every_slice(data.gram([None, A], 0).formed(np.arange(12)), np.einsum("ij,ja,jb->iab", W, A, A))


@pytest.mark.parametrize("decades", [3, 6])
def test_features_in_larger_units_count_as_heavy_weights_do(decades):
    """Less than 10 % of the entries of dense data are hidden, those of the feature in the larger unit."""
    rng = rng_of(decades)
    A = rng.random((60, K))
    A[0] *= 10.0**decades
    observed = np.ones((200, 60), bool)
    observed[::3, 0] = False
    gram, S = hntf.as_data(rng.random((200, 60)), mask=observed).gram([None, A], 0), rng.random((200, K))
    formed = np.einsum("ij,ja,jb->iab", 1.0 * observed, A, A)
    close_in_every_slice(gram.formed(np.arange(200)), formed)
    close_in_every_slice(gram.apply(S), np.einsum("iab,ib->ia", formed, S))


def test_slices_of_tensors_that_are_too_large_keep_their_products(monkeypatch):
    """They are not formed anew, and lose the digits that weights are apart."""
    monkeypatch.setattr(structured_tensor_weights, "LARGEST_SLICE", 1)
    weights, observed = hidden_heavy_entries((12, 10, 4), 3, 1)
    data = data_of("tensor", (12, 10, 4), weights, observed)
    factors = [rng_of(0).random((d, K)) for d in data.shape]
    np.testing.assert_allclose(
        data.weights_mttkrp(factors, 0), unfold(weights * observed, 0) @ khatri_rao(factors[1:]), rtol=1e-11, atol=1e-9
    )


def test_a_model_of_weights_far_apart_has_every_sample_observed():
    """It was said that samples have no observed entry where only their light features have one."""
    rng = rng_of(0)
    X = rng.random((40, K)) @ rng.random((K, 12))
    X[:20, 0] = np.nan
    weights = np.r_[1e12, np.ones(11)][None]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = hntf.NMF(K, random_state=0, max_iter=300, tol=1e-2).fit(
            scipy.sparse.csr_array(X), mask="nan", weights=weights
        )
        codes = model.transform(scipy.sparse.csr_array(X), mask="nan", weights=weights)
    expected = model.transform(X, mask="nan", weights=weights)
    np.testing.assert_allclose(codes, expected, rtol=1e-7, atol=1e-9)
