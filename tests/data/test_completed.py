"""Sparse matrices that are completed by a model have the products of the dense ones, and are never dense themselves."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import hntf
from hntf.data.completed import CompletedData

SHAPE = (12, 9)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-11, atol=1e-13)


KINDS = {
    "mask": lambda X, rng: {"mask": rng.random(SHAPE) < 0.7},
    "sparse mask": lambda X, rng: {"mask": scipy.sparse.csr_array(rng.random(SHAPE) < 0.7)},
    "stored": lambda X, rng: {"mask": "stored"},
    "hold-out": lambda X, rng: {"mask": hntf.HoldOut(0.3)},
    "inverted hold-out": lambda X, rng: {"mask": ~hntf.HoldOut(0.3)},
    "weights": lambda X, rng: {"weights": rng.random(SHAPE)},
    "weights of samples": lambda X, rng: {"weights": 3 * rng.random((12, 1))},
    "both": lambda X, rng: {"weights": rng.random(SHAPE), "mask": "stored"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_those_of_the_dense_matrix(rng, kind):
    X = rng.random(SHAPE) * (rng.random(SHAPE) < 0.5)
    data = hntf.as_data(scipy.sparse.csr_array(X), **KINDS[kind](X, rng))
    S, A = rng.standard_normal((12, 4)), rng.standard_normal((9, 4))
    completed = data.completed(lambda: [S, A])
    assert isinstance(completed, CompletedData)
    W = data.weights.of_samples(slice(None)) / data.weights.largest
    expected = hntf.as_data(W * X + (1 - W) * (S @ A.T))
    factors = [rng.standard_normal((d, 3)) for d in SHAPE]
    rows = np.array([3, 0, 7])
    for ours, theirs, of_rows in (
        (completed, expected, factors),
        (completed.take(rows), expected.take(rows), [factors[0][rows], factors[1]]),
    ):
        for mode in (0, 1):
            close(ours.mttkrp(of_rows, mode), theirs.mttkrp(of_rows, mode))
        for others in (of_rows, [None, of_rows[1]], [of_rows[0], None], [None, None]):
            for skip in (-1, 0, 1):
                close(ours.multi_mode_dot(others, skip), theirs.multi_mode_dot(others, skip))
        close(ours.of_samples(slice(1, 3)), theirs.of_samples(slice(1, 3)))
        close(ours.norm_squared(), theirs.norm_squared())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeepSemiNMF", "MultilayerSparseCoding"])
def test_fits_take_nothing_of_the_dense_size(name):
    X = scipy.sparse.random(4_000, 4_000, density=5e-4, random_state=0, format="csr")  # dense, 128 MB
    model = getattr(hntf, name)((4, 2), max_iter=3, random_state=0)
    with pytest.warns(UserWarning, match="max_iter reached"):
        model.fit(X[:100], mask="stored")  # imports and compiles
    tracemalloc.start()
    with pytest.warns(UserWarning, match="max_iter reached"):
        model.fit(X, mask="stored")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 30e6
    assert np.isfinite(model.reconstruction_err_).all()
