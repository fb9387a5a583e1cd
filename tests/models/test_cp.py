"""Models with a CP decomposition at every level against naive formulas, differences, and the stack of layers they stand for."""

from itertools import pairwise

import numpy as np
import pytest
import tensorly
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.algebra import split_columns
from hntf.losses import Energy, LabelL2, Reconstruction, Supervised
from hntf.models import ComponentStacks, GatheredComponents
from hntf.models.stack import dense_hierarchy
from tests.problems import few, seeds

RANKS = (4, 3, 2)


def draw_stacks(rng, shape, backend=np.asarray, *, train_base=True, ranks=RANKS, unit=1.0):
    base = [backend(rng.uniform(0.1, 1, (d, ranks[0]))) for d in shape]
    stacks = [[backend(rng.uniform(0.1, 1, s)) for s in zip([d, *ranks[1:]], ranks[1:], strict=False)] for d in shape]
    return ComponentStacks(base, stacks, train_base=train_base, unit=unit)


def draw_gathered(rng, shape, backend=np.asarray, *, shared=True, train_base=False):
    base = [backend(rng.uniform(0.1, 1, (d, RANKS[0]))) for d in shape]
    lists = 1 if shared else len(shape)
    gathers = [[backend(rng.uniform(0.1, 1, s)) for s in pairwise(RANKS)] for _ in range(lists)]
    return GatheredComponents(base, gathers, train_base=train_base)


def levels_of(tape):
    """Return the factors of all modes that a forward pass computed, level by level."""
    return list(zip(*(split_columns(U, tape.ranks) for U in tape.factors), strict=True))


def dense(factors):
    return tensorly.cp_to_tensor((None, [np.asarray(U) for U in factors]))


@given(seed=seeds, order=st.integers(2, 4), kind=st.sampled_from(["stacks", "shared", "by mode"]))
def test_errors_are_those_of_the_dense_models(backend, seed, order, kind):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(2, 6, order))
    model = (
        draw_stacks(rng, shape, backend)
        if kind == "stacks"
        else draw_gathered(rng, shape, backend, shared=kind == "shared")
    )
    X, W = rng.random(shape), rng.random(shape)
    for data, weights in ((backend(X), 1.0), (hntf.as_data(backend(X), weights=backend(W)), W)):
        tape = model.solve(hntf.as_data(data))
        squares = [float(np.sum(weights * (X - dense(U)) ** 2)) for U in levels_of(tape)]
        value, _ = Energy([1.0, 0.5, 2.0]).value_and_grad(model, data)
        np.testing.assert_allclose(value, np.dot([1.0, 0.5, 2.0], squares), rtol=1e-9)
        errors = model.errors(hntf.as_data(data), model.codes(tape))
        np.testing.assert_allclose(errors, np.sqrt(squares / np.sum(weights * X**2)), rtol=1e-8)
        np.testing.assert_allclose(Reconstruction().value_and_grad(model, data)[0], squares[-1], rtol=1e-9)


@pytest.mark.slow
@few
@given(seed=seeds, order=st.integers(2, 3), train_base=st.booleans(), weighted=st.booleans(), labelled=st.booleans())
def test_gradients_of_stacks(backend, seed, order, train_base, weighted, labelled):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(4, 6, order))
    model = draw_stacks(rng, shape, backend, train_base=train_base, unit=2.5)
    weights = backend(rng.random(shape)) if weighted else None
    data = hntf.as_data(backend(rng.random(shape)), weights=weights)
    y = rng.integers(-1, 2, shape[0])
    y[:2] = 0, 1
    loss = Supervised(Energy(), LabelL2(3.0, level=int(rng.integers(0, 3)))) if labelled else Energy([1.0, 0.3, 2.0])
    report = hntf.gradcheck(loss, [model, data, y] if labelled else [model, data], rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


@few
@given(seed=seeds, order=st.integers(2, 4), train_base=st.booleans(), shared=st.booleans(), labelled=st.booleans())
def test_gradients_of_gathered_components(backend, seed, order, train_base, shared, labelled):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(3, 5, order))
    model = draw_gathered(rng, shape, backend, train_base=train_base, shared=shared)
    loss = Supervised(Energy(), LabelL2(level=1)) if labelled else Energy()
    inputs = [model, backend(rng.random(shape)), *([np.arange(shape[0]) % 2] if labelled else [])]
    report = hntf.gradcheck(loss, inputs, rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_the_stack_of_a_mode_is_a_hierarchy_on_its_components(backend, rng):
    model = draw_stacks(rng, (6, 5, 7), backend)
    tape = model.solve(hntf.as_data(backend(rng.random((6, 5, 7)))))
    for mode, (U, stack) in enumerate(zip(model.base, model.stacks, strict=True)):
        codes, _ = dense_hierarchy(stack).forward(U.T)
        product = np.eye(len(U))
        for level, (S, A) in enumerate(zip(codes, stack, strict=True), start=1):
            np.testing.assert_allclose(np.asarray(tape.inner.levels[level - 1].S[mode]), np.asarray(S), atol=1e-12)
            product = product @ np.asarray(A)
            decoded = product @ np.asarray(S).T
            np.testing.assert_allclose(np.asarray(levels_of(tape)[level][mode]), decoded, atol=1e-12)
            np.testing.assert_allclose(np.asarray(model.levels[level][mode]), decoded, atol=1e-12)
            np.testing.assert_allclose(np.asarray(model.components(mode)[level]), product)
            np.testing.assert_allclose(np.asarray(model.code_of_base(level, mode)), np.asarray(S), atol=1e-12)


def test_a_warm_start_changes_nothing(rng):
    model, data = draw_stacks(rng, (6, 5, 7)), hntf.as_data(rng.random((6, 5, 7)))
    cold = model.solve(data)
    warm = model.solve(data, cold)
    for U, V in zip(cold.factors, warm.factors, strict=True):
        np.testing.assert_allclose(U, V, atol=1e-12)


def test_permuting_modes_changes_no_error(rng):
    model, X = draw_stacks(rng, (6, 5, 7)), rng.random((6, 5, 7))
    data = hntf.as_data(X)
    errors = model.errors(data, model.codes_of_levels(data))
    order = (2, 0, 1)
    permuted = ComponentStacks([model.base[i] for i in order], [model.stacks[i] for i in order])
    data = hntf.as_data(np.ascontiguousarray(X.transpose(order)))
    np.testing.assert_allclose(permuted.errors(data, permuted.codes_of_levels(data)), errors)


def test_a_base_alone_is_a_model_of_one_level(rng):
    model, X = draw_stacks(rng, (4, 3, 5), ranks=(2,)), rng.random((4, 3, 5))
    assert hntf.gradcheck(Energy(), [model, X]).ok
    assert model.n_levels == 1


def test_a_wrong_shape_is_named(rng):
    with pytest.raises(ValueError, match=r"X must have shape \(4, 3, 5\)"):
        Energy().value_and_grad(draw_stacks(rng, (4, 3, 5)), rng.random((4, 3, 6)))
