import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import non_negative_factorization

import hntf
from hntf.costs.kullback_leibler import DIVERGENCES, KullbackLeibler
from hntf.costs.penalties import Penalties
from hntf.costs.squared import Frobenius
from hntf.fitting.loop import advance
from hntf.fitting.updates.joint import JointUpdates
from tests.problems import few, seeds


def problem(seed):
    """Draw data and labels with their weights, and starts."""
    rng = np.random.default_rng(seed)
    X, Y = rng.random((12, 8)), np.eye(3)[rng.integers(0, 3, 12)]
    W, L = (rng.random((12, 8)) < 0.8) * rng.random((12, 8)), (rng.random((12, 3)) < 0.7) * 1.0
    S, A, B = rng.random((12, 4)) + 0.01, rng.random((8, 4)) + 0.01, rng.random((3, 4)) + 0.01
    return X, W, Y, L, S, A, B


def advanced(terms, S, factors, max_iter, **options):
    """Return the updates after so many sweeps, and the cost after each of them."""
    updates, costs = JointUpdates.of_terms(terms, S, factors, **options), []
    advance(updates, max_iter=max_iter, tol=-1.0, note=lambda _, at: costs.append(at.cost))
    return updates, costs


def naive(kind, X, W, model):
    if kind == "frobenius":
        return 0.5 * np.sum(W * (X - model) ** 2)
    ratio = np.divide(X, model, out=np.ones_like(X), where=W * X > 0)
    return np.sum(W * (X * np.log(ratio) - X + model))


@few
@given(seed=seeds, of_data=st.sampled_from(list(DIVERGENCES)), of_labels=st.sampled_from(list(DIVERGENCES)))
def test_multiplicative_updates_are_those_of_the_papers(backend, seed, of_data, of_labels):
    X, W, Y, L, S, A, B = problem(seed)
    weight = 0.7
    terms = [
        DIVERGENCES[of_data](hntf.as_data(backend(X), weights=backend(W))),
        DIVERGENCES[of_labels](hntf.as_data(backend(Y), weights=backend(L)), weight),
    ]
    found, _ = advanced(terms, backend(S), [backend(A), backend(B)], 1, solver="mu")

    def parts(kind, X, W, model):
        return (W * X, W * model) if kind == "frobenius" else (W * X / model, W)

    up, down = parts(of_data, X, W, S @ A.T)
    label_up, label_down = parts(of_labels, Y, L, S @ B.T)
    denominator = down @ A + weight * label_down @ B
    S = S * np.where(denominator > 0, (up @ A + weight * label_up @ B) / np.maximum(denominator, 1e-300), 1.0)
    np.testing.assert_allclose(np.asarray(found.S), S)
    up, down = parts(of_data, X, W, S @ A.T)
    label_up, label_down = parts(of_labels, Y, L, S @ B.T)
    A, B = A * (up.T @ S) / (down.T @ S), B * (label_up.T @ S) / (label_down.T @ S)
    np.testing.assert_allclose(np.asarray(found.factors[0]), A)
    np.testing.assert_allclose(np.asarray(found.factors[1]), B)
    expected = naive(of_data, X, W, S @ A.T) + weight * naive(of_labels, Y, L, S @ B.T)
    np.testing.assert_allclose(found.cost, expected)


@few
@given(
    seed=seeds,
    solver=st.sampled_from(["anls", "hals", "mu"]),
    penalties=st.sampled_from([Penalties(), Penalties(0.1, 0.2, 0.05, 0.3)]),
)
def test_the_cost_never_rises(backend, seed, solver, penalties):
    X, W, Y, L, S, A, B = problem(seed)
    terms = [
        Frobenius(hntf.as_data(backend(X), weights=backend(W))),
        Frobenius(hntf.as_data(backend(Y), weights=backend(L)), 0.5),
    ]
    _, costs = advanced(terms, backend(S), [backend(A), backend(B)], 40, solver=solver, penalties=penalties)
    assert len(costs) == 40
    assert np.all(np.diff(costs) <= 1e-10 * costs[0])


@few
@given(seed=seeds, of_labels=st.sampled_from(list(DIVERGENCES)))
def test_kullback_leibler_never_rises(seed, of_labels):
    X, W, Y, L, S, A, B = problem(seed)
    terms = [KullbackLeibler(hntf.as_data(X, weights=W)), DIVERGENCES[of_labels](hntf.as_data(Y, weights=L), 0.5)]
    _, costs = advanced(terms, S, [A, B], 40, solver="mu")
    assert len(costs) == 40
    assert np.all(np.diff(costs) <= 1e-10 * abs(costs[0]))


@pytest.mark.parametrize("kind", ["frobenius", "kullback-leibler"])
@pytest.mark.parametrize("sparse", [False, True])
def test_multiplicative_updates_agree_with_scikit_learn(rng, kind, sparse):
    X = rng.random((20, 9)) * (rng.random((20, 9)) < 0.6)
    X = scipy.sparse.csr_matrix(X) if sparse else X
    S, A = rng.random((20, 3)), rng.random((9, 3))
    W, H, _ = non_negative_factorization(
        X, W=S.copy(), H=A.T.copy(), n_components=3, init="custom", solver="mu", beta_loss=kind, max_iter=30, tol=0
    )
    found, _ = advanced([DIVERGENCES[kind](hntf.as_data(X))], S, [A], 30, solver="mu")
    np.testing.assert_allclose(found.S, W, rtol=1e-8)
    np.testing.assert_allclose(found.factors[0], H.T, rtol=1e-8)


def test_least_squares_updates_are_exact(rng):
    X, W, Y, L, S, A, B = problem(0)
    terms = [Frobenius(hntf.as_data(X, weights=W)), Frobenius(hntf.as_data(Y, weights=L), 0.5)]
    penalties = Penalties(0.01, 0.02, 0.03, 0.04)
    found, _ = advanced(terms, S, [A, B], 1, solver="anls", penalties=penalties)
    stacked = np.concatenate([A, np.sqrt(0.5) * B])
    targets, weights = np.concatenate([X, np.sqrt(0.5) * Y], axis=1), np.concatenate([W, L], axis=1)
    S = hntf.nnls(stacked, targets.T, weights=weights.T, l1=0.01, l2=0.02).T
    np.testing.assert_allclose(found.S, S, atol=1e-10)
    np.testing.assert_allclose(found.factors[0], hntf.nnls(S, X, weights=W, l1=0.03, l2=0.04).T, atol=1e-10)
    np.testing.assert_allclose(found.factors[1], hntf.nnls(S, Y, weights=L).T, atol=1e-8)
