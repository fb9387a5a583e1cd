"""Problems of gradient checks: functions that return what `hntf.gradcheck` takes, a function and its inputs."""

import numpy as np

from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models.stack import dense_hierarchy

ILL = 1e5
"""The condition of ill-conditioned dictionaries."""


def dictionary(rng, m, k, condition=1.0):
    """Draw a dictionary; an ill-conditioned one has geometric singular values."""
    if condition == 1.0:
        return rng.uniform(0.1, 1.0, (m, k))
    U, V = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in (m, k))
    return U * np.geomspace(1.0, 1.0 / condition, k) @ V.T


def samples(rng, A, n=5):
    """Draw samples whose codes have zeros and positive entries, also where the dictionary is ill-conditioned."""
    m, k = A.shape
    codes = rng.uniform(0.3, 1.0, (n, k)) * (rng.random((n, k)) < 0.7)
    Q = np.linalg.qr(A)[0]
    noise = rng.standard_normal((n, m))
    # A noise that is orthogonal to the range moves no code; zeros stay zero by their duals.
    duals = rng.uniform(0.1, 0.3, (n, k)) * (codes == 0)
    return codes @ A.T - duals @ np.linalg.pinv(A) + 0.2 * (noise - noise @ Q @ Q.T)


def layer(rng, condition=1.0, shape=(7, 4), **penalties):
    A = dictionary(rng, *shape, condition)
    return NNLSLayer(Dense(A), **penalties), [samples(rng, A)]


def stack(rng, condition=1.0, ranks=(4, 3, 2), m=7):
    factors = [dictionary(rng, a, b) for a, b in zip((m, *ranks), ranks, strict=False)]
    factors[0] = dictionary(rng, m, ranks[0], condition)
    return dense_hierarchy(factors), [samples(rng, factors[0])]


def cp(rng, condition=1.0, d=4):
    factors = [dictionary(rng, d, 3, condition), dictionary(rng, d, 3)]
    return NNLSLayer(KhatriRao(factors)), [samples(rng, khatri_rao(*factors)).reshape(5, d, d)]


def khatri_rao(U, V):
    return (U[:, None] * V).reshape(-1, U.shape[1])


def tucker(rng, condition=1.0, d=4):
    factors = [dictionary(rng, d, 2, condition), dictionary(rng, d, 2)]
    return NNLSLayer(ModeProduct(factors)), [samples(rng, np.kron(*factors)).reshape(5, d, d)]
