"""What holds of the estimators for tensors besides what holds of all: best codes, missing entries, and what is their own."""

import numpy as np
import pytest

import hntf
from hntf import NCPD, NTD, HierarchicalNCPD, MultiHNTF, MultilayerNTF, NeuralNCPD, NeuralNTF
from tests.estimators.catalogue import CASES, parameters, tensor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TENSORS = [case for case in CASES if case.X.ndim > 2]
CODES_OF_CODES = {"NeuralNTF", "NeuralNTF Tucker", "NeuralNTF Tucker dense", "NeuralNTF one mode"}
"""Those whose code of a level above the first is a code of codes; all others solve for the features directly."""


@pytest.fixture(scope="module")
def X():
    return tensor()[0]


@pytest.mark.parametrize("case", parameters(TENSORS))
def test_transform_is_the_best_code_for_the_features(case):
    model, X = case.fit(), case.X
    for level in range(1 if case.name in CODES_OF_CODES else model.n_levels_):
        S = model.transform(X[:4], level=level)
        basis = model.inverse_transform(np.eye(S.shape[1]), level=level).reshape(S.shape[1], -1)
        expected = hntf.nnls(basis.T, X[:4].reshape(4, -1).T).T
        np.testing.assert_allclose(S @ basis, expected @ basis, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in TENSORS if case.name != "NeuralNTF one mode"]))
def test_missing_entries_are_predicted(case):
    """Better than by the mean of the observed ones; three numbers for the seven of a fibre would be too free for that."""
    observed = np.random.default_rng(1).random(case.X.shape) < 0.9
    model = case.fit(np.where(observed, case.X, np.nan), mask="nan")
    guess, truth = model.inverse_transform(model.codes_[0], level=0)[~observed], case.X[~observed]
    assert np.sum((guess - truth) ** 2) < np.sum((case.X[observed].mean() - truth) ** 2)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters(TENSORS))
def test_weights_of_one_change_nothing(case):
    weighted = case.fit(weights=np.ones(case.X.shape))
    np.testing.assert_allclose(weighted.reconstruction_err_, case.fit().reconstruction_err_, rtol=2e-2)


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
        (NeuralNCPD((3, 2), level_weights=[1.0]), "level_weights must have one entry per level"),
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
        model = NeuralNTF((3, 2), max_iter=20, random_state=0).fit(X, y)
        assert model.classes_.tolist() == [y[0], y[4]]
        assert 0.0 <= model.score(X, y) <= 1.0


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (MultiHNTF((3, 2), shared="by mode"), "shared must be True or False"),
        (NeuralNCPD((3, 2), train_base="no"), "train_base must be True or False"),
        (NeuralNTF((3, 2), level_weights=1.0), "level_weights must be 'balanced' or a sequence"),
        (NeuralNTF((4, 2.0)), "each rank in n_components must be an integer"),
    ],
)
def test_wrong_types_are_named(X, model, words):
    with pytest.raises(TypeError, match=words):
        model.fit(X)


def test_ranks_above_the_dimensions_take_bounded_time(X):
    """Their Gram matrix is singular and too large to be formed."""
    model = NTD((12, 12, 12), max_iter=3, random_state=0).fit(X)
    assert np.all(np.diff(model.history_["loss"]) < 0)
    assert model.reconstruction_err_[0] < 0.2
