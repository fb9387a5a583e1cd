"""Masks and weights of sparse tensors, against dense ones."""

import numpy as np
import pytest
import sparse

import hntf

SHAPE = (12, 10, 8)


def problem(seed=0):
    """Return a tensor with hidden entries, which entries are observed, and the observed entries as a sparse tensor."""
    rng = np.random.default_rng(seed)
    X = np.einsum("ia,ja,ka->ijk", *(rng.random((d, 3)) for d in SHAPE))
    observed = rng.random(SHAPE) < 0.4
    index = np.array(np.nonzero(observed))
    return X, observed, (index, X[tuple(index)], SHAPE)


def options(name):
    """Return the options for a sparse tensor, and the same ones for a dense tensor."""
    X, observed, _ = problem()
    rng = np.random.default_rng(1)
    of_samples, of_mode, large = rng.random(SHAPE[0]), rng.random((1, SHAPE[1], 1)), X > 0.8
    return {
        "stored": ({"mask": "stored"}, {"mask": observed}),
        "sparse mask": ({"mask": sparse.COO.from_numpy(large)}, {"mask": large}),
        "several": ({"mask": ("stored", sparse.COO.from_numpy(large))}, {"mask": observed & large}),
        "samples": ({"weights": of_samples}, {"weights": of_samples}),
        "a mode": ({"mask": "stored", "weights": of_mode}, {"mask": observed, "weights": of_mode}),
        "mask of a mode": ({"mask": of_mode > 0.3}, {"mask": of_mode > 0.3}),
        "sparse weights": ({"weights": sparse.COO.from_numpy(large * X)}, {"weights": large * X}),
    }[name]


NAMES = ["stored", "sparse mask", "several", "samples", "a mode", "mask of a mode", "sparse weights"]


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_products_agree_with_dense(rng, name):
    X, observed, entries = problem()
    of_sparse, of_dense = options(name)
    data, dense = hntf.as_data(entries, **of_sparse), hntf.as_data(X * observed, **of_dense)
    factors, others = ([rng.random((d, 2)) for d in SHAPE] for _ in range(2))
    close(data.norm_squared(), dense.norm_squared())
    np.testing.assert_array_equal(data.n_observed_by_sample, dense.n_observed_by_sample)
    for mode in range(3):
        close(data.mttkrp(factors, mode), dense.mttkrp(factors, mode))
        close(data.weights_mttkrp(factors, mode), dense.weights_mttkrp(factors, mode))
        gram, of_dense_gram = data.gram(factors, mode), dense.gram(factors, mode)
        close(gram.apply(factors[mode]), of_dense_gram.apply(factors[mode]))
        close(gram.formed(np.arange(3)), of_dense_gram.formed(np.arange(3)))
        gradient = gram.outer(factors[mode], others[mode])
        for a, b in zip(gram.pullback(gradient), of_dense_gram.pullback(gradient), strict=True):
            close(a, b)
    rows = np.array([3, 1, 7])
    close(data.take(rows).weights.of_samples(slice(None)), dense.take(rows).weights.of_samples(slice(None)))
    close(data.as_matrix().weights.of_samples(slice(None)), dense.weights.of_samples(slice(None)).reshape(SHAPE[0], -1))


MODELS = [
    hntf.NCPD(3, random_state=0, max_iter=30, tol=1e-3),
    hntf.NeuralNCPD((3, 2), random_state=0, max_iter=5),
    hntf.HierarchicalNCPD((3, 2), random_state=0, max_iter=30, n_init=1, tol=1e-3),
]

# With "several", too little is observed for hierarchies to end in the same minimum whatever the rounding.
CASES = [(model, name) for model in MODELS for name in NAMES if name != "several" or model is MODELS[0]]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "name"), CASES, ids=[f"{type(model).__name__}-{name}" for model, name in CASES])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fits_agree_with_dense(model, name):
    X, observed, entries = problem()
    of_sparse, of_dense = options(name)
    errors = model.fit(X * observed, **of_dense).reconstruction_err_
    model.fit(entries, **of_sparse)
    np.testing.assert_allclose(model.reconstruction_err_, errors, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model",
    [
        hntf.NCPD(3, random_state=0),
        hntf.NeuralNTF((3,), tol=1e-4, random_state=0),
        hntf.NTD((3, 3, 3), random_state=0),
        hntf.NeuralNTF(((3, 3),), random_state=0),
    ],
    ids=repr,
)
def test_what_is_not_stored_is_found_again(model):
    X, observed, entries = problem()
    model.fit(entries, mask="stored")
    hidden = sparse.COO.from_numpy(~observed)
    held_out = model.reconstruction_error(sparse.COO.from_numpy(X * ~observed), mask=hidden)
    assert held_out < 0.02
    as_zeros = type(model)(**{**model.get_params(), "random_state": 0}).fit(entries)
    assert as_zeros.reconstruction_err_[0] > 0.5


@pytest.mark.parametrize("value", [np.nan, np.inf, -9999.0, 1e300])
def test_what_is_hidden_is_never_looked_at(value):
    _, _, (index, values, shape) = problem()
    hidden = np.arange(len(values)) % 3 == 0
    seen = sparse.COO(index[:, ~hidden], np.ones((~hidden).sum(), bool), shape=shape)
    changed = np.where(hidden, value, values)
    model = hntf.NCPD(2, random_state=0, max_iter=5)
    with pytest.warns(UserWarning, match="max_iter"):
        expected = model.fit((index, values, shape), mask=seen).codes_[0]
    with pytest.warns(UserWarning, match="max_iter"):
        np.testing.assert_array_equal(model.fit((index, changed, shape), mask=seen).codes_[0], expected)
    if np.isnan(value):
        hntf.as_data((index, changed, shape), mask="nan")


def test_weights_below_a_mask_may_be_anything():
    _, _, (index, values, shape) = problem()
    hidden = np.arange(len(values)) % 3 == 0
    seen = sparse.COO(index[:, ~hidden], np.ones((~hidden).sum(), bool), shape=shape)
    expected = hntf.as_data((index, values, shape), mask=seen, weights=(index, 1 + values, shape)).norm_squared()
    weights = (index, np.where(hidden, np.nan, 1 + values), shape)
    data = hntf.as_data((index, values, shape), mask=seen, weights=weights)
    assert data.norm_squared() == pytest.approx(expected, rel=1e-14)
    with pytest.raises(ValueError, match="weights"):
        hntf.as_data((index, values, shape), weights=weights)


def test_what_is_not_taken_is_named():
    X, observed, entries = problem()
    with pytest.raises(TypeError, match="16777216 entries"):
        hntf.NTD((2, 2, 2)).fit(([[0, 1], [0, 1], [0, 9999]], [1.0, 2.0], (2, 10_000, 10_000)), mask="stored")
    with pytest.raises(TypeError, match="must be a sparse tensor"):
        hntf.NCPD(2).fit(entries, mask=observed[:1])
    with pytest.raises(ValueError, match="hold only True and False"):
        hntf.NCPD(2).fit(entries, mask=2.0 * observed)
    with pytest.raises(ValueError, match="Negative values in data: weights"):
        hntf.NCPD(2).fit(entries, weights=-1.0 * observed)
    with pytest.raises(TypeError, match=r"blocks of sparse tensors as sparse\.COO"):
        hntf.NCPD(2).fit([entries, entries])
    with pytest.raises(ValueError, match="'stored'"):
        hntf.NCPD(2).fit(entries, mask="all")
    with pytest.raises(ValueError, match="observed"):
        hntf.NCPD(2).fit(entries, mask=sparse.COO.from_numpy(X > 1e9))
    with pytest.raises(ValueError, match="shape"):
        hntf.NCPD(2).fit(entries, mask=sparse.COO.from_numpy(observed[:-1]))


def test_dense_masks_and_weights_are_those_of_their_entries():
    X, observed, entries = problem()
    weights = np.where(np.median(X) < X, 2.0, 0.5)
    as_entries = sparse.COO.from_numpy(observed), sparse.COO.from_numpy(weights)
    for mask, of_weights in ((observed, None), (None, weights), (observed, np.where(observed, weights, np.nan))):
        given = as_entries[0] if mask is not None else None, as_entries[1] if of_weights is not None else None
        found = hntf.NCPD(2, random_state=0, max_iter=20).fit(entries, mask=mask, weights=of_weights)
        expected = hntf.NCPD(2, random_state=0, max_iter=20).fit(entries, mask=given[0], weights=given[1])
        assert found.reconstruction_err_ == pytest.approx(expected.reconstruction_err_, rel=1e-10)


def test_a_hold_out_goes_with_masks_of_every_kind():
    X, observed, entries = problem()
    of_samples = np.arange(SHAPE[0]) % 3 > 0
    hold_out = hntf.HoldOut(0.3)
    dense = np.where(observed, X, 0.0)
    for masks, expected in (
        ((hold_out, of_samples), dense[of_samples]),
        (("stored", of_samples, hold_out), dense[of_samples]),
        ((hold_out, sparse.COO.from_numpy(observed)), dense),
    ):
        kept = hold_out.of_shape(SHAPE)[of_samples if of_samples is masks[1] else slice(None)]
        np.testing.assert_allclose(hntf.as_data(entries, mask=masks).norm_squared(), (expected[kept] ** 2).sum())


@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.float16, bool])
def test_values_at_the_same_place_add_up_in_any_type(shape, dtype):
    index = np.zeros((len(shape), 3), int)
    values = np.array([100, 100, 100]).astype(dtype)
    total = float(values.astype(float).sum())
    assert hntf.as_data((index, values, shape)).norm_squared() == total**2


def test_nested_tuples_of_numbers_are_an_array():
    for nested in (((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), ((1, 2), (3, 4), (5, 6))):
        assert hntf.as_data(nested).shape == (3, 2)


@pytest.mark.parametrize("mask", [None, "stored", np.arange(12) > 3])
@pytest.mark.parametrize(("value", "word"), [(-1.0, "Negative"), (np.nan, "NaN"), (np.inf, "infinite")])
def test_bad_weights_are_named_beside_any_mask(mask, value, word):
    _, _, entries = problem()
    for shape in ((12,), (1, 10, 1)):
        weights = np.ones(shape)
        weights.flat[5] = value
        with pytest.raises(ValueError, match=f"{word}.*weights|weights.*{word}"):
            hntf.as_data(entries, mask=mask, weights=weights)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_stacked_blocks_are_those_of_all_samples(rng, name):
    _, _, entries = problem()
    weights = hntf.as_data(entries, **options(name)[0]).weights
    blocks = [weights.take(np.arange(start, stop)) for start, stop in ((0, 5), (5, 6), (6, 12))]
    stacked = weights.stacked(blocks)
    close(stacked.of_samples(slice(None)), weights.of_samples(slice(None)))
    factors, others = ([rng.random((d, 2)) for d in SHAPE] for _ in range(2))
    for a, b in zip(
        stacked.products(factors, others, [0, 1, 2]), weights.products(factors, others, [0, 1, 2]), strict=True
    ):
        close(a, b)


def test_blocks_with_and_without_weights_of_low_rank_are_stacked():
    _, _, entries = problem()
    blocks = [hntf.as_data(entries, **options(name)[0]).weights for name in ("stored", "sparse mask", "samples")]
    stacked = blocks[0].stacked(blocks)
    close(stacked.of_samples(slice(None)), np.concatenate([block.of_samples(slice(None)) for block in blocks]))
    others = hntf.as_data(entries, weights=np.arange(1.0, 9).reshape(1, 1, 8)).weights
    with pytest.raises(ValueError, match="features of a sparse tensor X must be the same"):
        others.stacked([others, blocks[2]])
