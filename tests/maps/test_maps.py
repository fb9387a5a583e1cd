"""The maps against naive dense formulas: differentiated by hand, by differences and by torch autograd."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import apply_gram, symmetric_outer
from hntf.maps import Dense, KhatriRao, ModeProduct
from tests.problems import few, seeds

LETTERS = "abcde"
MOST = {2: 6, 3: 5, 4: 4, 5: 3}


def draw_khatri_rao(rng, order, backend=np.asarray, rank=3):
    dimensions = rng.integers(2, MOST[order], order)
    return KhatriRao([backend(rng.random((d, rank))) for d in dimensions[1:]]), tuple(dimensions)


def draw_mode_product(rng, order, backend=np.asarray, *, first=None):
    """Draw a map over a random subset of the modes of a tensor."""
    dimensions = tuple(int(d) for d in rng.integers(2, MOST[order], order))
    choices = range(order) if first is None else range(first, order)
    modes = sorted(rng.choice(choices, rng.integers(1, len(choices) + 1), replace=False).tolist())
    factors = [backend(rng.random((dimensions[mode], rng.integers(1, 4)))) for mode in modes]
    return ModeProduct(factors, modes), dimensions


def draw(seed, order, kind, backend=np.asarray):
    rng = np.random.default_rng(seed)
    linear_map, shape = (draw_khatri_rao if kind == "cp" else draw_mode_product)(rng, order, backend)
    return linear_map, rng.random(linear_map.code_shape(shape)), rng.random(shape)


def naive_matrix(linear_map, shape):
    """Return the matrix of the map from flattened codes to flattened data, column by column."""
    code_shape = linear_map.code_shape(shape)
    columns = [linear_map.apply(e.reshape(code_shape)).reshape(-1) for e in np.eye(int(np.prod(code_shape)))]
    return np.stack(columns, axis=1)


@given(seeds, st.integers(2, 4), st.sampled_from(["cp", "tucker"]))
def test_the_matrix_takes_a_code_to_a_sample(backend, seed, order, kind):
    linear_map, _, X = draw(seed, order, kind, backend)
    if kind == "tucker":
        linear_map = ModeProduct([backend(np.random.default_rng(seed).random((d, 2))) for d in X.shape[1:]])
    shape = (1, *X.shape[1:])
    np.testing.assert_allclose(linear_map.matrix(), naive_matrix(on_numpy(linear_map), shape), rtol=1e-12)


def on_numpy(linear_map):
    return linear_map.with_factors([np.asarray(U) for U in linear_map.factors])


def naive_apply(linear_map, S, factors):
    """Return `M(S)` by one einsum over all modes, in torch."""
    if isinstance(linear_map, KhatriRao):
        inputs = ",".join(["az", *(f"{letter}z" for letter in LETTERS[1 : len(factors) + 1])])
        return torch.einsum(f"{inputs}->{LETTERS[: len(factors) + 1]}", S, *factors)
    letters = list(LETTERS[: S.ndim])
    terms = []
    for mode in linear_map.modes:
        terms.append(letters[mode] + letters[mode].upper())
    inputs = "".join(letter.upper() if mode in linear_map.modes else letter for mode, letter in enumerate(letters))
    return torch.einsum(",".join([inputs, *terms]) + "->" + "".join(letters), S, *factors)


@few
@given(seed=seeds, order=st.integers(2, 5), kind=st.sampled_from(["cp", "tucker"]))
def test_pullbacks_agree_with_central_differences(backend, seed, order, kind):
    linear_map, S, X = draw(seed, order, kind, backend)
    report = hntf.gradcheck(linear_map, [backend(S), backend(X)], rtol=1e-6)
    assert report.ok, str(report)


@given(seed=seeds, order=st.integers(2, 5), kind=st.sampled_from(["cp", "tucker"]))
def test_products_and_pullbacks_agree_with_autograd_of_a_naive_formula(backend, seed, order, kind):
    linear_map, S, X = draw(seed, order, kind, backend)
    data = hntf.as_data(backend(X))
    factors = [torch.tensor(np.asarray(U), requires_grad=True) for U in linear_map.factors]
    code, direction = torch.tensor(S), torch.tensor(np.random.default_rng(seed).standard_normal(S.shape))
    model = naive_apply(linear_map, code, factors)
    np.testing.assert_allclose(np.asarray(linear_map.apply(backend(S))), model.detach().numpy(), atol=1e-12)

    # C is the adjoint of M: ⟨C, V⟩ = ⟨X, M(V)⟩, and G its composition with M: ⟨S G, V⟩ = ⟨M(S), M(V)⟩.
    image = naive_apply(linear_map, direction, factors)
    rows, V = backend(S.reshape(len(S), -1)), backend(direction.numpy().reshape(len(S), -1))
    contracted = linear_map.contracted(data)
    C, G = linear_map.adjoint(data, contracted), linear_map.gram(data)
    np.testing.assert_allclose(float((C * V).sum()), (torch.tensor(X) * image).sum().item(), rtol=1e-9)
    np.testing.assert_allclose(float((apply_gram(G, rows) * V).sum()), (model * image).sum().item(), rtol=1e-9)

    ((torch.tensor(X) * image).sum() + (model * image).sum()).backward()
    gradients = linear_map.pullback(data, symmetric_outer(V, rows, G), V, contracted)
    for gradient, U in zip(gradients, factors, strict=True):
        np.testing.assert_allclose(np.asarray(gradient), U.grad.numpy(), rtol=1e-9, atol=1e-10)


@given(seed=seeds, rank=st.integers(1, 4))
def test_of_a_matrix_the_cp_layer_is_the_dense_layer_to_the_last_digit(backend, seed, rank):
    rng = np.random.default_rng(seed)
    A, X = backend(rng.random((6, rank))), backend(rng.random((5, 6)))
    (S, tape), (S_cp, tape_cp) = (NNLSLayer(M).forward(X) for M in (Dense(A), KhatriRao([A])))
    np.testing.assert_array_equal(np.asarray(S), np.asarray(S_cp))
    dS = backend(rng.standard_normal((5, rank)))
    dX, (dA,) = NNLSLayer(Dense(A)).backward(tape, dS)
    dX_cp, (dA_cp,) = NNLSLayer(KhatriRao([A])).backward(tape_cp, dS)
    np.testing.assert_array_equal(np.asarray(dX), np.asarray(dX_cp))
    np.testing.assert_array_equal(np.asarray(dA), np.asarray(dA_cp))


@few
@given(seed=seeds, order=st.integers(2, 5), kind=st.sampled_from(["cp", "tucker"]))
def test_layer_gradients_agree_with_central_differences(backend, seed, order, kind):
    rng = np.random.default_rng(seed)
    if kind == "cp":
        linear_map, shape = draw_khatri_rao(rng, order, backend, rank=2)
    else:
        linear_map, shape = draw_mode_product(rng, order, backend)
    report = hntf.gradcheck(NNLSLayer(linear_map), backend(rng.random(shape)), rtol=1e-6)
    assert report.ok or report.margin < 1e-4, str(report)


@given(seed=seeds, order=st.integers(3, 5), weighted=st.booleans())
def test_a_tucker_layer_solves_the_dense_problem(backend, seed, order, weighted):
    rng = np.random.default_rng(seed)
    linear_map, shape = draw_mode_product(rng, order, backend)
    X, W = rng.random(shape), rng.random(shape) if weighted else np.ones(shape)
    data = hntf.as_data(backend(X), weights=backend(W) if weighted else None)
    S, _ = NNLSLayer(linear_map).forward(data)
    A = naive_matrix(ModeProduct([np.asarray(U) for U in linear_map.factors], linear_map.modes), shape)
    residual = np.sqrt(W.reshape(-1)) * (A @ np.asarray(S).reshape(-1) - X.reshape(-1))
    best = np.sqrt(W.reshape(-1)) * (A @ hntf.nnls(A, X.reshape(-1), weights=W.reshape(-1)) - X.reshape(-1))
    np.testing.assert_allclose(np.linalg.norm(residual), np.linalg.norm(best), rtol=1e-9, atol=1e-12)
    assert (np.asarray(S) >= 0).all()


@few
@given(seed=seeds, order=st.integers(2, 4), kind=st.sampled_from(["cp", "tucker"]))
def test_weighted_layers_have_exact_gradients(backend, seed, order, kind):
    rng = np.random.default_rng(seed)
    if kind == "cp":
        linear_map, shape = draw_khatri_rao(rng, order, backend, rank=2)
    else:
        linear_map, shape = draw_mode_product(rng, order, backend)
    W = backend(rng.uniform(0.2, 1, shape))
    X = backend(rng.random(shape))

    def value_and_grad(*factors):
        layer = NNLSLayer(linear_map.with_factors(factors))
        S, tape = layer.forward(hntf.as_data(X, weights=W))
        return float((S * S).sum()), layer.backward(tape, 2 * S)[1]

    report = hntf.gradcheck(value_and_grad, linear_map.factors, rtol=1e-6)
    assert report.ok or report.margin < 1e-4, str(report)


@pytest.mark.parametrize("order", [3, 4, 5])
@pytest.mark.parametrize("kind", ["cp", "tucker"])
def test_permuting_modes_with_their_factors_changes_nothing(backend, rng, order, kind):
    dimensions = rng.integers(2, 5, order)
    X = rng.random(dimensions)
    factors = [rng.random((d, 2)) for d in dimensions[1:]]
    expected = None
    for permutation in itertools.islice(itertools.permutations(range(1, order)), 6):
        permuted = [backend(factors[i - 1]) for i in permutation]
        layer = NNLSLayer(KhatriRao(permuted) if kind == "cp" else ModeProduct(permuted))
        S, tape = layer.forward(backend(np.ascontiguousarray(X.transpose(0, *permutation))))
        dX, dfactors = layer.backward(tape, S)
        inverse = np.argsort([0, *permutation])
        core = np.asarray(S) if kind == "cp" else np.asarray(S).reshape(-1, *[2] * (order - 1)).transpose(inverse)
        found = [core, np.asarray(dX).transpose(inverse), *(np.asarray(dfactors[i - 1]) for i in inverse[1:])]
        expected = expected or found
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: KhatriRao(np.ones((2, 2))), TypeError, "factors must be a list"),
        (lambda: KhatriRao([]), TypeError, "factors must be a list"),
        (lambda: KhatriRao([np.ones((2, 2)), np.ones((3, 1))]), ValueError, "one number of columns"),
        (lambda: KhatriRao([np.ones(2)]), ValueError, r"factors\[0\] must have order 2"),
        (lambda: KhatriRao([np.ones((2, 1)), torch.ones(3, 1)]), TypeError, "one backend"),
        (lambda: ModeProduct([np.ones((2, 2))], [1, 2]), ValueError, "one mode a factor"),
        (lambda: ModeProduct([np.ones((2, 2))], [-1]), ValueError, "each of modes must be at least 0"),
        (lambda: ModeProduct([np.ones((2, 2))] * 2, [2, 1]), ValueError, "modes must increase"),
        (lambda: ModeProduct([np.ones((2, 2))], ["a"]), TypeError, "each of modes must be an integer"),
        (lambda: NNLSLayer(ModeProduct([np.ones((2, 2))], [3])).forward(np.ones((2, 2))), ValueError, "order above 3"),
        (lambda: NNLSLayer(KhatriRao([np.ones((2, 2))])).forward(np.ones((2, 2, 2))), ValueError, r"shape \(n, 2\)"),
        (lambda: ModeProduct([np.ones((4, 2))], [2]).apply(np.ones((3, 6))), ValueError, "S must be a tensor"),
        (
            lambda: ModeProduct([np.ones((4, 2))], [1]).apply(np.ones((3, 6))),
            ValueError,
            "S must be the code as a tensor",
        ),
        (lambda: ModeProduct([np.ones((4, 2))], 1), TypeError, "modes must be a sequence"),
        (lambda: KhatriRao([np.ones((4, 2))] * 2).apply(np.ones((3, 1))), ValueError, r"S must have shape \(n, 2\)"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
