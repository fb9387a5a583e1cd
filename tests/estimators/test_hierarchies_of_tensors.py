"""Hierarchies of tensors: the reference problem, the matrix case, planted hierarchies, and what each method defines."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import tensorly
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf import HierarchicalNCPD, MultiHNTF, MultilayerNTF, NeuralNCPD, NeuralNMF, NeuralNTF
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.layers import NNLSLayer
from hntf.losses import Energy, Reconstruction
from hntf.maps import Dense, KhatriRao, ModeProduct

RANKS = (7, 4, 2)
GOALS = {0.4: (0.2765, 0.3120, 0.5060), 0.1: (0.0965, 0.2195, 0.5340)}


@pytest.mark.slow
@pytest.mark.parametrize("noise", list(GOALS))
def test_neural_ncpd_on_the_reference_tensor(noise):
    errors = []
    for draw in range(2):
        X = make_hierarchical_tensor(noise=noise, random_state=draw).X
        errors.append(NeuralNCPD(RANKS, random_state=draw).fit(X).reconstruction_err_)
    assert np.all(np.mean(errors, axis=0) <= np.multiply(1.005, GOALS[noise]))


@pytest.mark.slow
@pytest.mark.parametrize("noise", list(GOALS))
def test_neural_ncpd_on_the_reference_tensor_from_every_seed(noise):
    means = []
    for draw in (20, 21):
        X = make_hierarchical_tensor(noise=noise, random_state=draw).X
        errors = np.array([NeuralNCPD(RANKS, random_state=seed).fit(X).reconstruction_err_ for seed in range(2)])
        assert np.all(errors.max(axis=0) <= 1.03 * errors.mean(axis=0))
        means.append(errors.mean(axis=0))
    assert np.all(np.mean(means, axis=0) <= GOALS[noise])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "goals"),
    [
        (HierarchicalNCPD(RANKS), {0.4: (0.277, 0.428, 0.716), 0.1: (0.0965, 0.468, 0.815)}),
        (MultiHNTF(RANKS), {0.4: (0.277, 0.33, 0.52), 0.1: (0.0965, 0.25, 0.56)}),
        (MultilayerNTF(RANKS, lead_mode=0), {0.4: (0.277, 0.428, 0.716), 0.1: (0.0965, 0.468, 0.815)}),
        (MultilayerNTF(RANKS, lead_mode=1), {0.4: (0.277, 0.428, 0.716), 0.1: (0.0965, 0.468, 0.815)}),
    ],
)
@pytest.mark.parametrize("noise", [0.4, 0.1])
def test_the_other_methods_on_the_reference_tensor(model, goals, noise):
    X = make_hierarchical_tensor(noise=noise, random_state=1).X
    assert np.all(model.set_params(random_state=0).fit(X).reconstruction_err_ <= goals[noise])


@pytest.mark.parametrize("loss", [Energy(), Reconstruction()])
def test_a_network_on_a_matrix_has_the_loss_and_gradients_of_the_dense_hierarchy(backend, rng, loss):
    X, factors = backend(rng.random((8, 6))), [backend(rng.random(s)) for s in ((6, 4), (4, 2))]
    dense = hntf.Hierarchy([NNLSLayer(Dense(A)) for A in factors])
    value, gradients = loss.value_and_grad(dense, X)
    for first in (KhatriRao(factors[:1]), ModeProduct(factors[:1])):
        for second in (Dense(factors[1]), ModeProduct(factors[1:])):
            network = hntf.Hierarchy([NNLSLayer(first), NNLSLayer(second)])
            other, other_gradients = loss.value_and_grad(network, X)
            np.testing.assert_allclose(other, value, rtol=1e-12)
            for a, b in zip(other_gradients, gradients, strict=True):
                np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("sparse", [False, True])
def test_of_a_matrix_neural_ntf_is_neural_nmf(sparse):
    X = make_hierarchical_blocks(random_state=0).X
    X = scipy.sparse.csr_array(X * (X > 0.5)) if sparse else X
    matrix, tensor = (Model((9, 4, 2), random_state=0).fit(X) for Model in (NeuralNMF, NeuralNTF))
    np.testing.assert_allclose(tensor.reconstruction_err_, matrix.reconstruction_err_, rtol=1e-6)
    for a, b in zip(tensor.components_, matrix.components_, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_tensor_with_one_feature_mode_more_of_length_one_is_the_matrix():
    X = make_hierarchical_blocks(random_state=0).X
    matrix = NeuralNTF((9, 4, 2), random_state=0).fit(X)
    factors = [matrix.factors_[0], np.ones((1, 9)), *matrix.factors_[1:]]
    tensor = NeuralNTF((9, 4, 2), init=factors).fit(X[:, :, None])
    np.testing.assert_allclose(tensor.reconstruction_err_, matrix.reconstruction_err_, rtol=1e-3)


@pytest.mark.slow
def test_neural_ncpd_trained_beats_held_base_and_sequential():
    X = make_hierarchical_tensor(noise=0.4, random_state=3).X
    energy = {
        name: np.sum(model.fit(X).reconstruction_err_ ** 2)
        for name, model in {
            "trained": NeuralNCPD(RANKS, random_state=0),
            "held": NeuralNCPD(RANKS, train_base=False, random_state=0),
            "sequential": HierarchicalNCPD(RANKS, random_state=0),
        }.items()
    }
    assert energy["trained"] <= energy["held"] * 1.001 <= energy["sequential"] * 1.002


def test_held_base_is_held():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    start = NeuralNCPD(RANKS, random_state=0, max_iter=1, n_init=1, tol=1e9).fit(X)
    held = NeuralNCPD(RANKS, init=start.factors_, train_base=False).fit(X)
    for before, after in zip(start.factors_[0], held.factors_[0], strict=True):
        np.testing.assert_allclose(after, before)
    assert held.history_["loss"][-1] < held.history_["loss"][0]


@pytest.mark.slow
def test_multi_hntf_gathers_the_base():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    model = MultiHNTF(RANKS, random_state=0).fit(X)
    for mode, (U, W1, W2) in enumerate(zip(*model.factors_, strict=True)):
        np.testing.assert_allclose(model.components_[2][mode].T, U @ W1 @ W2)
        np.testing.assert_array_equal(W1, model.factors_[1][0])
        np.testing.assert_array_equal(W1, model.memberships_[1])
        np.testing.assert_array_equal(W2, model.memberships_[2])
    np.testing.assert_array_equal(model.memberships_[0], np.eye(RANKS[0]))
    np.testing.assert_allclose(model.codes_[2], np.linalg.multi_dot([level[0] for level in model.factors_]))
    by_mode = MultiHNTF(RANKS, shared=False, random_state=0).fit(X)
    assert not np.allclose(by_mode.factors_[1][0], by_mode.factors_[1][1])
    assert by_mode.reconstruction_err_[2] <= model.reconstruction_err_[2] * 1.01


@pytest.mark.slow
@pytest.mark.parametrize("lead_mode", [0, 1, -1])
def test_multilayer_ntf_multiplies_up_the_lead_factors(lead_mode):
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    model = MultilayerNTF(RANKS, lead_mode=lead_mode, random_state=0).fit(X)
    lead = model.lead_mode_
    np.testing.assert_allclose(
        model.components_[2][lead].T, np.linalg.multi_dot([level[lead] for level in model.factors_])
    )
    np.testing.assert_allclose(model.codes_[2], model.components_[2][0].T)
    for level in (1, 2):
        np.testing.assert_array_equal(model.memberships_[level], model.factors_[level][lead])
    for mode in range(3):
        if mode != lead:
            np.testing.assert_allclose(model.components_[2][mode].T, model.factors_[2][mode])
    # Level 1 is an NCPD of the tensor of the base's components: better than any other start would leave it.
    base = [components.T for components in model.components_[0]]
    base[lead] = np.eye(7)
    T = tensorly.cp_to_tensor((None, base))
    level = tensorly.cp_to_tensor((None, model.factors_[1]))
    single = hntf.NCPD(4, random_state=1).fit(T).reconstruction_err_[0]
    assert np.linalg.norm(T - level) <= 1.1 * single * np.linalg.norm(T)


@pytest.mark.slow
def test_a_planted_tucker_hierarchy_is_recovered(rng):
    A = [rng.random((d, 4)) * (rng.random((d, 4)) < 0.5) for d in (12, 10)]
    B = [rng.random((4, 2)) * (rng.random((4, 2)) < 0.7) + 0.05 for _ in range(2)]
    core = rng.random((30, 2, 2))
    X = tensorly.tenalg.multi_mode_dot(core, [a @ b for a, b in zip(A, B, strict=True)], modes=[1, 2])
    model = NeuralNTF(((4, 4), (2, 2)), tol=1e-4, max_iter=500, n_init=6, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X)
    assert np.all(model.reconstruction_err_ < 0.05)
