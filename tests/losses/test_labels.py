import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
from hntf.losses import Energy, LabelL2, Supervised
from hntf.losses.targets import as_labels
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
    labels = (
        as_labels(["spam", "ham", -1, "spam"], 4, np.empty(0))
        if False
        else as_labels(np.array(["spam", "ham", -1, "spam"], dtype=object), 4, np.empty(0))
    )
    assert labels.classes.tolist() == ["ham", "spam"]
    np.testing.assert_array_equal(labels.Y, [[0, 1], [1, 0], [0, 0], [0, 1]])
    np.testing.assert_array_equal(labels.known[:, 0], [1, 1, 0, 1])


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1], "y must have shape"),
        ([-1] * 5, "at least one known label"),
        (np.full((5, 2), -1.0), "Negative values"),
        (np.array([[0.0, np.nan]] * 5), "y contains NaN"),
        (None, "y must be given"),
    ],
)
def test_bad_labels_are_named(rng, y, words):
    with pytest.raises(ValueError, match=words):
        LabelL2().value_and_grad(hierarchy(rng, 6, (3, 2)), rng.random((5, 6)), y=y)
