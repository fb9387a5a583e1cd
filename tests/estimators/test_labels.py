"""Labels of samples, held for every estimator that takes them."""

import numpy as np
import pandas
import pytest
import torch
from sklearn.exceptions import NotFittedError

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from tests.estimators.catalogue import CLASSIFIERS, Case, parameters

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BLOCKS, TENSOR = make_hierarchical_blocks(random_state=0), make_hierarchical_tensor(noise=0.1, random_state=0)
LABELLED = [
    Case(
        case.name,
        case.estimator,
        *((BLOCKS.X, BLOCKS.supergroups) if case.X.ndim == 2 else (TENSOR.X, TENSOR.supergroups)),
    )
    for case in CLASSIFIERS
    if not {"simplex", "batches", "held", "one"} & set(case.name.split())
]
MATRICES = [case for case in LABELLED if case.X.ndim == 2 and "of a matrix" not in case.name]


@pytest.mark.parametrize("case", parameters(LABELLED))
def test_labels(case):
    y = np.array(["left", "right"])[case.y]
    given = y.astype(object)
    given[::3] = -1
    model = case.fit(y=given)
    assert model.score(case.X, y) == 1.0
    assert set(model.predict(case.X)) == {"left", "right"}
    assert model.classifier_.shape == (model.codes_[-1].shape[1], 2)
    # Only a label mask tells what is known here.
    masked = case.fit(y=y, label_mask=np.arange(len(y)) % 3 > 0)
    np.testing.assert_allclose(masked.reconstruction_err_, model.reconstruction_err_)
    soft = case.fit(y=np.eye(2)[case.y])
    assert soft.score(case.X, case.y) == 1.0
    # A class that was never seen is an error; a refit without labels forgets them.
    unseen = y.copy()
    unseen[: len(y) // 10] = "up"
    assert model.score(case.X, unseen) == pytest.approx(0.9)
    model.fit(case.X)
    for call in (model.predict, model.decision_function, lambda X: model.score(X, y)):
        with pytest.raises(NotFittedError, match="needs labels"):
            call(case.X)
    assert model.score(case.X) == pytest.approx(-model.reconstruction_err_[-1], rel=0.1)


KULLBACK_LEIBLER = {"supervision_loss": "kullback-leibler", "solver": "mu"}
PROBABILISTIC = {
    "SSNMF": KULLBACK_LEIBLER,
    "HierarchicalNMF": KULLBACK_LEIBLER,
    **{
        case.name: {"supervision_loss": "cross_entropy"}
        for case in LABELLED
        if case.name.startswith(("Neural", "Multi", "Unfolded"))
    },
}
"""The estimators that give probabilities, and with which loss of the labels."""


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters([case for case in LABELLED if case.name in PROBABILISTIC]))
def test_probabilities(case):
    model = case.copy(**PROBABILISTIC[case.name]).fit(case.X, case.y)
    probabilities = model.predict_proba(case.X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    assert probabilities.min() >= 0
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], model.predict(case.X))
    assert model.score(case.X, case.y) == 1.0


def test_scores_that_are_no_probabilities_are_not_given_as_such():
    for model in (hntf.SSNMF(2), hntf.NeuralNMF((2,)), hntf.DeepNMF((2,))):
        assert not hasattr(model, "predict_proba")


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters(LABELLED))
def test_labels_of_torch(case):
    X, y = torch.tensor(case.X), torch.tensor(case.y)
    model = case.fit(X, y=y)
    assert model.score(X, y) == 1.0
    assert isinstance(model.decision_function(X), torch.Tensor)
    assert model.score(case.X, case.y) == 1.0


@pytest.mark.parametrize("case", parameters(LABELLED))
def test_the_classifier_is_the_best_one_for_codes_from_features(case):
    y = np.where(np.arange(len(case.y)) % 5 == 0, case.y, -1)
    model = case.fit(y=y)
    known = y >= 0
    S = np.asarray(model.transform(case.X, level=model.supervision_level))[known]
    expected = hntf.nnls(S, np.eye(2)[y[known]]) if model.supervision_loss != "cross_entropy" else None
    if expected is not None:
        np.testing.assert_allclose(model.classifier_, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("case", parameters(MATRICES))
def test_bad_labels_are_named(case):
    n = len(case.X)
    for y, words in (
        ([0, 1], "y must have shape"),
        (np.full((n, 2), -0.5), "Negative"),
        ([-1] * n, "at least one known label"),
    ):
        with pytest.raises(ValueError, match=words):
            case.copy().fit(case.X, y)
    with pytest.raises(ValueError, match="label_mask must have shape"):
        case.copy().fit(case.X, case.y, label_mask=[True])
    with pytest.raises(ValueError, match="label_mask must be None"):
        case.copy().fit(case.X, label_mask=[True] * n)
    with pytest.raises(ValueError, match="supervision_weight"):
        case.copy(supervision_weight=-1.0).fit(case.X, case.y)
    model = case.fit(y=case.y)
    with pytest.raises(ValueError, match="y must hold one class a sample"):
        model.score(case.X, [0, 1])
    with pytest.raises(ValueError, match="at least one known label"):
        model.score(case.X, [-1] * n)


@pytest.mark.slow
@pytest.mark.parametrize("case", parameters(MATRICES))
def test_no_weight_still_tells_classes(case):
    assert case.copy(supervision_weight=0.0).fit(case.X, case.y).score(case.X, case.y) > 0.7


UNITLESS = [case for case in MATRICES if not {"penalties", "pooled"} & set(case.name.split())]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2.0**-540, 2.0**540])
@pytest.mark.parametrize("case", parameters(UNITLESS))
def test_labels_of_extreme_data(case, scale):
    model = case.fit(case.X * scale, y=case.y)
    assert model.score(case.X * scale, case.y) == 1.0


@pytest.mark.parametrize("case", parameters(MATRICES))
def test_prediction_with_missing_entries(case):
    X = case.X.copy()
    X[::7, ::5] = np.nan
    model = case.fit(X, y=case.y, mask="nan")
    assert model.score(X, case.y, mask="nan") > 0.95
    assert model.score(X, case.y[:, None], mask="nan") > 0.95


@pytest.mark.slow
def test_levels_of_supervision():
    for model in (hntf.NeuralNMF((9, 4, 2)), hntf.HierarchicalNMF((9, 4, 2)), hntf.NeuralNCPD((7, 4, 2), n_init=1)):
        X, y = (TENSOR.X, TENSOR.supergroups) if isinstance(model, hntf.NeuralNCPD) else (BLOCKS.X, BLOCKS.supergroups)
        for level, k in enumerate(model.n_components):
            model.set_params(supervision_level=level, random_state=0).fit(X, y)
            assert model.classifier_.shape == (k, 2)
            assert model.score(X, y) == 1.0


def test_supervision_lowers_the_error_of_the_labels():
    Y = np.eye(2)[np.random.default_rng(0).integers(0, 2, 40)]
    errors = []
    for weight in (0.0, 1.0):
        model = hntf.NeuralNCPD((7, 4), supervision_weight=weight, supervision_level=0, n_init=1, random_state=0)
        model.fit(TENSOR.X, Y)
        S = model.codes_[0]
        errors.append(np.linalg.norm(Y - S @ hntf.nnls(S, Y)))
    assert errors[1] < 0.9 * errors[0]


def test_labels_where_the_code_is_a_core():
    """The samples have no codes of their own while it is trained; the classifier is fitted afterwards."""
    model = hntf.NeuralNTF(((4, 3, 3), (2, 2, 2)), max_iter=50, random_state=0).fit(TENSOR.X, TENSOR.supergroups)
    assert model.score(TENSOR.X, TENSOR.supergroups) == 1.0
    tucker = hntf.maps.ModeProduct([np.random.default_rng(0).random((d, 2)) for d in TENSOR.X.shape], modes=[0, 1, 2])
    hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(tucker)])
    with pytest.raises(ValueError, match="y must have one row a code"):
        hntf.losses.LabelL2().value_and_grad(hierarchy, TENSOR.X, y=TENSOR.supergroups)


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
    X, y = np.random.default_rng(0).random((25, 9)), np.arange(25) % 3
    model = hntf.NeuralNMF((3, 2), random_state=0).partial_fit(X[:10], classes=[0, 1, 2])
    assert not hasattr(model, "classifier_")
    assert model.partial_fit(X[10:], y[10:]).classifier_.shape == (2, 3)
    for classes in ([], [0, -1]):
        with pytest.raises(ValueError, match="classes must name"):
            hntf.NeuralNMF((3, 2)).partial_fit(X, y, classes=classes)


@pytest.mark.parametrize("case", parameters(CLASSIFIERS[:1]))
def test_peculiar_unknown_labels(case):
    y = case.y.astype(object)
    for unknown in (-1, None, np.nan, "-1"):
        y[0] = unknown
        assert len(case.fit(y=y).classes_) == 3


def test_the_level_of_the_fit_is_that_of_prediction():
    model = hntf.NeuralNMF((9, 4), random_state=0).fit(BLOCKS.X, BLOCKS.groups).set_params(supervision_level=0)
    assert model.score(BLOCKS.X, BLOCKS.groups) == 1.0


def test_a_single_known_class_is_told():
    with pytest.warns(UserWarning, match="one known class alone"):
        hntf.NeuralNMF((4,), max_iter=3).fit(BLOCKS.X, np.where(BLOCKS.supergroups, 1, -1))


def test_scores_leave_missing_labels_out():
    y = pandas.Series(BLOCKS.groups, dtype="Int64")
    y[::3] = pandas.NA
    assert hntf.NeuralNMF((9, 4), random_state=0).fit(BLOCKS.X, y).score(BLOCKS.X, y) == 1.0
