import numpy as np
import pytest
from hypothesis import given

import hntf
from hntf.fitting.loop import MAX_ITER, advance
from hntf.fitting.objective import Evaluation
from hntf.fitting.optimizers import OPTIMIZERS
from tests.problems import few, seeds

ITERATIONS = {"lbfgs": 500, "projected_gradient": 2000, "sgd": 5000, "adam": 5000}
ACCURACY = {"lbfgs": 1e-6, "projected_gradient": 1e-5, "sgd": 1e-3, "adam": 1e-3}


def quadratic(rng, backend, n=8):
    """Return a strictly convex quadratic over `x ≥ 0` with a nonnegative least-squares problem's minimum."""
    A = rng.random((2 * n, n)) + 2 * np.eye(2 * n, n)
    b = A @ np.maximum(rng.standard_normal(n), 0) + rng.standard_normal(2 * n)
    minimum = hntf.nnls(A, b)
    A, b = backend(A), backend(b)

    def objective(x):
        residual = A @ x - b
        return Evaluation(x, 0.5 * float(residual @ residual), A.T @ residual)

    return objective, minimum


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@few
@given(seed=seeds)
def test_they_find_the_minimum_of_a_bounded_quadratic(backend, name, seed):
    objective, minimum = quadratic(np.random.default_rng(seed), backend)
    descent, calls = OPTIMIZERS[name](objective, backend(np.ones(8))), []
    n_iter, _ = advance(descent, max_iter=ITERATIONS[name], tol=1e-9, note=lambda *call: calls.append(call))
    assert (np.asarray(descent.found) >= 0).all()
    best, value = objective(backend(minimum)).value, objective(descent.found).value
    assert value == descent.lowest
    assert value - best <= ACCURACY[name] * (1 + abs(best))
    assert [n for n, _ in calls] == list(range(1, n_iter + 1))


@pytest.mark.parametrize("name", ["lbfgs", "projected_gradient"])
def test_monotone_methods_never_raise_the_loss(rng, name):
    objective, _ = quadratic(rng, np.asarray)
    descent = OPTIMIZERS[name](objective, np.ones(8))
    losses = [descent.loss]
    advance(descent, max_iter=50, tol=0.0, note=lambda _, at: losses.append(at.loss))
    assert np.all(np.diff(losses) <= 1e-12)


def test_the_quasi_newton_method_is_far_faster_than_gradients(rng):
    objective, _ = quadratic(rng, np.asarray, n=30)
    iterations = {
        name: advance(OPTIMIZERS[name](objective, np.ones(30)), max_iter=5000, tol=1e-6)[0] for name in ("lbfgs", "sgd")
    }
    assert iterations["lbfgs"] < iterations["sgd"] / 2


def test_max_iter_is_kept_and_reported(rng):
    objective, _ = quadratic(rng, np.asarray)
    for name in OPTIMIZERS:
        n_iter, ended = advance(OPTIMIZERS[name](objective, np.ones(8)), max_iter=2, tol=0.0)
        assert n_iter == 2
        assert ended == MAX_ITER
