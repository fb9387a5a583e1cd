import numpy as np
import tensorly
from sklearn.decomposition import NMF

import hntf
from hntf.fitting.loop import advance
from hntf.fitting.updates.alternating import AlternatingCP


def test_alternating_nnls_never_raises_the_error_and_matches_scikit_learn(rng):
    X = rng.random((30, 20))
    data, start = hntf.as_data(X), [rng.random((20, 4))]
    descents = [AlternatingCP.from_features(data, start) for _ in range(4)]
    for descent, sweeps in zip(descents, (1, 3, 10, 100), strict=True):
        advance(descent, max_iter=sweeps, tol=0.0)
    errors = [descent.error for descent in descents]
    assert np.all(np.diff(errors) <= 1e-12)
    model = NMF(4, init="nndsvda", max_iter=2000, tol=1e-8).fit(X)
    assert errors[-1] <= 1.02 * model.reconstruction_err_ / np.linalg.norm(X)


def test_alternating_nnls_on_a_tensor_recovers_planted_factors(rng):
    factors = [rng.uniform(0, 1, (d, 2)) ** 2 for d in (7, 6, 5)]
    data = hntf.as_data(tensorly.cp_to_tensor((None, factors)))
    result = AlternatingCP.from_features(data, [rng.random((6, 2)), rng.random((5, 2))])
    advance(result, max_iter=500, tol=0.0)
    assert result.error < 1e-3
