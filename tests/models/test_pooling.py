import numpy as np
import pytest

from hntf.models.pooling import ACTIVATIONS, Pooling, carried_up, decoded


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_gradients_through_the_levels(rng, activation):
    pooling = Pooling(activation, "max", 2)
    factors = [rng.random(shape) + 0.05 for shape in ((7, 8), (4, 6), (3, 2))]
    proportions = [pooling.pooled(rng.random((9, k)) + 0.05)[1] for k in (8, 6)]
    S = rng.random((9, 2)) + 0.05
    weight = rng.standard_normal((9, 8))

    def value(factors, S):
        return float((weight * decoded(factors, S, pooling, proportions)[0]).sum())

    codes = decoded(factors, S, pooling, proportions)
    for level in (2, 3):
        dA, dS = carried_up(factors, codes, pooling, proportions, weight, level)
        step = 1e-6 * rng.standard_normal(factors[level - 1].shape)
        up, down = ([A + sign * step * (i == level - 1) if i == level - 1 else A for i, A in enumerate(factors)]
                    for sign in (1, -1))  # fmt: skip
        np.testing.assert_allclose(value(up, S) - value(down, S), 2 * np.sum(dA * step), rtol=1e-5)
    step = 1e-6 * rng.standard_normal(S.shape)
    np.testing.assert_allclose(value(factors, S + step) - value(factors, S - step), 2 * np.sum(dS * step), rtol=1e-5)


@pytest.mark.parametrize("kind", ["mean", "max"])
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_pooling_undoes_its_right_inverse(backend, rng, kind, activation):
    pooling = Pooling(activation, kind, 2)
    S = backend(rng.random((5, 6)) * (rng.random((5, 6)) < 0.7))
    pooled, proportions = pooling.pooled(S)
    groups = np.asarray(S).reshape(5, 3, 2)
    expected = groups.mean(axis=2) if kind == "mean" else groups.max(axis=2)
    np.testing.assert_allclose(np.asarray(ACTIVATIONS[activation].inverse(pooled)), expected, atol=1e-12)
    np.testing.assert_allclose(np.asarray(pooling.expanded(pooled, proportions)), np.asarray(S), atol=1e-12)
