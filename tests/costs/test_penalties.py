import numpy as np
import pytest
from hypothesis import assume, given

import hntf
from hntf.layers import NNLSLayer
from hntf.losses import Energy, LayerCentric, Penalised
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models.stack import dense_hierarchy
from tests.problems import few, seeds

PENALTIES = {"code_l1": 0.1, "code_l2": 0.2, "factor_l1": 0.3, "factor_l2": 0.4, "volume": 0.5, "delta": 0.05}


def penalised_stack(rng, backend=np.asarray):
    factors = [backend(rng.uniform(0.1, 1.0, shape)) for shape in ((6, 4), (4, 2))]
    return dense_hierarchy(factors, l1=0.1, l2=0.2)


@few
@given(seed=seeds)
def test_gradients(backend, seed):
    rng = np.random.default_rng(seed)
    stack, X = penalised_stack(rng, backend), backend(rng.random((7, 6)))
    for loss in (Penalised(Energy(), **PENALTIES), LayerCentric([1.0, 3.0])):
        report = hntf.gradcheck(loss, [stack, X], rtol=1e-5)
        assume(report.margin > 1e-4)
        assert report.ok, str(report)


def test_values(backend, rng):
    stack, X = penalised_stack(rng, backend), rng.random((7, 6))
    codes = [np.asarray(S) for S in stack.forward(backend(X))[0]]
    A = [np.asarray(U) for U in stack.factors]
    inputs = [X, codes[0]]
    expected = sum(w * np.sum((Z - S @ U.T) ** 2) for w, Z, S, U in zip((1.0, 3.0), inputs, codes, A, strict=True))
    np.testing.assert_allclose(LayerCentric([1.0, 3.0]).value_and_grad(stack, backend(X))[0], expected)
    energy = Energy().value_and_grad(stack, backend(X))[0]
    penalties = sum(0.2 * S.sum() + 0.2 * np.sum(S**2) for S in codes)
    penalties += sum(
        0.6 * U.sum() + 0.4 * np.sum(U**2) + 0.5 * np.linalg.slogdet(U.T @ U + 0.05 * np.eye(U.shape[1]))[1] for U in A
    )
    value, _ = Penalised(Energy(), **PENALTIES).value_and_grad(stack, backend(X))
    np.testing.assert_allclose(value, energy + penalties)


def test_penalised_layers_are_exact(backend, rng):
    A, X = rng.random((6, 4)), rng.random((7, 6))
    S, _ = NNLSLayer(Dense(backend(A)), l1=0.1, l2=0.3).forward(backend(X))
    np.testing.assert_allclose(np.asarray(S), hntf.nnls(A, X.T, l1=0.1, l2=0.3).T, atol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_penalised_layers(backend, rng, weighted):
    X = backend(rng.random((4, 3, 2)))
    data = hntf.as_data(X, weights=backend(rng.random((4, 3, 2)))) if weighted else X
    factors = [backend(rng.random((3, 2))), backend(rng.random((2, 2)))]
    for layer in (NNLSLayer(KhatriRao(factors), l1=0.05, l2=0.2), NNLSLayer(ModeProduct(factors), l1=0.05, l2=0.2)):
        report = hntf.gradcheck(Energy(), [hntf.Hierarchy([layer]), data], rtol=1e-5)
        assert report.ok, str(report)


def test_one_level_is_one_problem(rng):
    """With its own penalties in the layer and in the loss, a level minimises one function over code and factor."""
    X, A = rng.random((8, 5)), rng.random((5, 2))
    stack = dense_hierarchy([A], l1=0.1, l2=0.2)
    loss = Penalised(Energy(), code_l1=0.1, code_l2=0.2)
    S = stack.forward(X)[0][0]
    _, (dA,) = loss.value_and_grad(stack, X)
    np.testing.assert_allclose(dA, 2 * (A @ (S.T @ S) - X.T @ S), atol=1e-9)


def test_layer_centric_is_for_hierarchies(rng):
    model = hntf.hierarchies.GatheredComponents([rng.random((4, 2)), rng.random((3, 2))], [[], []], train_base=True)
    with pytest.raises(TypeError, match="LayerCentric"):
        LayerCentric().value_and_grad(model, rng.random((4, 3)))


def test_a_negative_penalty_is_named():
    with pytest.raises(ValueError, match="code_l1"):
        Penalised(Energy(), code_l1=-1.0)
