"""At home in scikit-learn: its own checks, pipelines, containers, searches and scorers, for all estimators alike."""

import warnings

import numpy as np
import pandas
import polars
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import hntf
from hntf.datasets import make_hierarchical_blocks
from tests.estimators.catalogue import CASES, CLASSIFIERS, parameters

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ON_MATRICES = [case for case in CASES if case.X.ndim == 2]
LEVELS = [case for case in ON_MATRICES if not np.isscalar(case.estimator.n_components) and "NTD" not in case.name]
OF_MATRICES = [case for case in CLASSIFIERS if case.X.ndim == 2]

ONE_A_CLASS = list({type(case.estimator): case for case in reversed(ON_MATRICES)}.values())

NOT_FOR_US = {
    "check_array_api_input",  # runs only where SciPy was imported in its array API mode
    "check_decision_proba_consistency",  # its data are negative
    "check_classifiers_classes",  # has a class -1, which stands for unknown here as in semi-supervised scikit-learn
}


WITHOUT_RANDOM_STARTS = {
    "DeepSemiNMF", "MultilayerSparseCoding",
    "HierarchicalNCPD of a matrix", "MultiHNTF of a matrix", "MultilayerNTF of a matrix",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", ONE_A_CLASS, ids=lambda case: case.name)
def test_scikit_learn_conventions(case):
    # A start that is screened takes longer than all else; other tests have it.
    random = {} if case.name in WITHOUT_RANDOM_STARTS else {"init": "random"}
    for estimator, check in estimator_checks_generator(case.copy(max_iter=5, n_init=1, **random)):
        if check.func.__name__ not in NOT_FOR_US:
            check(estimator)


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("case", parameters(LEVELS))
def test_containers_have_the_names_of_their_level(case, container):
    model = case.fit().set_output(transform=container)
    for level in (0, -1, "all"):
        frame = model.transform(case.X, level=level)
        assert list(frame.columns) == list(model.get_feature_names_out(level=level))
    assert list(model.transform(case.X).columns) == list(model.get_feature_names_out())
    with sklearn.config_context(transform_output=container):
        assert list(case.fit().transform(case.X, level=0).columns) == list(model.get_feature_names_out(level=0))


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in LEVELS if is_classifier(case.estimator)]))
def test_prediction_at_any_level_in_any_container(case):
    levels = range(-len(np.atleast_1d(case.estimator.n_components)), 0)
    for level in levels if "supervision_level" in case.estimator.get_params() else [-1]:
        params = {"supervision_level": level} if level != -1 else {}
        plain, framed = (case.copy(**params).fit(case.X, case.y) for _ in range(2))
        framed.set_output(transform="pandas")
        np.testing.assert_array_equal(framed.predict(case.X), plain.predict(case.X))
        assert framed.score(case.X, case.y) == plain.score(case.X, case.y)


@pytest.mark.parametrize("case", parameters(LEVELS))
def test_a_pipeline_gets_the_level_it_asks_for(case):
    ranks = [S.shape[1] for S in case.copy(max_iter=5).fit(case.X).codes_]
    for level, k in ((0, ranks[0]), (-1, ranks[-1]), ("all", sum(ranks))):
        pipeline = make_pipeline(MinMaxScaler(), case.copy(output_level=level, max_iter=5))
        assert pipeline.fit_transform(case.X).shape == (len(case.X), k)
        assert len(pipeline.get_feature_names_out()) == k
    with pytest.raises(ValueError, match="output_level must be an integer from"):
        case.copy(output_level=5, max_iter=5).fit(case.X)


def test_indices_of_frames_are_kept():
    X = pandas.DataFrame(make_hierarchical_blocks(random_state=0).X).add_prefix("gene")
    X.index = [f"cell{i}" for i in range(90)]
    model = hntf.NeuralNMF((4, 2), random_state=0).fit(X).set_output(transform="pandas")
    assert list(model.transform(X[:3]).index) == ["cell0", "cell1", "cell2"]
    assert all(word.startswith("gene") for root in model.tree().roots for word in root.words)
    frame = polars.DataFrame(X.to_numpy(), schema=list(X.columns))
    np.testing.assert_allclose(model.set_output(transform="default").transform(frame), model.transform(X))


def test_missing_entries_of_nullable_columns():
    X = pandas.DataFrame(np.random.default_rng(0).integers(0, 9, (12, 5))).astype("Int64")
    X.iloc[0, 0] = pandas.NA
    with pytest.raises(ValueError, match="X contains NaN"):
        hntf.NMF(2).fit(X)
    assert hntf.NMF(2, random_state=0).fit(X, mask="nan").codes_[0].shape == (12, 2)
    y = pandas.Series(["a", "b", pandas.NA] * 4, dtype="string")
    for labels in (y, y.to_numpy(dtype=object), pandas.Series([0, 1, pandas.NA] * 4, dtype="Int64")):
        model = hntf.SSNMF(2, random_state=0).fit(X.fillna(1), labels)
        assert len(model.classes_) == 2


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters(OF_MATRICES))
def test_classifiers_are_seen_as_such(case):
    X, y = make_hierarchical_blocks(random_state=0).X[::2], make_hierarchical_blocks(random_state=0).supergroups[::2]
    # Sorted by class: folds must be stratified.
    scores = cross_val_score(case.copy(), X, y, cv=3)
    assert scores.min() > 0.6
    assert cross_val_score(case.copy(), X, y, cv=3, scoring="roc_auc").min() > 0.9
    model = case.copy().fit(X, y)
    decision = model.decision_function(X)
    assert decision.shape == (len(X),)
    np.testing.assert_array_equal(model.classes_[(decision > 0).astype(int)], model.predict(X))


def test_voting_with_other_classifiers():
    blocks = make_hierarchical_blocks(random_state=0)
    models = [
        ("neural", hntf.NeuralNMF((9, 4), supervision_loss="cross_entropy", random_state=0)),
        ("logistic", LogisticRegression()),
    ]
    for voting in ("hard", "soft"):
        assert (
            VotingClassifier(models, voting=voting).fit(blocks.X, blocks.groups).score(blocks.X, blocks.groups) > 0.95
        )


@pytest.mark.parametrize("case", parameters(OF_MATRICES))
def test_numbers_that_are_no_classes_are_refused(case):
    for y in (np.linspace(0.0, 1.0, len(case.X)), np.linspace(0.0, 1.0, len(case.X))[:, None]):
        with pytest.raises(ValueError, match="Unknown label type"):
            case.copy().fit(case.X, y)
    assert len(case.fit(y=case.y.astype(float)).classes_) == 3


@pytest.mark.slow
def test_a_search_without_labels_has_scores_that_mean_something():
    X = make_hierarchical_blocks(random_state=0).X
    X = X[np.random.default_rng(0).permutation(90)]
    for model, ranks in ((hntf.NMF(), (2, 4, 9)), (hntf.NeuralNMF(), ((2,), (4,), (9,))), (hntf.NCPD(), (2, 4, 9))):
        search = GridSearchCV(model.set_params(random_state=0), {"n_components": ranks}, cv=3).fit(X)
        scores = search.cv_results_["mean_test_score"]
        assert np.all(np.diff(scores) > 0)
        assert scores.max() < 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        cross_val_score(clone(hntf.NeuralNMF((4, 2), random_state=0)), X, cv=3)
