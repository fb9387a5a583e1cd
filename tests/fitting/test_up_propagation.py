import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.fitting.divergences import Frobenius
from hntf.fitting.joint import joint_factorization
from hntf.fitting.up_propagation import Network, up_propagation
from hntf.hierarchies.pooled import ACTIVATIONS, Pooling, carried_up, decoded
from tests.problems import few, seeds


def problem(seed, pooling, backend):
    """Draw data, labels, factors of three levels and shares for a pooling."""
    rng = np.random.default_rng(seed)
    size = pooling.size
    X, Y = rng.random((9, 7)), np.eye(2)[rng.integers(0, 2, 9)]
    shapes = [(7, 4 * size), (4, 3 * size), (3, 2)]
    factors = [backend(rng.random(shape) + 0.05) for shape in shapes]
    shares = [pooling.pooled(backend(rng.random((9, k)) + 0.05))[1] for k in (4 * size, 3 * size)]
    return backend(X), backend(Y), factors, backend(rng.random((9, 2)) + 0.05), backend(rng.random((2, 2))), shares


@few
@given(
    seed=seeds,
    pooling=st.builds(Pooling, st.sampled_from(list(ACTIVATIONS)), st.sampled_from(["mean", "max"]), st.integers(1, 2)),
    supervised=st.booleans(),
)
def test_the_cost_never_rises(backend, seed, pooling, supervised):
    X, Y, factors, S, B, shares = problem(seed, pooling, backend)
    network = Network(
        Frobenius(hntf.as_data(X)), Frobenius(hntf.as_data(Y), 0.5) if supervised else None, pooling, shares
    )
    costs = []
    found = up_propagation(network, factors, S, B, max_iter=15, tol=-1.0, callback=lambda _, cost: costs.append(cost))
    assert np.all(np.diff(costs) <= 1e-10 * costs[0])
    model = decoded(found.parts.factors, found.parts.S, pooling, shares)[0] @ found.parts.factors[0].T
    expected = 0.5 * float(((X - model) ** 2).sum())
    if supervised:
        expected += 0.25 * float(((Y - found.parts.S @ found.parts.label_factor.T) ** 2).sum())
    np.testing.assert_allclose(found.cost, expected, rtol=1e-9)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradients_through_the_levels(rng, activation):
    pooling = Pooling(activation, "max", 2)
    _, _, factors, S, _, shares = problem(0, pooling, np.asarray)
    weight = rng.standard_normal((9, 8))

    def value(factors, S):
        return float((weight * decoded(factors, S, pooling, shares)[0]).sum())

    codes = decoded(factors, S, pooling, shares)
    for level in (2, 3):
        dA, dS = carried_up(factors, codes, pooling, shares, weight, level)
        step = 1e-6 * rng.standard_normal(factors[level - 1].shape)
        up, down = ([A + sign * step * (i == level - 1) if i == level - 1 else A for i, A in enumerate(factors)]
                    for sign in (1, -1))  # fmt: skip
        np.testing.assert_allclose(value(up, S) - value(down, S), 2 * np.sum(dA * step), rtol=1e-5)
    step = 1e-6 * rng.standard_normal(S.shape)
    np.testing.assert_allclose(value(factors, S + step) - value(factors, S - step), 2 * np.sum(dS * step), rtol=1e-5)


def test_one_level_is_nonnegative_matrix_factorization(rng):
    X, S, A = rng.random((9, 6)), rng.random((9, 3)), rng.random((6, 3))
    network = Network(Frobenius(hntf.as_data(X)), None, Pooling(), [])
    found = up_propagation(network, [A], S, None, max_iter=20, tol=-1.0).parts
    expected = joint_factorization([Frobenius(hntf.as_data(X))], S, [A], solver="mu", max_iter=20, tol=-1.0)
    np.testing.assert_allclose(found.S, expected.S)
    np.testing.assert_allclose(found.factors[0], expected.factors[0])


@pytest.mark.parametrize("kind", ["mean", "max"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_pooling_undoes_its_right_inverse(backend, rng, kind, activation):
    pooling = Pooling(activation, kind, 2)
    S = backend(rng.random((5, 6)) * (rng.random((5, 6)) < 0.7))
    pooled, shares = pooling.pooled(S)
    groups = np.asarray(S).reshape(5, 3, 2)
    expected = groups.mean(axis=2) if kind == "mean" else groups.max(axis=2)
    np.testing.assert_allclose(np.asarray(ACTIVATIONS[activation].inverse(pooled)), expected, atol=1e-12)
    np.testing.assert_allclose(np.asarray(pooling.expanded(pooled, shares)), np.asarray(S), atol=1e-12)
