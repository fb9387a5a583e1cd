"""Balanced weights of the levels: none pays for the others, and what the hierarchy costs is told."""

import numpy as np
import pytest

import hntf
from hntf.costs.levels import balanced_weights
from hntf.datasets import make_hierarchical_tensor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def conflict():
    """Sparse factors without a hierarchy: what is best for the coarse level is bad for the finest."""
    rng = np.random.default_rng(0)
    S, topics = (
        rng.random((400, 12)) * (rng.random((400, 12)) < 0.2),
        rng.random((12, 80)) * (rng.random((12, 80)) < 0.2),
    )
    return S @ topics + 0.01 * rng.random((400, 80))


@pytest.mark.slow
def test_no_level_pays_for_the_others(conflict):
    equal, balanced = (
        hntf.NeuralNMF((12, 6, 3), level_weights=weights, random_state=0).fit(conflict)
        for weights in (None, "balanced")
    )
    assert equal.level_ratios_[0] > 1.5
    assert balanced.level_ratios_.max() < 1.05


@pytest.mark.slow
@pytest.mark.parametrize("init", ["levels", "random", "sequential", "nndsvd"])
def test_data_of_low_rank_are_fitted_at_the_finest_level(init):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        S, topics = rng.random((60, 5)) * (rng.random((60, 5)) < 0.5), rng.random((5, 30)) * (rng.random((5, 30)) < 0.5)
        model = hntf.NeuralNMF((5, 3), init=init, random_state=seed).fit(S @ topics)
        assert model.reconstruction_err_[0] < 0.005


def test_the_weights_are_those_of_the_errors():
    weights = balanced_weights([0.1, 0.4])
    np.testing.assert_allclose(np.array(weights) * [0.01, 0.16], [0.085, 0.085])
    # A level that fits exactly counts as one of 1 %, and data of zeros as any.
    assert np.isfinite(balanced_weights([0.0, 0.5])).all()
    np.testing.assert_allclose(balanced_weights([0.0, 1e-9]), [1.0, 1.0])


@pytest.mark.parametrize(
    "model",
    [
        hntf.NeuralNCPD((4, 2), n_init=1),
        hntf.NeuralNCPD((4, 2), init="random", n_init=1),
        hntf.MultiHNTF((4, 2), n_init=1),
        hntf.NeuralNTF((4, 2)),
        hntf.NeuralNTF((4, 2), init="random"),
        hntf.NeuralNTF(((4, 4), (2, 2))),
        hntf.NeuralNTF(((4, 4), 6, 2)),
    ],
    ids=str,
)
def test_ratios_of_tensors(model):
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X[::2, ::2, ::2]
    model.set_params(random_state=0, max_iter=200).fit(X)
    assert model.level_ratios_.shape == model.reconstruction_err_.shape
    assert np.all(model.level_ratios_ > 0.8)
    assert model.level_ratios_[0] < 2.0


def test_weights_that_are_none_are_named(conflict):
    for weights, error in (("equal", ValueError), (1.0, TypeError), ([1.0], ValueError)):
        with pytest.raises(error, match="level_weights must"):
            hntf.NeuralNMF((3, 2), level_weights=weights).fit(conflict)
