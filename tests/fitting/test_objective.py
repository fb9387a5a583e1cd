"""The loss as a function of one vector: what it is, and that it does not see into which parts the samples fall."""

import numpy as np
import pytest
import scipy.sparse

import hntf
from hntf.costs.targets import as_labels
from hntf.fitting.objective import Evaluation, Objective, relative_projected_gradient
from hntf.fitting.parts import InMemory, Part
from hntf.layers import NNLSLayer
from hntf.losses import CrossEntropy, Energy, LabelL2, Penalised, Reconstruction, Supervised
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models import SparseCoding, Unrolled
from tests.problems import hierarchy

N = 23
"""Samples: no multiple of the number of parts."""


def of_matrix(rng, kind="dense"):
    X = rng.random((N, 8)) * (rng.random((N, 8)) < 0.7)
    if kind == "sparse":
        return hntf.as_data(scipy.sparse.csr_array(X))
    return hntf.as_data(X, weights=rng.random((N, 8)) if kind == "weighted" else None)


def of_tensor(rng, kind="dense"):
    X = rng.random((N, 5, 4))
    return hntf.as_data(X, weights=rng.random(X.shape) if kind == "weighted" else None)


def on_tensors(rng, first, *upper):
    dense = [Dense(rng.random(shape)) for shape in upper]
    return hntf.Hierarchy([NNLSLayer(M) for M in (first, *dense)])


def sparse_coding(rng):
    pairs = [(rng.random(shape), rng.random(shape)) for shape in ((8, 5), (5, 3))]
    return SparseCoding(pairs, rng.uniform(0.01, 0.1, (2, 2)))


PROBLEMS = {
    "neural nmf": lambda rng: (hierarchy(rng, 8, (4, 3, 2)), of_matrix(rng)),
    "neural nmf, sparse": lambda rng: (hierarchy(rng, 8, (4, 2)), of_matrix(rng, "sparse")),
    "neural nmf, weighted": lambda rng: (hierarchy(rng, 8, (4, 2)), of_matrix(rng, "weighted")),
    "cp": lambda rng: (on_tensors(rng, KhatriRao([rng.random((5, 4)), rng.random((4, 4))]), (4, 2)), of_tensor(rng)),
    "cp, weighted": lambda rng: (
        on_tensors(rng, KhatriRao([rng.random((5, 4)), rng.random((4, 4))]), (4, 2)),
        of_tensor(rng, "weighted"),
    ),
    "tucker": lambda rng: (
        on_tensors(rng, ModeProduct([rng.random((5, 3)), rng.random((4, 2))]), (6, 2)),
        of_tensor(rng),
    ),
    "tucker, weighted": lambda rng: (
        on_tensors(rng, ModeProduct([rng.random((5, 3)), rng.random((4, 2))]), (6, 2)),
        of_tensor(rng, "weighted"),
    ),
    "unrolled": lambda rng: (Unrolled([rng.random((8, 3)) for _ in range(3)], n_steps=5, sparsity=0.1), of_matrix(rng)),
    "unrolled, kullback-leibler": lambda rng: (
        Unrolled([rng.random((8, 3)) for _ in range(2)], n_steps=4, beta=1),
        of_matrix(rng, "sparse"),
    ),
    "sparse coding": lambda rng: (sparse_coding(rng), of_matrix(rng)),
}
PENALTIES = {"code_l1": 0.1, "code_l2": 0.2, "factor_l1": 0.3, "factor_l2": 0.4, "volume": 0.5}


def labels_of_some():
    """Return labels of three classes, some of them unknown; the last samples have none, and so the last of many parts."""
    y = np.arange(N) % 3
    y[::4] = -1
    y[-4:] = -1
    return as_labels(y, N, np.empty(0))


def assert_same(objective, expected):
    """Compare values and gradients at the start to rounding."""
    at, other = objective(objective.start), expected(expected.start)
    np.testing.assert_allclose(at.value, other.value, rtol=1e-12)
    gradient, expected_gradient = np.asarray(at.gradient), np.asarray(other.gradient)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=0, atol=1e-12 * np.abs(expected_gradient).max())


@pytest.mark.parametrize("simplex", [False, True], ids=["free", "simplex"])
@pytest.mark.parametrize("penalised", [False, True], ids=["plain", "penalised"])
@pytest.mark.parametrize(
    "supervision", [None, LabelL2(2.0), CrossEntropy(0.5)], ids=["no labels", "squared", "entropy"]
)
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_the_sum_of_parts_is_the_whole(rng, name, supervision, penalised, simplex):
    model, data = PROBLEMS[name](rng)
    loss, labels = Energy(), None
    if supervision is not None:
        loss, labels = Supervised(loss, supervision), labels_of_some()
    if penalised:
        loss = Penalised(loss, **PENALTIES)
    whole = Objective(loss, model, InMemory.of(data, labels), simplex=simplex)
    for count in (1, 3, 7):
        rows = np.array_split(np.arange(N), count)
        parts = [Part(data.take(part), None if labels is None else labels.take(part)) for part in rows]
        objective = Objective(loss, model, InMemory(parts), simplex=simplex)
        np.testing.assert_allclose(objective.scale, whole.scale, rtol=1e-14)
        assert_same(objective, whole)
        # Searches go on from the supports that each part found by itself.
        assert_same(objective, whole)


def test_parts_may_be_of_different_size_and_order(backend, rng):
    model, data = hierarchy(rng, 8, (4, 3), backend), hntf.as_data(backend(rng.random((N, 8))))
    labels, loss = as_labels(np.arange(N) % 3 - 1, N, model.factors[0]), Supervised(Energy(), LabelL2())
    rows = np.split(rng.permutation(N), [1, 15])
    parts = [Part(data.take(part), labels.take(part)) for part in rows]
    assert_same(Objective(loss, model, InMemory(parts)), Objective(loss, model, InMemory.of(data, labels)))


def test_labels_of_several_classes_at_once_come_in_parts_too(rng):
    model, data = PROBLEMS["neural nmf"](rng)
    mask = rng.random((N, 3)) < 0.6
    labels, loss = as_labels(rng.random((N, 3)), N, np.empty(0), mask=mask), Supervised(Reconstruction(), LabelL2())
    parts = [Part(data.take(part), labels.take(part)) for part in np.array_split(np.arange(N), 3)]
    assert_same(Objective(loss, model, InMemory(parts)), Objective(loss, model, InMemory.of(data, labels)))


def test_the_objective_is_the_loss_relative_to_the_data(backend, rng):
    stack, X = hierarchy(rng, 7, (3, 2), backend), rng.random((6, 7))
    data = hntf.as_data(backend(X))
    objective = Objective(Energy(), stack, InMemory.of(data))
    at = objective(objective.start)
    value, gradients = Energy().value_and_grad(stack, data)
    np.testing.assert_allclose(at.value, value / np.sum(X**2))
    flat = np.concatenate([np.asarray(g).ravel() for g in gradients])
    np.testing.assert_allclose(np.asarray(at.gradient), flat / np.sum(X**2))
    for A, B in zip(objective.model_at(objective.start).factors, stack.factors, strict=True):
        np.testing.assert_array_equal(np.asarray(A), np.asarray(B))
    # A second evaluation starts its searches from the first one's supports, and gives the same.
    np.testing.assert_allclose(objective(objective.start).value, at.value, rtol=1e-12)
    assert objective.n_evaluations == 2


def test_the_simplex_is_differentiated(backend, rng):
    X = hntf.as_data(backend(rng.random((7, 6))))
    objective = Objective(Energy(), hierarchy(rng, 6, (3, 2), backend), InMemory.of(X), simplex=True)
    x = objective.start
    gradient, step = objective(x).gradient, backend(1e-6 * rng.standard_normal(len(x)))
    difference = objective(x + step).value - objective(x - step).value
    np.testing.assert_allclose(difference, 2 * float(gradient @ step), rtol=1e-5)
    for A in objective.model_at(x).factors:
        np.testing.assert_allclose(np.asarray(A.sum(0)), 1.0)


def test_the_projected_gradient_has_no_units(backend):
    x, g = backend(np.array([1.0, 0.0, 0.0])), backend(np.array([3.0, 5.0, -4.0]))
    assert relative_projected_gradient(Evaluation(x, 0.0, g)) == pytest.approx(5.0)
    assert relative_projected_gradient(Evaluation(10 * x, 0.0, g / 10)) == pytest.approx(5.0)
