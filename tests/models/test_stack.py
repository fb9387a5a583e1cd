import numpy as np
import pytest
import tensorly
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense, ModeProduct
from tests.problems import few, hierarchy, seeds


@few
@given(seed=seeds, ranks=st.sampled_from([(3,), (4, 2), (4, 3, 1)]))
def test_gradients_agree_with_central_differences(backend, seed, ranks):
    rng = np.random.default_rng(seed)
    report = hntf.gradcheck(hierarchy(rng, 6, ranks, backend), backend(rng.random((4, 6))), rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_codes_are_codes_of_codes(rng):
    stack = hierarchy(rng, 6, (4, 2))
    X = rng.random((5, 6))
    codes, _ = stack.forward(X)
    first = hntf.nnls(stack.factors[0], X.T).T
    np.testing.assert_allclose(codes[0], first, atol=1e-10)
    np.testing.assert_allclose(codes[1], hntf.nnls(stack.factors[1], first.T).T, atol=1e-10)


def test_a_gradient_of_none_is_zero(rng):
    stack = hierarchy(rng, 6, (4, 2))
    codes, tape = stack.forward(rng.random((5, 6)))
    only_first = stack.backward(tape, [np.ones_like(codes[0]), None])
    with_zero = stack.backward(tape, [np.ones_like(codes[0]), np.zeros_like(codes[1])])
    np.testing.assert_allclose(only_first[0], with_zero[0])
    for a, b in zip(only_first[1], with_zero[1], strict=True):
        np.testing.assert_allclose(a, b)


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ([], ValueError, "at least one layer"),
        ([Dense(np.ones((3, 2)))], TypeError, "NNLSLayer"),
        ([NNLSLayer(Dense(np.ones((3, 2)))), NNLSLayer(Dense(np.ones((3, 1))))], ValueError, "level 2"),
    ],
)
def test_bad_layers_are_named(layers, error, words):
    with pytest.raises(error, match=words):
        hntf.Hierarchy(layers)


def test_bad_code_gradients_are_named(rng):
    stack = hierarchy(rng, 6, (4, 2))
    _, tape = stack.forward(rng.random((5, 6)))
    with pytest.raises(ValueError, match="one entry per level"):
        stack.backward(tape, [None])
    with pytest.raises(ValueError, match=r"dcodes\[1\] must have shape"):
        stack.backward(tape, [None, np.ones((5, 3))])


def test_errors_where_the_samples_are_compressed_too(rng):
    first, second = [rng.random((d, 3)) for d in (7, 5, 4)], [rng.random((3, 2)) for _ in range(3)]
    stack = hntf.Hierarchy([NNLSLayer(ModeProduct(factors, (0, 1, 2))) for factors in (first, second)])
    X = rng.random((7, 5, 4))
    cores = stack.encode_levels(hntf.as_data(X))
    products = (first, [A @ B for A, B in zip(first, second, strict=True)])
    naive = []
    for core, factors in zip(cores, products, strict=True):
        core_shape = [A.shape[1] for A in factors]
        dense = tensorly.tenalg.multi_mode_dot(core.reshape(core_shape), factors)
        naive.append(np.linalg.norm(X - dense) / np.linalg.norm(X))
    np.testing.assert_allclose(stack.errors(hntf.as_data(X), cores), naive)
    value, _ = hntf.losses.Energy().value_and_grad(stack, X)
    np.testing.assert_allclose(value, np.sum(np.square(naive)) * np.sum(X**2))
