import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.costs.squared import Frobenius
from hntf.fitting.loop import advance
from hntf.fitting.updates.joint import JointUpdates
from hntf.fitting.updates.up_propagation import Trained, UpPropagation
from hntf.models.pooling import ACTIVATIONS, Pooling, decoded
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
    labels = Frobenius(hntf.as_data(Y), 0.5) if supervised else None
    found, costs = UpPropagation(Frobenius(hntf.as_data(X)), labels, pooling, shares, Trained(factors, S, B)), []
    advance(found, max_iter=15, tol=-1.0, note=lambda _, descent: costs.append(descent.cost))
    assert len(costs) == 15
    assert np.all(np.diff(costs) <= 1e-10 * costs[0])
    model = decoded(found.at.factors, found.at.S, pooling, shares)[0] @ found.at.factors[0].T
    expected = 0.5 * float(((X - model) ** 2).sum())
    if supervised:
        expected += 0.25 * float(((Y - found.at.S @ found.at.label_factor.T) ** 2).sum())
    np.testing.assert_allclose(found.cost, expected, rtol=1e-9)


def test_one_level_is_nonnegative_matrix_factorization(rng):
    X, S, A = rng.random((9, 6)), rng.random((9, 3)), rng.random((6, 3))
    found = UpPropagation(Frobenius(hntf.as_data(X)), None, Pooling(), [], Trained([A], S, None))
    expected = JointUpdates.of_terms([Frobenius(hntf.as_data(X))], S, [A], solver="mu")
    for descent in (found, expected):
        advance(descent, max_iter=20, tol=-1.0)
    np.testing.assert_allclose(found.at.S, expected.S)
    np.testing.assert_allclose(found.at.factors[0], expected.factors[0])
