"""No product takes more memory than twice the data, whatever the rank: of one sweep or evaluation the peak tells."""

import tracemalloc
import warnings

import numpy as np
import pytest

import hntf
from hntf.data import dense
from hntf.fitting.updates.alternating import AlternatingCP
from hntf.fitting.updates.tucker import AlternatingTucker
from hntf.layers import NNLSLayer
from hntf.losses import Energy
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models import ComponentStacks


def peak(function):
    """Return the most bytes that a second call of a function allocates at a time."""
    function()
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(params=[(180, 140, 100), (1400, 120, 12), (12, 1400, 120), (50, 50, 40, 25)], ids=str)
def X(request, monkeypatch):
    monkeypatch.setattr(dense, "SMALL", 0)
    return np.random.default_rng(0).random(request.param)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [4, 25])
def test_of_an_evaluation_or_a_sweep(X, rng, rank):
    data = hntf.as_data(X)
    factors = [rng.random((d, rank)) for d in X.shape]
    network = hntf.Hierarchy([NNLSLayer(KhatriRao(factors[1:])), NNLSLayer(Dense(rng.random((rank, 2))))])
    stacks = [[rng.random((d, 3)), rng.random((3, 2))] for d in X.shape]
    ranks = [min(4, d) for d in X.shape]
    small = [rng.random((d, r)) for d, r in zip(X.shape, ranks, strict=True)]
    tucker = hntf.Hierarchy([NNLSLayer(ModeProduct(small[1:]))])
    weighted = hntf.as_data(X, weights=np.ones(X.shape))
    levels = ComponentStacks([U[:, :7] for U in factors], stacks)
    one_mode = NNLSLayer(ModeProduct(small[1:2], [1]))
    for function in (
        lambda: one_mode.forward(weighted),
        lambda: Energy().value_and_grad(levels, weighted),
        lambda: Energy().value_and_grad(network, data),
        lambda: Energy().value_and_grad(ComponentStacks(factors, stacks), data),
        lambda: Energy().value_and_grad(tucker, data),
        lambda: AlternatingCP.from_features(data, factors[1:]).sweep(),
        lambda: AlternatingTucker(data, small).sweep(),
    ):
        # The factors, their codes and Gram matrices come on top; they are no product with the data.
        rest = 40 * sum(U.nbytes for U in factors) + 2**19
        assert peak(function) <= 2 * X.nbytes + rest


@pytest.mark.parametrize("estimator", [hntf.NMF, hntf.NeuralNMF, hntf.NCPD])
def test_of_several_starts_is_that_of_one(rng, estimator):
    X = rng.random((4000, 20) if estimator is not hntf.NCPD else (4000, 5, 4))

    def fit(n_init):
        estimator(8, init="random", n_init=n_init, max_iter=2, tol=0.0, random_state=0).fit(X)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Of the best start so far, a part remembers the codes while the next one runs; some garbage waits to be collected.
        assert peak(lambda: fit(12)) < peak(lambda: fit(1)) + 6 * 8 * 8 * len(X)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [1e-4, 0.01, 0.5])
def test_of_masks_is_twice_the_data_and_two_codes(rng, hidden):
    X, rank = rng.random((20_000, 200)), 40
    observed = rng.random(X.shape) >= hidden
    model = hntf.NMF(rank, init="random", max_iter=2, tol=0.0, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert peak(lambda: model.fit(X, mask=observed)) < 2 * X.nbytes + 2 * 8 * rank * len(X)
