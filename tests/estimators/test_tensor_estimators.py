"""What all estimators for tensors share, held for each of them: attributes, results, new samples, kinds of data, bad input."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse
import tensorly
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import estimator_checks_generator

import hntf
from hntf import NCPD, NTD, HierarchicalNCPD, MultiHNTF, MultilayerNTF, NeuralNCPD, NeuralNTF
from hntf.datasets import make_hierarchical_tensor

MODELS = {
    "NCPD": NCPD(3, random_state=0),
    "NCPD hals": NCPD(3, solver="hals", init="random", random_state=0),
    "NTD": NTD((3, 2, 2), random_state=0),
    "NTD hals": NTD(2, solver="hals", init="random", random_state=0),
    "HierarchicalNCPD": HierarchicalNCPD((4, 2), n_init=2, random_state=0),
    "NeuralNCPD": NeuralNCPD((4, 3, 2), max_iter=100, n_init=2, random_state=0),
    "NeuralNCPD held": NeuralNCPD((4, 2), train_base=False, init="sequential", max_iter=100, n_init=1, random_state=0),
    "NeuralNCPD one level": NeuralNCPD(3, max_iter=100, random_state=0),
    "MultiHNTF": MultiHNTF((4, 2), n_init=2, random_state=0),
    "MultiHNTF by mode": MultiHNTF((4, 2), shared=False, train_base=True, max_iter=100, n_init=2, random_state=0),
    "MultilayerNTF": MultilayerNTF((4, 2), n_init=2, random_state=0),
    "MultilayerNTF last": MultilayerNTF((4, 2), lead_mode=-1, n_init=2, random_state=0),
    "NeuralNTF": NeuralNTF((4, 2), max_iter=100, random_state=0),
    "NeuralNTF Tucker": NeuralNTF(((3, 3), (2, 2)), max_iter=100, random_state=0),
    "NeuralNTF Tucker, dense": NeuralNTF(((3, 3), 4, 2), max_iter=100, random_state=0),
    "NeuralNTF one mode": NeuralNTF(((3,), (2,)), modes=[2], max_iter=100, random_state=0),
    "NeuralNTF all modes": NeuralNTF(((3, 3, 2), (2, 2, 2)), max_iter=100, random_state=0),
}
SUPERVISED = ["NeuralNCPD", "MultiHNTF", "NeuralNTF", "NeuralNTF Tucker", "NeuralNTF Tucker, dense"]
SHAPE = (9, 8, 7)


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    factors = [rng.random((d, 4)) * (rng.random((d, 4)) < 0.6) for d in SHAPE]
    return tensorly.cp_to_tensor((None, factors)) + 0.05 * rng.random(SHAPE)


@pytest.fixture(scope="module", params=list(MODELS))
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(MODELS[name]).fit(X)


def refit(name, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return clone(MODELS[name]).fit(X, **options)


def dense_level(model, level):
    """Return the dense tensor of a level by TensorLy, and None where the level is neither CP nor Tucker."""
    tucker = getattr(model, "modes_", None) or not hasattr(model, "cp_tensor")
    if not tucker:
        weights, factors = model.cp_tensor(level)
        return tensorly.cp_to_tensor((np.asarray(weights), [np.asarray(U) for U in factors]))
    if hasattr(model, "_network") and level >= len(model._network.tucker_ranks):
        return None
    core, factors = model.tucker_tensor(level)
    return tensorly.tucker_to_tensor((np.asarray(core), [np.asarray(U) for U in factors]))


def flat(nested):
    return [np.asarray(leaf) for x in nested for leaf in (flat(x) if isinstance(x, list) else [x])]


def test_reported_errors_are_those_of_the_results(X, model):
    for level, error in enumerate(model.reconstruction_err_):
        dense = dense_level(model, level)
        if dense is None:
            dense = model.inverse_transform(model.codes_[level], level=level)
        np.testing.assert_allclose(np.linalg.norm(X - dense) / np.linalg.norm(X), error, rtol=1e-7)


def test_everything_is_finite_and_nonnegative(model):
    for x in flat([model.factors_, model.codes_, model.components_]):
        assert np.isfinite(x).all()
        assert (x >= 0).all()
    assert model.n_iter_ >= 0


def test_transform_is_the_best_code_for_the_features(X, model):
    for level in range(len(model.reconstruction_err_)):
        S = model.transform(X[:4], level=level)
        basis = model.inverse_transform(np.eye(S.shape[1]), level=level).reshape(S.shape[1], -1)
        if not (isinstance(model, NeuralNTF) and level > 0 and 0 not in model.modes_):
            # A code of a network is a code of codes; all others solve for the features directly.
            expected = hntf.nnls(basis.T, X[:4].reshape(4, -1).T).T
            np.testing.assert_allclose(S @ basis, expected @ basis, atol=1e-7)
        back = model.inverse_transform(S, level=level)
        assert back.shape == X[:4].shape
        np.testing.assert_allclose(back.reshape(4, -1), S @ basis, atol=1e-10)


@pytest.mark.slow
def test_new_samples_one_by_one_give_the_same_codes(X, model):
    together = model.transform(X)
    assert together.shape == (SHAPE[0], len(model.get_feature_names_out()))
    np.testing.assert_allclose(np.concatenate([model.transform(x[None]) for x in X]), together, atol=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        np.testing.assert_allclose(clone(model).fit_transform(X), together, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_tensors_of_torch_and_other_dtypes_give_the_same_fit(name, X, model):
    for data in (torch.tensor(X), torch.tensor(X, dtype=torch.float32), X.astype(np.float32)):
        other = refit(name, data)
        np.testing.assert_allclose(other.reconstruction_err_, model.reconstruction_err_, rtol=1e-2)
        code = other.transform(data)
        assert type(code) is type(data)
        assert code.dtype == data.dtype
        assert type(flat_first(other.factors_)) is type(data)
        # A model fitted on one backend serves the other.
        np.testing.assert_allclose(other.transform(X), np.asarray(code), rtol=1e-2, atol=1e-2)


def flat_first(nested):
    return flat_first(nested[0]) if isinstance(nested, list) else nested


@pytest.mark.slow
def test_the_units_of_the_data_do_not_matter(name, X, model):
    for scale in (1e-150, 1e150):
        other = refit(name, scale * X)
        np.testing.assert_allclose(other.reconstruction_err_, model.reconstruction_err_, rtol=1e-2)
        dense = dense_level(other, 0) / scale
        np.testing.assert_allclose(
            np.linalg.norm(X - dense) / np.linalg.norm(X), other.reconstruction_err_[0], rtol=1e-6
        )
        code, expected = other.transform(scale * X), other.transform(X)
        np.testing.assert_allclose(
            other.inverse_transform(code) / scale, other.inverse_transform(expected), rtol=1e-6, atol=1e-9
        )


@pytest.mark.slow
def test_missing_entries(name, X, model):
    observed = np.random.default_rng(1).random(SHAPE) < 0.9
    missing = np.where(observed, X, np.nan)
    by_nan, by_mask = refit(name, missing, mask="nan"), refit(name, np.where(observed, X, 100.0), mask=observed)
    np.testing.assert_allclose(by_nan.reconstruction_err_, by_mask.reconstruction_err_, rtol=1e-6)
    assert by_nan.reconstruction_err_[0] <= 1.5 * model.reconstruction_err_[0] + 0.05
    # The codes of the training samples leave the missing entries out too.
    code = by_nan.transform(missing, mask="nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        np.testing.assert_allclose(clone(by_nan).fit_transform(missing, mask="nan"), code, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(by_mask.transform(np.where(observed, X, 1e3), mask=observed), code, rtol=1e-3, atol=1e-3)
    if name == "NeuralNTF one mode":
        # Three numbers for the seven of a fibre: too free to predict the missing ones.
        return
    # The missing entries are predicted better than by the mean of the observed ones.
    model_of_all = dense_level(by_nan, 0)
    assert np.sum((model_of_all - X)[~observed] ** 2) < np.sum((X[observed].mean() - X)[~observed] ** 2)


MATRIX_MODELS = [
    NCPD(3, random_state=0),
    NTD((4, 3), random_state=0),
    HierarchicalNCPD((4, 2), random_state=0),
    NeuralNCPD((4, 2), random_state=0),
    MultiHNTF((4, 2), random_state=0),
    MultilayerNTF((4, 2), random_state=0),
    NeuralNTF((4, 2), random_state=0),
    NeuralNTF(((4,), (2,)), random_state=0),
]


@pytest.mark.parametrize("model", MATRIX_MODELS, ids=str)
def test_a_sparse_matrix_gives_the_fit_of_the_dense_one(model):
    X = scipy.sparse.random(20, 12, 0.4, "csr", rng=np.random.default_rng(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        sparse, dense = clone(model).fit(X), clone(model).fit(X.toarray())
    np.testing.assert_allclose(sparse.reconstruction_err_, dense.reconstruction_err_, rtol=1e-3)
    np.testing.assert_allclose(sparse.transform(X), sparse.transform(X.toarray()), atol=1e-8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("model", MATRIX_MODELS, ids=str)
def test_scikit_learn_conventions(model):
    for estimator, check in estimator_checks_generator(clone(model).set_params(max_iter=20, n_init=1)):
        # That one check runs only where SciPy was imported in its array API mode.
        if check.func.__name__ != "check_array_api_input":
            check(estimator)


@pytest.mark.slow
def test_weights_of_one_change_nothing(name, X, model):
    weighted = refit(name, X, weights=np.ones(SHAPE))
    np.testing.assert_allclose(weighted.reconstruction_err_, model.reconstruction_err_, rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "data", [np.zeros(SHAPE), np.eye(9)[:, :8, None] * np.ones(7), np.ones((1, 1, 1)), np.ones((2, 9, 1))]
)
def test_degenerate_data(name, data):
    model = refit(name, data)
    for x in flat([model.factors_, model.codes_, model.components_, [model.reconstruction_err_]]):
        assert np.isfinite(x).all()
    assert np.isfinite(model.transform(data)).all()


def test_one_seed_gives_one_fit_and_pickles(name, X, model):
    again = refit(name, X)
    np.testing.assert_array_equal(again.reconstruction_err_, model.reconstruction_err_)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.transform(X), model.transform(X))


def test_not_fitted(name, X):
    with pytest.raises(NotFittedError):
        clone(MODELS[name]).transform(X)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda X: -X, ValueError, "Negative values in data"),
        (lambda X: X[:, :, 0] * np.nan, ValueError, "X contains NaN"),
        (lambda X: X[0, 0], ValueError, "order 2 or more"),
        (lambda X: X + 1j, ValueError, "Complex"),
        (lambda X: X[:0], ValueError, "empty axis"),
    ],
)
def test_bad_data_is_named(name, X, change, error, words):
    with pytest.raises(error, match=words):
        clone(MODELS[name]).fit(change(X))


def test_bad_calls_are_named(X, model):
    with pytest.raises(ValueError, match=r"as in fit|expecting|n_features"):
        model.transform(X[:, :5])
    with pytest.raises(ValueError, match="as in fit"):
        model.transform(X[:, :, :5])
    with pytest.raises(ValueError, match="level must be an integer"):
        model.transform(X, level=7)
    with pytest.raises(ValueError, match="S must have shape"):
        model.inverse_transform(np.ones((2, 11)))


@pytest.mark.slow
@pytest.mark.parametrize("name", SUPERVISED)
def test_labels_of_samples(name):
    data = make_hierarchical_tensor(noise=0.1, random_state=0)
    y = data.supergroups.copy()
    y[::3] = -1
    model = refit(name, data.X, y=y)
    assert model.classes_.tolist() == [0, 1]
    assert model.score(data.X, data.supergroups) == 1.0
    assert model.decision_function(data.X[:3]).shape == (3, 2)
    tensor = refit(name, torch.tensor(data.X), y=torch.tensor(y))
    assert tensor.score(torch.tensor(data.X), data.supergroups) == 1.0
    assert model.score(data.X, np.where(y == -1, -1, data.supergroups)) == 1.0
    unsupervised = model.fit(data.X)
    with pytest.raises(NotFittedError):
        unsupervised.predict(data.X)


@pytest.mark.slow
@pytest.mark.parametrize("name", SUPERVISED)
def test_cross_entropy_and_label_masks(name):
    data = make_hierarchical_tensor(noise=0.1, random_state=0)
    y, known = np.array(["left", "right"])[data.supergroups], np.arange(40) % 3 > 0
    fits = []
    for given, mask in ((np.where(known, y, None), None), (y, known)):
        model = clone(MODELS[name]).set_params(supervision_loss="cross_entropy")
        fits.append(model.fit(data.X, given, label_mask=mask))
    for model in fits:
        assert model.score(data.X, y) == 1.0
        shares = model.predict_proba(data.X)
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)
        np.testing.assert_array_equal(model.classes_[shares.argmax(axis=1)], y)
    np.testing.assert_allclose(fits[0].classifier_, fits[1].classifier_)
    for level in range(2):
        model = clone(MODELS[name]).set_params(supervision_level=level, supervision_loss="cross_entropy")
        assert model.fit(data.X, data.supergroups).score(data.X, data.supergroups) == 1.0


def test_supervision_lowers_the_error_of_the_labels():
    data = make_hierarchical_tensor(noise=0.1, random_state=0)
    Y = np.eye(2)[np.random.default_rng(0).integers(0, 2, 40)]
    errors = []
    for weight in (0.0, 1.0):
        model = NeuralNCPD((7, 4), supervision_weight=weight, supervision_level=0, n_init=1, random_state=0)
        model.fit(data.X, Y)
        errors.append(np.linalg.norm(Y - model.factors_[0][0] @ model.classifier_))
    assert errors[1] < 0.9 * errors[0]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (NCPD(0), "n_components must be at least 1"),
        (NCPD(2, solver="mu"), "solver must be one of"),
        (NCPD(2, init="nndsvd"), "init must be one of"),
        (NCPD(2, init=[np.ones((9, 2))]), "init must hold 3 factors"),
        (NCPD(2, init=[np.ones((9, 2)), np.ones((8, 2)), np.ones((7, 3))]), r"init\[2\] must have shape"),
        (NTD((2, 2)), "n_components must have one rank a mode"),
        (NTD((2, 0, 2)), "each rank in n_components must be at least 1"),
        (NeuralNCPD((3, 4)), "n_components must not grow"),
        (NeuralNCPD((3, 2), level_weights=[1.0]), "level_weights must have one entry a level"),
        (NeuralNCPD((3, 2), loss="kl"), "loss must be one of"),
        (MultiHNTF((3, 2), loss="reconstruction", level_weights=[1, 1]), "level_weights must be None"),
        (NeuralNCPD((3, 2), supervision_level=2), "supervision_level must be an integer"),
        (HierarchicalNCPD((3, 4)), "n_components must not grow"),
        (HierarchicalNCPD((3, 2), n_init=0), "n_init must be at least 1"),
        (MultiHNTF((2, 3)), "n_components must not grow"),
        (MultiHNTF((3, 2), max_iter=0), "max_iter must be at least 1"),
        (MultilayerNTF((3, 2), lead_mode=3), "lead_mode must be from -3 to 2"),
        (MultilayerNTF((3, 2), lead_mode=-4), "lead_mode must be at least -3"),
        (NeuralNTF((2, 4)), "n_components must not grow"),
        (NeuralNTF(((2, 2), (2, 3))), "n_components must not grow"),
        (NeuralNTF(((2, 2), 5)), "n_components must not grow"),
        (NeuralNTF(((2, 2), (2,))), "as many ranks at every level"),
        (NeuralNTF((2, (2, 2))), "Tucker levels, tuples, before"),
        (NeuralNTF(((2,), (2,))), "n_components must have 2 ranks a level"),
        (NeuralNTF((3, 2), modes=[1]), "modes must be None"),
        (NeuralNTF(((2,),), modes=[3]), "each of modes must be from -3 to 2"),
        (NeuralNTF(((2, 2),), modes=[2, 1]), "modes must name 2 modes"),
        (NeuralNTF(((2, 2, 2), 2)), "Tucker levels only where mode 0"),
        (NeuralNTF((3, 2), init=[np.ones((8, 3))]), "init must hold 3 factors"),
    ],
)
def test_bad_parameters_are_named(X, model, words):
    with pytest.raises(ValueError, match=words):
        model.fit(X)


def test_a_base_that_is_held_alone_is_an_ncpd(X):
    for model in (NeuralNCPD(3, train_base=False, random_state=0), MultiHNTF(3, random_state=0)):
        model.fit(X)
        np.testing.assert_allclose(model.history_["loss"][-1], model.reconstruction_err_[0] ** 2, rtol=1e-8)


@pytest.mark.slow
def test_the_last_level_alone(X):
    for Model in (NeuralNCPD, MultiHNTF, NeuralNTF):
        both, last = (Model((4, 2), loss=loss, random_state=0).fit(X) for loss in ("energy", "reconstruction"))
        assert last.reconstruction_err_[-1] <= 1.001 * both.reconstruction_err_[-1]


def test_labels_of_any_kind_and_unknown_ones(X):
    for y in (["a"] * 4 + ["b"] * 4 + [-1], ["a"] * 4 + ["b"] * 4 + [None], [0.0] * 4 + [1.0] * 4 + [np.nan]):
        model = NeuralNTF((3, 2), max_iter=20, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert model.classes_.tolist() == [y[0], y[4]]
        assert 0.0 <= model.score(X, y) <= 1.0


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (MultiHNTF((3, 2), shared="by mode"), "shared must be True or False"),
        (NeuralNCPD((3, 2), train_base="no"), "train_base must be True or False"),
        (NeuralNTF((3, 2), level_weights=1.0), "level_weights must be a sequence"),
        (NeuralNTF((4, 2.0)), "each rank in n_components must be an integer"),
    ],
)
def test_wrong_types_are_named(X, model, words):
    with pytest.raises(TypeError, match=words):
        model.fit(X)


def test_ranks_above_the_dimensions_take_bounded_time(X):
    """Their Gram matrix is singular and too large to be formed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = NTD((12, 12, 12), max_iter=3, random_state=0).fit(X)
    assert np.all(np.diff(model.history_["loss"]) < 0)
    assert model.reconstruction_err_[0] < 0.2


def test_labels_need_samples(X):
    with pytest.raises(ValueError, match="mode 0 is compressed"):
        NeuralNTF(((2, 2, 2),)).fit(X, np.arange(9) % 2)
    with pytest.raises(ValueError, match="y must have shape"):
        NeuralNCPD((3, 2)).fit(X, [0, 1])
