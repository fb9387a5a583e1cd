import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import estimator_checks_generator

import hntf
from hntf.datasets import make_hierarchical_blocks

MATRIX_METHODS = {
    "NMF": hntf.NMF(3, random_state=0),
    "NMF-hals": hntf.NMF(3, solver="hals", random_state=0),
    "NMF-mu": hntf.NMF(3, solver="mu", random_state=0),
    "NMF-kl": hntf.NMF(3, solver="mu", loss="kullback-leibler", random_state=0),
    "SSNMF": hntf.SSNMF(3, random_state=0),
    "SSNMF-kl": hntf.SSNMF(
        3, solver="mu", loss="kullback-leibler", supervision_loss="kullback-leibler", random_state=0
    ),
    "HierarchicalNMF": hntf.HierarchicalNMF((3, 2), random_state=0),
    "DeepNMF": hntf.DeepNMF((3, 2), random_state=0),
    "DeepNMF-pooled": hntf.DeepNMF((4, 2), pooling="max", activation="sqrt", max_iter=100, random_state=0),
    "DeepSemiNMF": hntf.DeepSemiNMF((3, 2), random_state=0),
    "UnfoldedNMF": hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, max_iter=50, random_state=0),
    "UnfoldedNMF-kl": hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, beta=1, max_iter=50, random_state=0),
    "MultilayerSparseCoding": hntf.MultilayerSparseCoding((5, 2), max_iter=50, random_state=0),
    "NeuralNMF-penalties": hntf.NeuralNMF(
        (3, 2), code_l1=0.1, code_l2=0.1, factor_l1=0.1, factor_l2=0.1, max_iter=50, random_state=0
    ),
    "NeuralNMF-simplex": hntf.NeuralNMF(
        (3, 2), simplex=True, volume_weight=1e-3, loss="layer-centric", max_iter=50, random_state=0
    ),
    "NeuralNMF-batches": hntf.NeuralNMF((3, 2), batch_size=10, max_iter=10, random_state=0),
}
SUPERVISED = [
    "SSNMF",
    "SSNMF-kl",
    "HierarchicalNMF",
    "DeepNMF",
    "UnfoldedNMF",
    "MultilayerSparseCoding",
    "NeuralNMF-penalties",
]
SCALE_FREE = [name for name in MATRIX_METHODS if name not in ("DeepNMF-pooled", "NeuralNMF-penalties")]
"""Those whose model does not depend on the unit of the data: no nonlinear activation, no absolute penalty."""
WEIGHTED = [name for name in MATRIX_METHODS if name != "DeepSemiNMF"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def blocks():
    return make_hierarchical_blocks(random_state=0)


@pytest.fixture(params=list(MATRIX_METHODS))
def method(request):
    return clone(MATRIX_METHODS[request.param])


def small(seed=0, shape=(25, 9)):
    return np.random.default_rng(seed).random(shape)


def test_the_common_interface(method):
    X = small()
    model = method.fit(X)
    levels = len(model.codes_)
    assert len(model.components_) == len(model.reconstruction_err_) == levels
    for level in range(levels):
        S = model.transform(X, level=level)
        k = model.components_[level].shape[0]
        assert S.shape == model.codes_[level].shape == (25, k)
        assert model.components_[level].shape == (k, 9)
        assert np.all(np.isfinite(S))
        assert S.min() >= 0
        assert model.inverse_transform(S, level=level).shape == X.shape
    assert len(model.get_feature_names_out()) == S.shape[1]
    assert model.n_iter_ >= 1
    assert len(model.history_["loss"]) >= 1
    assert set(model.sparsity_) == {"codes", "factors"}
    again = clone(method).fit(X)
    np.testing.assert_array_equal(again.codes_[-1], model.codes_[-1])
    loaded = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))


def test_sparse_data_and_tensors(method):
    X = small() * (small(1) < 0.6)
    expected = clone(method).fit(X).reconstruction_err_
    np.testing.assert_allclose(clone(method).fit(scipy.sparse.csr_matrix(X)).reconstruction_err_, expected, rtol=2e-2)
    model = clone(method).fit(torch.tensor(X))
    np.testing.assert_allclose(model.reconstruction_err_, expected, rtol=2e-2)
    single = clone(method).fit(torch.tensor(X, dtype=torch.float32))
    for part in (single.factors_, single.codes_, [single.transform(torch.tensor(X, dtype=torch.float32))]):
        assert all(x.dtype == torch.float32 for x in part)
    # A model fitted on one backend serves the other.
    np.testing.assert_allclose(model.transform(X), np.asarray(model.transform(torch.tensor(X))), atol=1e-8)


@pytest.mark.parametrize("name", WEIGHTED)
def test_hidden_samples_and_features(name):
    X, observed = small(), np.ones((25, 9), bool)
    observed[3], observed[:, 4] = False, False
    model = clone(MATRIX_METHODS[name]).fit(X, mask=observed)
    assert all(np.isfinite(np.asarray(S)).all() for S in [*model.codes_, *model.components_])
    # What is hidden has no say, whatever it is.
    X[~observed] = 1e3
    other = clone(MATRIX_METHODS[name]).fit(X, mask=observed)
    np.testing.assert_allclose(other.reconstruction_err_, model.reconstruction_err_, rtol=1e-6)
    if "NMF" in name and "kl" not in name and "DeepNMF" not in name and "Unfolded" not in name:
        np.testing.assert_array_equal(model.codes_[0][3], 0.0)
        assert np.abs(model.components_[0][:, 4]).max() <= 0.12 * np.abs(model.components_[0]).max()


def test_degenerate_data(method):
    X = small()
    X[:, 2] = X[:, 3]
    X[5], X[:, 0] = 0.0, 0.0
    for Z in (X, np.zeros((6, 5)), np.ones((6, 5)), small(0, (4, 3))):
        model = clone(method).fit(Z)
        assert all(np.isfinite(S).all() for S in [*model.codes_, *model.components_])
        assert np.isfinite(model.reconstruction_err_).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("name", SCALE_FREE)
def test_extreme_data(name, scale):
    X, method = small(), MATRIX_METHODS[name]
    expected = clone(method).fit(X).reconstruction_err_
    model = clone(method).fit(X * scale)
    np.testing.assert_allclose(model.reconstruction_err_, expected, rtol=1e-2)
    rebuilt = np.asarray(model.inverse_transform(model.transform(X * scale))) / scale
    np.testing.assert_allclose(np.linalg.norm(X - rebuilt), expected[-1] * np.linalg.norm(X), rtol=0.1)


@pytest.mark.parametrize("name", SUPERVISED)
def test_labels(blocks, name):
    y = np.array(["left", "right"])[blocks.supergroups]
    given = y.astype(object)
    given[::3] = -1
    model = clone(MATRIX_METHODS[name]).fit(blocks.X, given)
    assert model.score(blocks.X, y) == 1.0
    assert set(model.predict(blocks.X)) == {"left", "right"}
    assert model.classifier_.shape == (model.codes_[-1].shape[1], 2)
    assert model.decision_function(blocks.X).shape == (90, 2)
    # Only a label mask tells what is known here.
    masked = clone(MATRIX_METHODS[name]).fit(blocks.X, y, label_mask=np.arange(90) % 3 > 0)
    np.testing.assert_allclose(masked.reconstruction_err_, model.reconstruction_err_)
    soft = clone(MATRIX_METHODS[name]).fit(blocks.X, np.eye(2)[blocks.supergroups])
    assert soft.score(blocks.X, blocks.supergroups) == 1.0
    if hasattr(model, "predict_proba"):
        shares = model.predict_proba(blocks.X)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        assert shares.min() >= 0
        np.testing.assert_array_equal(model.classes_[shares.argmax(axis=1)], model.predict(blocks.X))
    # A class that was never seen is an error; a refit without labels forgets them.
    unseen = y.copy()
    unseen[:9] = "up"
    assert model.score(blocks.X, unseen) == pytest.approx(0.9)
    assert not hasattr(model.fit(blocks.X), "classifier_")


@pytest.mark.parametrize("name", SUPERVISED)
def test_bad_labels_are_named(name):
    X, model = small(), clone(MATRIX_METHODS[name])
    for y, words in (
        ([0, 1], "y must have shape"),
        (np.full((25, 2), -0.5), "Negative"),
        ([-1] * 25, "at least one known label"),
    ):
        with pytest.raises(ValueError, match=words):
            model.fit(X, y)
    with pytest.raises(ValueError, match="label_mask must have shape"):
        model.fit(X, [0, 1] * 12 + [0], label_mask=[True])
    with pytest.raises(ValueError, match="label_mask must be None"):
        model.fit(X, label_mask=[True] * 25)
    model.fit(X, [0, 1] * 12 + [0])
    with pytest.raises(ValueError, match="y must hold one class a sample"):
        model.score(X, [0, 1])
    with pytest.raises(ValueError, match="at least one known label"):
        model.score(X, [-1] * 25)


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


def test_bad_data_are_named(method):
    with pytest.raises(ValueError, match="order 2"):
        method.fit(np.ones((3, 3, 3)))
    with pytest.raises(ValueError, match="NaN"):
        method.fit(np.full((3, 3), np.nan))
    if not isinstance(method, hntf.DeepSemiNMF | hntf.MultilayerSparseCoding):
        with pytest.raises(ValueError, match="Negative values"):
            method.fit(-np.ones((3, 3)))


def test_data_of_any_sign(rng):
    X = rng.standard_normal((30, 8))
    assert hntf.DeepSemiNMF(6, random_state=0).fit(X).reconstruction_err_[0] < 0.8
    assert hntf.MultilayerSparseCoding(6, random_state=0).fit(X).reconstruction_err_[0] < 0.8
    with pytest.raises(ValueError, match="mask and weights must be None"):
        hntf.DeepSemiNMF(2).fit(X, weights=np.ones(X.shape))


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
        return 0.5 * np.sum((X - S @ A.T) ** 2) + 0.3 * S.sum() + 0.1 * np.sum(S**2) + 0.25 * np.sum(A**2)

    assert cost(one) < 1.02 * cost(other)
    plain, sparse = (
        hntf.NMF(3, code_l1=l1, factor_l2=0.1, random_state=0).fit(X).sparsity_["codes"][0] for l1 in (0.0, 1.0)
    )
    assert sparse > plain


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
    assert [str(warning.message)[:29] for warning in caught] == ["the fit stopped after 2 sweep"]
    assert caught[0].category is ConvergenceWarning


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(MATRIX_METHODS))
def test_scikit_learn_conventions(name):
    for estimator, check in estimator_checks_generator(clone(MATRIX_METHODS[name]).set_params(max_iter=20)):
        # That one check runs only where SciPy was imported in its array API mode.
        if check.func.__name__ != "check_array_api_input":
            check(estimator)


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


def test_small_batches_keep_the_classifier(rng):
    """Batches without some of the classes, smaller than the number of components, do not spoil what was learned."""
    y = rng.integers(0, 5, 200)
    topics = rng.random((5, 20)) * (rng.random((5, 20)) < 0.4)
    X = (np.eye(5)[y] * (1 + rng.random((200, 1))) + 0.1 * rng.random((200, 5))) @ topics
    for loss in ("squared", "cross_entropy"):
        model = hntf.NeuralNMF(5, supervision_loss=loss, random_state=0).partial_fit(X, y)
        for start in range(0, 200, 4):
            model.partial_fit(X[start : start + 4], y[start : start + 4])
        assert model.score(X, y) > 0.95


def test_a_stream_may_start_without_labels():
    X, y = small(), np.arange(25) % 3
    model = hntf.NeuralNMF((3, 2), random_state=0).partial_fit(X[:10], classes=[0, 1, 2])
    assert not hasattr(model, "classifier_")
    assert model.partial_fit(X[10:], y[10:]).classifier_.shape == (2, 3)
    for classes in ([], [0, -1]):
        with pytest.raises(ValueError, match="classes must name"):
            hntf.NeuralNMF((3, 2)).partial_fit(X, y, classes=classes)


def test_penalised_starts_have_the_scale_of_the_penalties():
    X = small()
    expected = hntf.NMF(3, code_l1=0.1, factor_l2=0.1, random_state=0).fit(X).reconstruction_err_
    for c in (0.01, 100.0):
        model = hntf.NMF(3, code_l1=0.1 * c, factor_l2=0.1 * c * c, random_state=0).fit(c * X)
        np.testing.assert_allclose(model.reconstruction_err_, expected, rtol=1e-2)
    for model in (hntf.NMF(3, code_l1=0.1), hntf.NeuralNMF((3,), code_l2=0.1)):
        with pytest.raises(ValueError, match="with penalties"):
            model.fit(X * 1e60)


def test_no_weight_still_tells_classes(blocks):
    for model in (hntf.SSNMF(9, supervision_weight=0.0), hntf.HierarchicalNMF((9, 4), supervision_weight=0.0)):
        assert model.set_params(random_state=0).fit(blocks.X, blocks.groups).score(blocks.X, blocks.groups) > 0.9


def test_the_code_of_a_sample_does_not_depend_on_others():
    X = small()
    model = hntf.DeepNMF((4, 2), activation="log1p", max_iter=100, random_state=0).fit(X)
    together = model.transform(np.concatenate([X, 1e3 * X]))[:25]
    np.testing.assert_allclose(model.transform(X), together, rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2.0**-540, 2.0**540])
@pytest.mark.parametrize("name", ["SSNMF", "HierarchicalNMF", "UnfoldedNMF", "MultilayerSparseCoding"])
def test_labels_of_extreme_data(blocks, name, scale):
    model = clone(MATRIX_METHODS[name]).fit(blocks.X * scale, blocks.supergroups)
    assert model.score(blocks.X * scale, blocks.supergroups) == 1.0


def test_prediction_with_missing_entries(blocks):
    X = blocks.X.copy()
    X[::7, ::5] = np.nan
    for model in (hntf.SSNMF(9), hntf.NeuralNMF((9, 4))):
        model.set_params(random_state=0).fit(X, blocks.groups, mask="nan")
        assert model.score(X, blocks.groups, mask="nan") == 1.0
        assert model.score(X, blocks.groups[:, None], mask="nan") == 1.0


def test_sparsity_of_unfolded_updates_holds_the_dictionaries():
    model = hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, sparsity=0.1, random_state=0).fit(small())
    for A in model.factors_:
        np.testing.assert_allclose(A.sum(axis=0), 1.0)
    assert model.reconstruction_err_[0] < 0.5
