import warnings

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from hntf import NeuralNMF
from hntf.datasets import make_hierarchical_blocks
from tests.problems import naive_level_errors, seeds

RANKS = (9, 4, 2)


def bound(X, ranks=RANKS):
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    return np.array([np.sqrt(squares[k:].sum() / squares.sum()) for k in ranks])


@pytest.fixture(scope="module")
def X():
    return make_hierarchical_blocks(random_state=0).X


@pytest.fixture(scope="module")
def model(X):
    return NeuralNMF(RANKS, random_state=0).fit(X)


@pytest.mark.parametrize("draw", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_reference_matrix_reaches_the_bound_on_all_levels(draw, seed):
    X = make_hierarchical_blocks(random_state=draw).X
    model = NeuralNMF(RANKS, random_state=seed).fit(X)
    assert np.all(model.reconstruction_err_ <= 1.01 * bound(X))


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(10, 13))
def test_reference_matrix_reaches_the_bound_from_every_seed(draw):
    X = make_hierarchical_blocks(random_state=draw).X
    for seed in range(15):
        assert np.all(NeuralNMF(RANKS, random_state=seed).fit(X).reconstruction_err_ <= 1.01 * bound(X))


def test_fitted_attributes(X):
    model = NeuralNMF(RANKS, level_weights=None, random_state=0).fit(X)
    assert [A.shape for A in model.factors_] == [(87, 9), (9, 4), (4, 2)]
    assert [S.shape for S in model.codes_] == [(90, 9), (90, 4), (90, 2)]
    assert [H.shape for H in model.components_] == [(9, 87), (4, 87), (2, 87)]
    errors = np.sqrt(naive_level_errors(X, model.factors_, model.codes_) / np.sum(X**2))
    np.testing.assert_allclose(model.reconstruction_err_, errors, rtol=1e-8)
    assert len(model.history_["loss"]) == len(model.history_["projected_gradient"]) == model.n_iter_ + 1
    np.testing.assert_allclose(model.history_["loss"][-1], np.sum(errors**2), rtol=1e-6)
    assert list(model.get_feature_names_out()) == ["neuralnmf0", "neuralnmf1"]


@pytest.mark.parametrize("level", [0, 1, 2, -1, -3])
def test_transform_and_inverse(X, model, level):
    S = model.transform(X, level=level)
    np.testing.assert_allclose(S, model.codes_[level], atol=1e-9)
    np.testing.assert_allclose(model.inverse_transform(S, level=level), S @ model.components_[level])
    np.testing.assert_allclose(model.transform(X[:3], level=level), S[:3], atol=1e-9)


def test_levels_trained_together_beat_level_by_level(X):
    sequential = NeuralNMF(RANKS, init="sequential", tol=1e9, random_state=0).fit(X)
    together = NeuralNMF(RANKS, init="sequential", random_state=0).fit(X)
    assert together.reconstruction_err_[-1] < sequential.reconstruction_err_[-1]


@pytest.mark.parametrize("kind", ["sparse", "torch", "float32", "list"])
def test_kinds_of_data_give_one_fit(X, model, kind):
    data = {
        "sparse": scipy.sparse.csr_matrix(X),
        "torch": torch.tensor(X),
        "float32": X.astype(np.float32),
        "list": X.tolist(),
    }[kind]
    other = NeuralNMF(RANKS, random_state=0).fit(data)
    np.testing.assert_allclose(other.reconstruction_err_, model.reconstruction_err_, rtol=1e-3)
    assert isinstance(other.codes_[0], torch.Tensor) == (kind == "torch")
    assert np.asarray(other.codes_[0]).dtype == (np.float32 if kind == "float32" else np.float64)
    # A model fitted on one backend transforms data of the other.
    np.testing.assert_allclose(other.transform(X), np.asarray(other.codes_[-1]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("solver", ["lbfgs", "projected_gradient", "sgd", "adam"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_every_solver_lowers_the_loss(X, solver):
    model = NeuralNMF(RANKS, solver=solver, init="nndsvdar", max_iter=100, random_state=0).fit(X)
    assert model.history_["loss"].min() < 0.5 * model.history_["loss"][0]


@pytest.mark.parametrize("init", ["levels", "sequential", "nndsvd", "nndsvda", "nndsvdar", "random"])
def test_every_start_by_name(init):
    X = make_hierarchical_blocks(random_state=3).X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = NeuralNMF((4, 2), init=init, max_iter=200, random_state=0).fit(X)
    assert np.all(model.reconstruction_err_ < 1.2 * bound(X, (4, 2)))


def test_of_several_starts_the_best_is_kept(X):
    options = {"init": "random", "max_iter": 20, "tol": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one = NeuralNMF(RANKS, random_state=0, **options).fit(X)
        many = NeuralNMF(RANKS, random_state=0, n_init=5, **options).fit(X)
    assert many.history_["loss"][-1] <= one.history_["loss"][-1]


def test_masked_entries_do_not_count():
    rng = np.random.default_rng(0)
    X = rng.random((30, 3)) @ rng.random((3, 12))
    observed = rng.random(X.shape) < 0.85
    spoiled = np.where(observed, X, 100.0)
    by_mask = NeuralNMF((3,), random_state=0).fit(spoiled, mask=observed)
    by_nan = NeuralNMF((3,), random_state=0).fit(np.where(observed, X, np.nan), mask="nan")
    for model in (by_mask, by_nan):
        filled = model.codes_[0] @ model.components_[0]
        assert np.linalg.norm(filled - X) < 0.05 * np.linalg.norm(X)


@given(seeds, st.tuples(st.integers(1, 9), st.integers(1, 9)), st.sampled_from([(9, 4, 2), (3,), (2, 2)]))
@settings(max_examples=25)
def test_degenerate_data_fit_without_nan(seed, shape, ranks):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 3, shape).astype(float) * (rng.random((shape[0], 1)) < 0.8) * (rng.random((1, shape[1])) < 0.8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = NeuralNMF(ranks, random_state=0, max_iter=30).fit(X)
    for part in (model.factors_, model.codes_, model.components_):
        assert all(np.isfinite(x).all() and (x >= 0).all() for x in part)
    assert np.isfinite(model.reconstruction_err_).all()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_extreme_scales(X, scale):
    model = NeuralNMF(RANKS, random_state=0).fit(X * scale)
    assert np.all(model.reconstruction_err_ <= 1.01 * bound(X))
    np.testing.assert_allclose(model.codes_[-1] @ model.components_[-1] / scale, X, atol=10)
    np.testing.assert_allclose(model.transform(X * scale), model.codes_[-1], rtol=1e-6, atol=1e-6 * scale)


def test_verbose_shows_progress(X, capsys):
    NeuralNMF((4, 2), random_state=0, verbose=True).fit(X)
    assert "loss=" in capsys.readouterr().err


def test_stopping_early_warns(X):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        NeuralNMF(RANKS, max_iter=1, tol=0.0).fit(X)


def test_tree(X, model):
    tree = model.tree([f"word{i}" for i in range(87)], n_words=3)
    assert len(tree.roots) == 2
    np.testing.assert_allclose(sum(root.share for root in tree.roots), 1.0)
    fine = [leaf for root in tree.roots for leaf in root.leaves()]
    assert sorted(leaf.index for leaf in fine if leaf.level == 1) == list(range(9))
    assert all(len(leaf.words) == 3 for leaf in fine)
    # The last class has the block of features 73 … 86 of its own.
    assert any(all(73 <= int(word[4:]) <= 86 for word in leaf.words) for leaf in fine)
    assert str(tree).count("\n") + 1 == 2 + 4 + 9


def test_the_tree_recovers_the_planted_hierarchy():
    blocks = make_hierarchical_blocks(random_state=0)
    tree = NeuralNMF(RANKS, random_state=0).fit(blocks.X).tree()
    groups = {frozenset(len(child.children) for child in root.children) for root in tree.roots}
    assert groups == {frozenset({2}), frozenset({2, 3})}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"n_components": 0}, ValueError, "at least 1"),
        ({"n_components": (2, 3)}, ValueError, "must not grow"),
        ({"n_components": (2.5,)}, TypeError, "integer"),
        ({"n_components": ()}, ValueError, "at least one level"),
        ({"n_components": "many"}, TypeError, "n_components"),
        ({"loss": "hinge"}, ValueError, "loss must be one of"),
        ({"init": "best"}, ValueError, "init must be one of"),
        ({"init": [np.ones((2, 2))] * 3}, ValueError, "init must hold 2 factors"),
        ({"init": [np.ones((2, 4)), np.ones((4, 2))]}, ValueError, r"init\[0\] must have shape"),
        ({"solver": "newton"}, ValueError, "solver must be one of"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"tol": -1.0}, ValueError, "tol must be at least 0"),
        ({"n_init": 1.5}, TypeError, "n_init must be an integer"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be greater"),
        ({"level_weights": [1.0]}, ValueError, "level_weights must have one entry"),
        ({"loss": "reconstruction", "level_weights": [1.0, 1.0]}, ValueError, "level_weights must be None"),
    ],
)
def test_bad_parameters_are_named(options, error, words):
    with pytest.raises(error, match=words):
        NeuralNMF(**{"n_components": (4, 2), **options}).fit(np.ones((6, 5)))


def test_bad_calls_are_named(X, model):
    with pytest.raises(NotFittedError):
        NeuralNMF().transform(X)
    with pytest.raises(ValueError, match="level must be an integer from -3 to 2"):
        model.transform(X, level=3)
    with pytest.raises(ValueError, match="features"):
        model.transform(X[:, :5])
    with pytest.raises(ValueError, match="S must have shape"):
        model.inverse_transform(np.ones((2, 3)))
    with pytest.raises(ValueError, match="feature_names must hold 87"):
        model.tree(["a"])


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_extreme_masked_data(scale):
    rng = np.random.default_rng(0)
    X, observed = rng.random((30, 12)), rng.random((30, 12)) < 0.9
    expected = NeuralNMF((3, 2), random_state=0).fit(X, mask=observed).reconstruction_err_
    model = NeuralNMF((3, 2), random_state=0).fit(X * scale, mask=observed)
    np.testing.assert_allclose(model.reconstruction_err_, expected, rtol=1e-2)


def test_bfloat16_tensors(X):
    model = NeuralNMF((4, 2), random_state=0).fit(torch.tensor(X).bfloat16())
    assert model.codes_[0].dtype == torch.bfloat16


def test_inverse_transform_takes_any_dtype_and_backend(X):
    model = NeuralNMF((4, 2), random_state=0).fit(torch.tensor(X, dtype=torch.float32))
    for S in (torch.ones(3, 2, dtype=torch.float64), torch.ones(3, 2, dtype=torch.int64), np.ones((3, 2))):
        result = model.inverse_transform(S)
        assert type(result) is type(S)
        np.testing.assert_allclose(
            np.asarray(result), np.asarray(model.components_[-1].sum(0)) * np.ones((3, 1)), rtol=1e-5
        )
