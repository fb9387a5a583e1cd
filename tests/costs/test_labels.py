import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import minimize

import hntf
from hntf.costs.targets import as_labels
from hntf.layers import NNLSLayer
from hntf.losses import CrossEntropy, Energy, LabelL2, RunningLabels, Supervised
from hntf.maps import Dense, KhatriRao, ModeProduct
from tests.problems import few, hierarchy, seeds


@few
@given(seed=seeds, level=st.integers(0, 2), soft=st.booleans())
def test_value_and_gradient(backend, seed, level, soft):
    rng = np.random.default_rng(seed)
    stack, X = hierarchy(rng, 7, (4, 3, 2), backend), rng.random((8, 7))
    if soft:
        y = rng.random((8, 3))
        known = rng.random(8) < 0.7
        known[0] = True
        y[~known] = np.nan
        Y = y
    else:
        y = np.concatenate([[0, 1], rng.integers(-1, 2, 6)])
        known, Y = y != -1, np.eye(2)[y]
    loss = LabelL2(0.7, level)
    value, _ = loss.value_and_grad(stack, backend(X), y=y)
    S = np.asarray(stack.forward(backend(X))[0][level])[known]
    residual = S @ hntf.nnls(S, Y[known]) - Y[known]
    np.testing.assert_allclose(value, 0.35 * np.sum(residual**2), rtol=1e-8, atol=1e-12)
    both = Supervised(Energy(), loss)
    np.testing.assert_allclose(
        both.value_and_grad(stack, backend(X), y=y)[0], value + Energy().value_and_grad(stack, backend(X))[0]
    )
    report = hntf.gradcheck(both, [stack, backend(X), y], rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


@pytest.mark.parametrize("kind", ["cp", "tucker", "nested"])
def test_labels_on_the_samples_of_a_tensor(backend, rng, kind):
    X = rng.random((6, 5, 4))
    if kind == "cp":
        maps = [KhatriRao([rng.random((5, 3)), rng.random((4, 3))]), Dense(rng.random((3, 2)))]
    else:
        maps = [ModeProduct([rng.random((5, 3)), rng.random((4, 2))])]
        maps.append(
            ModeProduct([rng.random((3, 2)), rng.random((2, 2))]) if kind == "nested" else Dense(rng.random((6, 2)))
        )
    stack = hntf.Hierarchy([NNLSLayer(M.with_factors([backend(U) for U in M.factors])) for M in maps])
    loss = Supervised(Energy(), LabelL2(2.0))
    report = hntf.gradcheck(loss, [stack, backend(X), [0, 1, 0, 1, -1, 0]], rtol=1e-6)
    assert report.ok, str(report)


def test_class_names_of_any_kind():
    labels = as_labels(["spam", "ham", -1, "spam"], 4, np.empty(0))
    assert labels.classes.tolist() == ["ham", "spam"]
    np.testing.assert_array_equal(labels.Y, [[0, 1], [1, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(labels.known[:, 0], [1, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], "y must have shape"),
        ([-1] * 5, "at least one known label"),
        (np.full((5, 2), -1.0), "Negative values"),
        (np.array([[0.0, np.nan]] * 5), "label_mask=~np.isnan"),
        (None, "y must be given"),
    ],
)
def test_bad_labels_are_named(rng, y, words):
    with pytest.raises(ValueError, match=words):
        LabelL2().value_and_grad(hierarchy(rng, 6, (3, 2)), rng.random((5, 6)), y=y)


@few
@given(seed=seeds, level=st.integers(0, 1))
def test_cross_entropy_gradient(backend, seed, level):
    rng = np.random.default_rng(seed)
    stack, X = hierarchy(rng, 5, (3, 2), backend), rng.random((8, 5))
    y = np.concatenate([[0, 1, 2], rng.integers(-1, 3, 5)])
    report = hntf.gradcheck(CrossEntropy(0.7, level), [stack, backend(X), y], rtol=1e-5)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_the_softmax_classifier_is_the_best(backend, rng):
    S, Y = rng.random((12, 3)), rng.random((12, 4))
    Y[2] = 0.0
    labels = as_labels(Y, 12, backend(S))

    def value(B):
        Z = S @ B.reshape(3, 4)
        logs = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
        return -np.sum(Y * logs) + 0.005 * np.sum(Y.sum(axis=1, keepdims=True) * Z**2)

    B = CrossEntropy.classifier(backend(S), labels)
    reference = minimize(value, np.zeros(12), tol=1e-12)
    np.testing.assert_allclose(np.asarray(B).reshape(-1), reference.x, atol=1e-4)
    loss, _ = CrossEntropy.loss_of_scores(backend(S) @ B, labels)
    np.testing.assert_allclose(loss, reference.fun, rtol=1e-8)
    # The loss is one of the scores: it does not see how the codes are scaled.
    scaled = backend(1e6 * S * [1.0, 1e-3, 1e3])
    np.testing.assert_allclose(
        np.asarray(scaled @ CrossEntropy.classifier(scaled, labels)), np.asarray(backend(S) @ B), atol=1e-6
    )


def test_codes_that_tell_nothing(backend):
    labels = as_labels([0, 1, 2, -1], 4, backend(np.empty(0)))
    S = backend(np.zeros((4, 2)))
    for loss in (CrossEntropy, LabelL2):
        B = loss.classifier(S, labels)
        np.testing.assert_array_equal(np.asarray(B), 0.0)
        np.testing.assert_allclose(loss.loss_of_scores(S @ B, labels)[0], loss.size(labels))


@pytest.mark.parametrize("order", [1, 2])
def test_label_masks(backend, rng, order):
    S, Y = rng.random((20, 3)), rng.random((20, 4))
    mask = rng.random((20, 4)[:order]) < 0.6
    labels = as_labels(Y, 20, backend(np.empty(0)), mask=mask)
    known = mask if order == 2 else np.repeat(mask[:, None], 4, axis=1)
    B = np.asarray(LabelL2.classifier(backend(S), labels))
    np.testing.assert_allclose(B, hntf.nnls(S, Y, weights=known * 1.0), atol=1e-10)
    value, gradient = LabelL2.loss_of_scores(backend(S @ B), labels)
    np.testing.assert_allclose(value, 0.5 * np.sum(known * (Y - S @ B) ** 2))
    np.testing.assert_allclose(np.asarray(gradient), known * (S @ B - Y))


def test_a_label_mask_hides_classes():
    labels = as_labels([3, 5, 3, 7], 4, np.empty(0), mask=[True, True, False, False])
    assert labels.classes.tolist() == [3, 5]
    np.testing.assert_array_equal(labels.Y, [[1, 0], [0, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ([True, False], "label_mask must have shape"),
        (np.ones((4, 2), bool), "label_mask must have shape"),
        ([2, 1, 0, 1], "label_mask must hold only True and False"),
        ([False] * 4, "at least one known label"),
    ],
)
def test_bad_label_masks_are_named(mask, words):
    with pytest.raises(ValueError, match=words):
        as_labels([0, 1, 0, 1], 4, np.empty(0), mask=mask)


def test_a_class_that_was_not_named():
    assert as_labels(["b", -1], 2, np.empty(0), classes=np.array(["a", "b"])).Y.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    with pytest.raises(ValueError, match="classes that were named before"):
        as_labels(["c", "a"], 2, np.empty(0), classes=np.array(["a", "b"]))


def test_running_labels_remember(rng):
    stack, X, y = hierarchy(rng, 6, (3,)), rng.random((40, 6)), np.arange(40) // 20
    loss = RunningLabels(LabelL2())
    # Batch by batch, in the order of the classes: as good as all at once.
    for start in range(0, 40, 4):
        rows = slice(start, start + 4)
        labels = as_labels(y[rows], 4, X, classes=np.array([0, 1]))
        tape = stack.solve(hntf.as_data(X[rows]))
        settled = loss.settle([loss.of_part(stack, tape, labels)])
        value, _ = loss.evaluate(stack, tape, labels, settled)
        np.testing.assert_allclose(value, LabelL2().evaluate(stack, tape, labels, loss.classifier)[0])
    S = stack.codes(stack.solve(hntf.as_data(X)))[-1]
    np.testing.assert_allclose(loss.classifier, LabelL2.classifier(S, as_labels(y, 40, X)))
    unlabelled = RunningLabels(LabelL2())
    assert unlabelled.settle([unlabelled.of_part(stack, tape, None)]) is None
    assert unlabelled.evaluate(stack, tape, None, None)[0] == 0.0


def test_a_level_that_is_not_there(rng):
    with pytest.raises(ValueError, match="level must be from -2 to 1"):
        CrossEntropy(level=2).value_and_grad(hierarchy(rng, 6, (3, 2)), rng.random((4, 6)), y=[0, 1, 0, 1])
