import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf.datasets import make_hierarchical_blocks

"""Those whose model does not depend on the unit of the data: no nonlinear activation, no absolute penalty."""

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def blocks():
    return make_hierarchical_blocks(random_state=0)


def small(seed=0, shape=(25, 9)):
    return np.random.default_rng(seed).random(shape)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (hntf.NMF(0), "n_components"),
        (hntf.NMF(2, solver="cd"), "solver"),
        (hntf.NMF(2, loss="is"), "loss"),
        (hntf.NMF(2, loss="kullback-leibler"), "solver must be 'mu'"),
        (hntf.NMF(2, init="best"), "init"),
        (hntf.NMF(2, code_l1=-1.0), "code_l1"),
        (hntf.SSNMF(2, supervision_loss="kullback-leibler"), "solver must be 'mu'"),
        (hntf.SSNMF(2, supervision_weight=-1.0), "supervision_weight"),
        (hntf.HierarchicalNMF((2, 3)), "must not grow"),
        (hntf.HierarchicalNMF((3, 2), supervision_level=2), "supervision_level"),
        (hntf.DeepNMF((3, 2), pooling="max"), "pool_size must divide"),
        (hntf.DeepNMF((3, 2), activation="relu"), "activation"),
        (hntf.UnfoldedNMF(2, n_steps=2, n_untied=3), "n_untied"),
        (hntf.UnfoldedNMF(2, beta=3), "beta"),
        (hntf.MultilayerSparseCoding((3, 0)), "each rank"),
        (hntf.MultilayerSparseCoding((3, 2), loss="layer-centric"), "loss"),
        (hntf.NeuralNMF((3, 2), supervision_loss="hinge"), "supervision_loss"),
        (hntf.NeuralNMF((3, 2), volume_delta=0.0), "volume_delta"),
        (hntf.NeuralNMF((3, 2), factor_l2=-1.0), "factor_l2"),
    ],
)
def test_bad_parameters_are_named(model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(small())


def test_data_of_any_sign(rng):
    X = rng.standard_normal((30, 8))
    assert hntf.DeepSemiNMF(6, random_state=0).fit(X).reconstruction_err_[0] < 0.8
    assert hntf.MultilayerSparseCoding(6, random_state=0).fit(X).reconstruction_err_[0] < 0.8


def test_hidden_entries_of_data_of_any_sign(rng):
    X = np.maximum(rng.standard_normal((60, 3)), 0.0) @ rng.standard_normal((3, 20))
    observed = rng.random(X.shape) < 0.8
    model = hntf.DeepSemiNMF(3, max_iter=3000, random_state=0).fit(X, mask=observed)
    assert np.all(np.diff(model.history_["loss"]) <= 1e-12)
    guess = model.inverse_transform(model.codes_[0])
    assert np.linalg.norm((guess - X)[~observed]) < 0.01 * np.linalg.norm(X[~observed])


@pytest.mark.parametrize("model", [hntf.NMF(9), hntf.NMF(9, solver="hals"), hntf.SSNMF(9), hntf.UnfoldedNMF(9)])
def test_planted_factors_are_recovered(blocks, model):
    topics = clone(model).set_params(random_state=0).fit(blocks.X).components_[0]
    # Every class has a topic of its own: the one that most of its samples weigh most.
    clean = make_hierarchical_blocks(noise=0.0).X
    planted = np.array([clean[blocks.classes == c].mean(axis=0) for c in range(9)])
    error = np.linalg.norm(planted - hntf.nnls(topics.T, planted.T).T @ topics) / np.linalg.norm(planted)
    assert error < 0.03


def test_penalised_codes_are_exact(rng):
    X = small()
    for model in (
        hntf.NMF(3, code_l1=0.3, code_l2=0.2, factor_l2=0.5, random_state=0),
        hntf.NeuralNMF((3,), code_l1=0.3, code_l2=0.2, factor_l2=0.5, random_state=0),
    ):
        (A,) = model.fit(X).factors_
        np.testing.assert_allclose(model.transform(X), hntf.nnls(A, X.T, l1=0.3, l2=0.2).T, atol=1e-9)
    # Both minimise the same function.
    one, other = (
        m.factors_[0] for m in (model, hntf.NMF(3, code_l1=0.3, code_l2=0.2, factor_l2=0.5, random_state=0).fit(X))
    )

    def cost(A):
        S = hntf.nnls(A, X.T, l1=0.3, l2=0.2).T
        return 0.5 * np.sum((X - S @ A.T) ** 2) + 0.3 * S.sum() + 0.1 * np.sum(S**2) + len(X) * 0.25 * np.sum(A**2)

    assert cost(one) < 1.02 * cost(other)
    plain, sparse = (
        hntf.NMF(3, code_l1=l1, factor_l2=0.1, random_state=0).fit(X).sparsity_["codes"][0] for l1 in (0.0, 1.0)
    )
    assert sparse > plain


@pytest.mark.slow
def test_the_simplex_and_small_volumes(blocks):
    models = [
        hntf.NeuralNMF((9, 4), simplex=True, volume_weight=weight, loss=loss, random_state=0).fit(blocks.X)
        for weight, loss in ((0.0, "energy"), (0.001, "energy"))
    ]
    options = {"simplex": True, "loss": "layer-centric", "level_weights": (1.0, 0.1), "random_state": 0}
    models.append(hntf.NeuralNMF((9, 4), **options).fit(blocks.X))
    for model in models:
        for A in model.factors_:
            np.testing.assert_allclose(A.sum(axis=0), 1.0, atol=1e-9)
    assert models[0].reconstruction_err_[0] < 0.03
    assert models[2].reconstruction_err_[0] < 0.03
    volumes = [np.linalg.slogdet(m.factors_[0].T @ m.factors_[0] + 0.01 * np.eye(9))[1] for m in models]
    assert volumes[1] < volumes[0]


def test_data_centric_is_energy(blocks):
    one, other = (
        hntf.NeuralNMF((4, 2), loss=name, random_state=0).fit(blocks.X) for name in ("energy", "data-centric")
    )
    np.testing.assert_array_equal(one.factors_[0], other.factors_[0])


def test_unexpected_iterations_are_told(blocks):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hntf.NMF(9, solver="mu", max_iter=2).fit(blocks.X)
    # Ten sweeps screened the start.
    assert [str(warning.message)[:33] for warning in caught] == ["the fit stopped after 12 iteratio"]
    assert caught[0].filename == __file__
    assert caught[0].category is ConvergenceWarning


@pytest.mark.slow
def test_table_1():
    """Within 2 % of the bound in all nine cells, and accuracy 1.00 in all six with labels, in the median of five seeds."""
    from benchmarks.table1 import known_labels

    X, *labels = make_hierarchical_blocks(random_state=1)
    squares = np.linalg.svd(X, compute_uv=False) ** 2
    for depth, y in enumerate(labels, start=1):
        ranks = (9, 4, 2)[:depth]
        bound = np.sqrt(squares[ranks[-1] :].sum() / squares.sum())
        for share in (0.0, 0.4, 1.0):
            fits = [
                hntf.NeuralNMF(ranks, random_state=seed).fit(X, known_labels(y, share, seed) if share else None)
                for seed in range(5)
            ]
            assert np.median([fit.reconstruction_err_[-1] for fit in fits]) < 1.02 * bound
            assert not share or np.median([fit.score(X, y) for fit in fits]) == 1.0


def test_penalised_starts_have_the_scale_of_the_penalties():
    X = small()
    expected = hntf.NMF(3, code_l1=0.1, factor_l2=0.1, random_state=0).fit(X).reconstruction_err_
    for c in (0.01, 100.0):
        model = hntf.NMF(3, code_l1=0.1 * c, factor_l2=0.1 * c * c, random_state=0).fit(c * X)
        np.testing.assert_allclose(model.reconstruction_err_, expected, rtol=1e-2)
    for model in (hntf.NMF(3, code_l1=0.1), hntf.NeuralNMF((3,), code_l2=0.1)):
        with pytest.raises(ValueError, match="with penalties"):
            model.fit(X * 1e60)


def test_the_code_of_a_sample_does_not_depend_on_others():
    X = small()
    model = hntf.DeepNMF((4, 2), activation="log1p", max_iter=100, random_state=0).fit(X)
    together = model.transform(np.concatenate([X, 1e3 * X]))[:25]
    np.testing.assert_allclose(model.transform(X), together, rtol=1e-6)


def test_sparsity_of_unfolded_updates_holds_the_dictionaries():
    model = hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, sparsity=0.1, random_state=0).fit(small())
    for A in model.factors_:
        np.testing.assert_allclose(A.sum(axis=0), 1.0)
    assert model.reconstruction_err_[0] < 0.5


def test_sparse_tensors_of_torch_are_refused_by_name():
    with pytest.raises(TypeError, match=r"X must be a dense tensor.*to_dense"):
        hntf.NMF(2).fit(torch.eye(5).to_sparse())
