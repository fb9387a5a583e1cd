"""What a user may count on whatever the estimator: the same script, the same attributes, the same errors for all of them."""

import pickle
import signal
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse
import tensorly
import torch
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import hntf
from hntf.estimators.checks import settings_of
from tests.estimators.catalogue import CASES, EXACT_CASES, ONE_OF_EACH, SIGNED, parameters

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = {
    "numpy": lambda X: (X, {}),
    "torch": lambda X: (torch.tensor(X), {}),
    "mask": lambda X: (X, {"mask": np.random.default_rng(1).random(X.shape) < 0.9}),
    "float32": lambda X: (X.astype(np.float32), {}),
}


@pytest.fixture(scope="module", params=parameters(CASES))
def case(request):
    return request.param


@pytest.fixture(scope="module")
def fitted(case):
    return case.fit()


def arrays(nested):
    return [x for item in nested for x in arrays(item)] if isinstance(nested, list) else [nested]


def hidden(X, mask=None):
    return np.ones(X.shape, bool) if mask is None else mask


@pytest.mark.parametrize(
    "kind", ["numpy", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "numpy")]
)
@pytest.mark.parametrize("case", parameters(EXACT_CASES))
def test_the_same_script_runs_for_all(case, kind):
    X, options = KINDS[kind](case.X)
    labels = {"y": case.y} if is_classifier(case.estimator) else {}
    model = case.fit(X, **options, **labels)
    n, *features = X.shape
    ranks = [S.shape[1] for S in model.codes_]
    assert model.n_levels_ == len(ranks) == len(model.components_) == len(model.memberships_)
    observed = hidden(X, **options)
    for level, k in enumerate(ranks):
        S = model.transform(X, level=level, **options)
        assert S.shape == model.codes_[level].shape == (n, k)
        assert type(S) is type(X)
        assert S.dtype == X.dtype == model.codes_[level].dtype
        of_level = model.components_[level] if len(features) > 1 else [model.codes_[level].T, model.components_[level]]
        assert [tuple(part.shape) for part in of_level] == [(k, d) for d in X.shape]
        for gather in arrays([model.memberships_[level]]):
            assert tuple(gather.shape) == (ranks[max(level - 1, 0)], k)
        for gather in arrays([model.memberships_[0]]):
            np.testing.assert_array_equal(np.asarray(gather), np.eye(ranks[0]))
        rebuilt = np.asarray(model.inverse_transform(model.codes_[level], level=level), dtype=float)
        assert rebuilt.shape == X.shape
        residual, data = (rebuilt - case.X)[observed], case.X[observed]
        expected = np.linalg.norm(residual) / np.linalg.norm(data)
        np.testing.assert_allclose(model.reconstruction_err_[level], expected, rtol=1e-4 if kind == "float32" else 1e-6)
    tree = model.tree(mode=1, n_words=2)
    assert len(tree.roots) == ranks[-1]
    np.testing.assert_allclose(sum(root.share for root in tree.roots), 1.0)
    assert sum(len(list(_topics(root, 1))) for root in tree.roots) <= ranks[0]
    assert model.n_iter_ >= 1
    assert len(model.history_["loss"]) >= 1
    assert set(model.sparsity_) == {"codes", "factors"}
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(np.asarray(copy.transform(X, **options)), np.asarray(model.transform(X, **options)))
    assert clone(model).get_params().keys() == model.get_params().keys()
    assert model.score(X, **options) <= 0.0
    frame = model.set_output(transform="pandas").transform(X, level=0, **options)
    assert list(frame.columns) == list(model.get_feature_names_out(level=0))
    assert frame.shape == (n, ranks[0])
    model.set_output(transform="default")
    if hasattr(model, "partial_fit") and not hasattr(model, "modes_"):
        before = model.reconstruction_err_
        model.partial_fit(X, **options)
        # It goes on from the fit, by one small step.
        assert np.all(model.reconstruction_err_ < 1.5 * before + 0.1)


def _topics(topic, level):
    if topic.level == level:
        yield topic
    for child in topic.children:
        yield from _topics(child, level)


def test_results_are_finite_and_nonnegative(case, fitted):
    parts = [fitted.factors_, fitted.codes_, fitted.components_, fitted.memberships_]
    for x in arrays(parts if case.name.split()[0] not in SIGNED else [fitted.codes_]):
        assert x.min() >= 0
    for x in arrays([*parts, fitted.reconstruction_err_]):
        assert np.isfinite(x).all()


def test_samples_one_by_one_have_the_same_codes(case, fitted):
    together = fitted.transform(case.X)
    assert together.shape == (len(case.X), len(fitted.get_feature_names_out()))
    apart = np.concatenate([fitted.transform(x[None]) for x in case.X[:4]])
    np.testing.assert_allclose(apart, together[:4], atol=1e-8 * np.abs(together).max(), rtol=1e-6)


def test_codes_of_all_levels_side_by_side(case, fitted):
    levels = range(fitted.n_levels_)
    S = fitted.transform(case.X, level="all")
    np.testing.assert_allclose(S, np.concatenate([fitted.transform(case.X, level=i) for i in levels], axis=1))
    names = fitted.get_feature_names_out(level="all")
    assert len(set(names)) == S.shape[1]
    np.testing.assert_allclose(
        fitted.inverse_transform(S, level="all"), fitted.inverse_transform(S[:, : fitted.codes_[0].shape[1]], level=0)
    )


def test_units_are_what_components_show(case, fitted):
    for level, S in enumerate(fitted.codes_):
        units = fitted.inverse_transform(np.eye(S.shape[1]), level=level)
        if units.ndim == 2:
            np.testing.assert_allclose(fitted.components_[level], units)
        else:
            np.testing.assert_array_equal(fitted.components_[level][0], S.T)


def test_one_seed_gives_one_fit(case, fitted):
    again = case.fit()
    np.testing.assert_array_equal(again.codes_[-1], fitted.codes_[-1])
    np.testing.assert_array_equal(again.reconstruction_err_, fitted.reconstruction_err_)


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_generators_are_seeds(case):
    short = case.copy(max_iter=3)
    errors = []
    for _ in range(2):
        model = clone(short).set_params(random_state=np.random.default_rng(7)).fit(case.X)
        errors.append(model.reconstruction_err_)
    np.testing.assert_array_equal(*errors)


def test_a_model_serves_the_other_backend(case, fitted):
    S = fitted.transform(torch.tensor(case.X))
    assert isinstance(S, torch.Tensor)
    np.testing.assert_allclose(S.numpy(), fitted.transform(case.X), atol=1e-8)
    of_torch = case.fit(torch.tensor(case.X))
    assert all(isinstance(x, torch.Tensor) for x in arrays([of_torch.factors_, of_torch.components_]))
    np.testing.assert_allclose(of_torch.transform(case.X), of_torch.transform(torch.tensor(case.X)).numpy(), atol=1e-8)
    np.testing.assert_allclose(of_torch.reconstruction_err_, fitted.reconstruction_err_, rtol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in CASES if case.X.ndim == 2]))
def test_a_sparse_matrix_gives_the_fit_of_the_dense_one(case):
    X = case.X * (case.X > 0.2)
    sparse, dense = case.fit(scipy.sparse.csr_matrix(X)), case.fit(X)
    np.testing.assert_allclose(sparse.reconstruction_err_, dense.reconstruction_err_, rtol=2e-2)
    np.testing.assert_allclose(sparse.transform(scipy.sparse.csr_matrix(X)), sparse.transform(X), atol=1e-7)


@pytest.mark.parametrize("case", parameters([case for case in CASES if case.X.ndim == 2]))
def test_a_sparse_matrix_takes_a_mask(case):
    X = case.X * (np.random.default_rng(0).random(case.X.shape) < 0.5)
    observed = np.random.default_rng(1).random(X.shape) < 0.8
    sparse = case.fit(scipy.sparse.csr_array(X), mask=scipy.sparse.csr_array(observed))
    dense = case.fit(X, mask=observed)
    np.testing.assert_allclose(sparse.reconstruction_err_, dense.reconstruction_err_, rtol=2e-2)
    held_out = scipy.sparse.csr_array(~observed)
    error = dense.reconstruction_error(X, mask=~observed)
    np.testing.assert_allclose(dense.reconstruction_error(scipy.sparse.csr_array(X), mask=held_out), error)


@pytest.mark.slow
def test_hidden_entries_have_no_say(case):
    """Not a digit of any result depends on what stands there."""
    one_start = {"n_init": 1} if "n_init" in case.estimator.get_params() else {}
    case = case._replace(estimator=case.copy(max_iter=5, **one_start))
    observed = np.random.default_rng(1).random(case.X.shape) < 0.9
    observed[3], observed[:, 4] = False, False
    # Nothing is known of sample 3, not even its label.
    labels = {"y": np.where(np.arange(len(case.X)) == 3, -1, case.y)} if is_classifier(case.estimator) else {}
    with pytest.warns(UserWarning, match="X has no observed entry in 1 of its samples: their codes are 0"):
        expected = case.fit(np.where(observed, case.X, 1.0), mask=observed, **labels)
    assert all(np.isfinite(x).all() for x in arrays([expected.codes_, expected.components_]))
    assert not any(S[3].any() for S in expected.codes_)
    for value in (1e300, np.nan):
        X = np.where(observed, case.X, value)
        model = case.fit(X, mask="nan" if np.isnan(value) else observed, **labels)
        for one, other in zip(
            arrays([model.codes_, model.components_]), arrays([expected.codes_, expected.components_]), strict=True
        ):
            np.testing.assert_array_equal(one, other)
        options = {"mask": observed}
        np.testing.assert_array_equal(
            model.transform(X, level="all", **options), model.transform(case.X, level="all", **options)
        )
        assert model.score(X, **options) == model.score(case.X, **options)
        filled = model.fill(X, 0, **options)
        np.testing.assert_array_equal(filled[observed], case.X[observed])
        np.testing.assert_array_equal(filled, model.fill(case.X, 0, **options))
    weighted = case.fit(np.where(observed, case.X, np.nan), weights=observed * 2.0)
    assert np.isfinite(weighted.reconstruction_err_).all()


def test_the_error_of_held_out_entries_is_one_call(case, fitted):
    held_out = np.random.default_rng(2).random(case.X.shape) < 0.2
    for level, S in enumerate(fitted.codes_):
        rebuilt = np.asarray(fitted.inverse_transform(S, level=level))
        for mask in (None, held_out):
            expected = np.linalg.norm((rebuilt - case.X)[mask]) / np.linalg.norm(case.X[mask])
            np.testing.assert_allclose(fitted.reconstruction_error(case.X, level=level, mask=mask), expected, rtol=1e-9)
    few = case.X[:4]
    codes = fitted.transform(few, level=0, mask=~held_out[:4])
    expected = np.linalg.norm((np.asarray(fitted.inverse_transform(codes, level=0)) - few)[held_out[:4]])
    error = fitted.reconstruction_error(few, codes, level=0, mask=held_out[:4])
    np.testing.assert_allclose(error, expected / np.linalg.norm(few[held_out[:4]]), rtol=1e-9)
    with pytest.raises(ValueError, match=r"codes=model.transform\(...\) for samples that were not fitted"):
        fitted.reconstruction_error(few)


@pytest.mark.slow
def test_degenerate_data(case):
    X = case.X.copy()
    X[:, 2], X[5], X[:, 0] = X[:, 3], 0.0, 0.0
    few = X[:2, :3]
    for Z in (
        X,
        np.zeros_like(X),
        np.ones_like(X),
        few,
        X[:1],
        np.eye(X[0].size)[:4, : X[0].size].reshape(4, *X[0].shape),
    ):
        model = case.fit(Z)
        for x in arrays([model.codes_, model.components_, model.memberships_, model.reconstruction_err_]):
            assert np.isfinite(x).all()
        assert np.isfinite(model.transform(Z)).all()


def test_data_of_zeros_are_fitted_without_a_warning(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = case.copy().fit(np.zeros_like(case.X))
    np.testing.assert_array_equal(model.reconstruction_err_, 0.0)


UNITLESS = [case for case in EXACT_CASES if "penalties" not in case.name]
"""Those whose parameters have no units: penalties have those of the data."""


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-150, 1e150])
@pytest.mark.parametrize("case", parameters(UNITLESS))
def test_the_units_of_the_data_do_not_matter(case, scale):
    expected, model = case.fit(), case.fit(scale * case.X)
    np.testing.assert_allclose(model.reconstruction_err_, expected.reconstruction_err_, rtol=1e-2)
    for level, error in enumerate(model.reconstruction_err_):
        S = model.transform(scale * case.X, level=level)
        rebuilt = np.asarray(model.inverse_transform(S, level=level)) / scale
        assert np.linalg.norm(case.X - rebuilt) <= (1.05 * error + 1e-6) * np.linalg.norm(case.X)


def test_tensors_of_tensorly_are_those_of_the_codes(case, fitted):
    with_other_backend = tensorly.get_backend()
    tensorly.set_backend("pytorch")
    try:
        results = [
            (level, method, getattr(fitted, method)(level))
            for method in ("cp_tensor", "tucker_tensor")
            if hasattr(fitted, method)
            for level in range(fitted.n_levels_)
            if _has(fitted, method, level)
        ]
    finally:
        tensorly.set_backend(with_other_backend)
    assert results or not {"cp_tensor", "tucker_tensor"} & set(dir(fitted))
    for level, method, result in results:
        to_tensor = getattr(tensorly, f"{method.removesuffix('_tensor')}_to_tensor")
        expected = fitted.inverse_transform(fitted.codes_[level], level=level)
        np.testing.assert_allclose(to_tensor(result), expected, atol=1e-8)
        # A copy: what a user does to it stays there.
        result.factors[0] *= 0.0
        assert np.any(np.asarray(getattr(fitted, method)(level).factors[0]) > 0)


def _has(model, method, level):
    try:
        getattr(model, method)(level)
    except ValueError as error:
        assert "needs" in str(error)  # noqa: PT017  the message says what it needs
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in CASES if "init" in case.estimator.get_params()]))
def test_a_fit_starts_from_what_a_fit_found(case):
    fitted = case.fit()
    for init in (fitted, fitted.factors_):
        again = case.copy().set_params(init=init).fit(case.X)
        assert np.all(again.reconstruction_err_ <= 1.2 * fitted.reconstruction_err_ + 0.02)


def test_a_callback_watches_and_stops(case):
    seen = []

    def stop_early(progress):
        seen.append(progress)
        return progress.n_iter >= 2

    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model = case.copy(callback=stop_early).fit(case.X)
    assert all(np.isfinite(progress.loss) for progress in seen)
    assert max(progress.n_iter for progress in seen) <= 2 * model.n_levels_
    assert np.isfinite(model.transform(case.X)).all()


def test_control_c_leaves_the_best_so_far(case):
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model = case.copy(callback=interrupt).fit(case.X)
    assert np.isfinite(model.reconstruction_err_).all()
    assert np.isfinite(model.transform(case.X)).all()


@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_control_c_while_the_start_is_drawn_ends_the_fit_with_a_model(case, monkeypatch):
    model, seen = case.copy(), []

    def pressed(*args):
        signal.raise_signal(signal.SIGINT)
        return settings_of(*args)._replace(callback=seen.append)

    for name, module in list(sys.modules.items()):
        if name.startswith("hntf.estimators.") and hasattr(module, "settings_of"):
            monkeypatch.setattr(module, "settings_of", pressed)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        model.fit(case.X)
    assert len(seen) <= 2 * model.n_levels_
    assert np.isfinite(model.transform(case.X)).all()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_float16_never_overflows(case):
    X = (case.X * 1e3).astype(np.float16)
    model = case.fit(X)
    assert all(np.isfinite(np.asarray(x)).all() for x in arrays([model.codes_, model.factors_, model.components_]))


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_big_endian_data_are_data(case):
    swapped, fitted = case.fit(case.X.astype(">f8")), case.fit()
    np.testing.assert_allclose(swapped.reconstruction_err_, fitted.reconstruction_err_)
    assert case.fit(case.X.astype(">f4")).codes_[0].dtype == np.float32


@pytest.mark.slow
@pytest.mark.parametrize("case", ONE_OF_EACH, ids=lambda case: case.name)
def test_a_mask_of_numpy_goes_with_a_tensor(case):
    observed = np.random.default_rng(1).random(case.X.shape) < 0.9
    one, other = (case.fit(torch.tensor(case.X), mask=mask) for mask in (observed, torch.tensor(observed)))
    np.testing.assert_array_equal(one.reconstruction_err_, other.reconstruction_err_)


def test_data_objects_are_taken(case, fitted):
    other = case.fit(hntf.as_data(case.X))
    np.testing.assert_allclose(other.reconstruction_err_, fitted.reconstruction_err_)
    np.testing.assert_allclose(other.transform(hntf.as_data(case.X)), fitted.transform(case.X))


def test_not_fitted(case):
    model = case.copy()
    calls = [
        lambda: model.transform(case.X),
        model.tree,
        lambda: model.components_,
        lambda: model.score(case.X),
    ]
    for call in calls:
        with pytest.raises(NotFittedError):
            call()
    assert not hasattr(model, "codes_")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda X: X * np.nan, ValueError, "X contains NaN"),
        (lambda X: X * np.inf, ValueError, "X contains (NaN|infinite)"),
        (lambda X: X[0].reshape(-1), ValueError, "order 2"),
        (lambda X: X + 1j, ValueError, "Complex"),
        (lambda X: X[:0], ValueError, "empty axis"),
        (lambda X: np.full(X.shape, "a"), TypeError, "real numbers"),
    ],
)
def test_bad_data_are_named(case, change, error, words):
    with pytest.raises(error, match=words):
        case.copy().fit(change(case.X))


def test_negative_data_are_named(case):
    if case.name.split()[0] in SIGNED:
        assert np.isfinite(case.fit(case.X - 0.5).reconstruction_err_).all()
        return
    with pytest.raises(ValueError, match="Negative values in data"):
        case.copy().fit(-case.X)


def test_bad_calls_are_named(case, fitted):
    last = fitted.n_levels_ - 1
    with pytest.raises(ValueError, match=r"as in fit|expecting|n_features"):
        fitted.transform(case.X[:, :5])
    with pytest.raises(ValueError, match=f"level must be an integer from -{last + 1} to {last}"):
        fitted.transform(case.X, level=last + 1)
    with pytest.raises(ValueError, match="S must have shape"):
        fitted.inverse_transform(np.ones((2, 21)))
    with pytest.raises(ValueError, match="mode must be"):
        fitted.tree(mode=7)
    with pytest.raises(ValueError, match="feature_names must hold"):
        fitted.tree(["a"], mode=1)


@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"tol": -1.0}, ValueError, "tol must be at least 0"),
        ({"n_init": 1.5}, TypeError, "n_init must be an integer"),
        ({"callback": 3}, TypeError, "callback must be callable"),
        ({"n_components": 0}, ValueError, "at least 1"),
        ({"n_components": "many"}, TypeError, "n_components"),
    ],
)
def test_bad_parameters_are_named(case, params, error, words):
    with pytest.raises(error, match=words):
        case.copy(**params).fit(case.X)


@pytest.mark.parametrize("method", [hntf.NMF, hntf.SSNMF, hntf.NCPD, hntf.UnfoldedNMF])
def test_one_level_may_come_as_a_tuple(method):
    X = np.random.default_rng(0).random((8, 6))
    one, same = (method(k, max_iter=5, random_state=0).fit(X) for k in (3, (3,)))
    np.testing.assert_array_equal(one.codes_[0], same.codes_[0])
    with pytest.raises(ValueError, match="n_components must be an integer"):
        method((3, 2)).fit(X)
