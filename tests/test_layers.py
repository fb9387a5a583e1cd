import pickle

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense
from tests.problems import few, seeds


@few
@given(seed=seeds, n=st.integers(1, 6), m=st.integers(1, 7), k=st.integers(1, 5))
def test_gradients_agree_with_central_differences(backend, seed, n, m, k):
    rng = np.random.default_rng(seed)
    assume(k <= m)
    layer = NNLSLayer(Dense(backend(rng.uniform(0.1, 1, (m, k)))))
    report = hntf.gradcheck(layer, backend(rng.random((n, m))), rtol=1e-6)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_forward_solves_and_backward_is_linear(backend, rng):
    A, X = rng.random((6, 3)), rng.random((4, 6))
    layer = NNLSLayer(Dense(backend(A)))
    S, tape = layer.forward(backend(X))
    np.testing.assert_allclose(np.asarray(S), hntf.nnls(A, X.T).T, atol=1e-12)
    dS = rng.standard_normal((4, 3))
    dX, (dA,) = layer.backward(tape, backend(dS))
    dX2, (dA2,) = layer.backward(tape, backend(2 * dS))
    np.testing.assert_allclose(np.asarray(dX2), 2 * np.asarray(dX))
    np.testing.assert_allclose(np.asarray(dA2), 2 * np.asarray(dA))


def test_sparse_input_gives_a_sparse_gradient(rng):
    X = scipy.sparse.random(7, 6, 0.5, "csr", rng=rng)
    layer = NNLSLayer(Dense(rng.random((6, 3))))
    S, tape = layer.forward(X)
    dense_S, dense_tape = layer.forward(X.toarray())
    np.testing.assert_allclose(S, dense_S, atol=1e-12)
    dX, (dA,) = layer.backward(tape, np.ones_like(S))
    dense_dX, (dense_dA,) = layer.backward(dense_tape, np.ones_like(S))
    np.testing.assert_allclose(dA, dense_dA, atol=1e-12)
    np.testing.assert_allclose(dX.toarray(), dense_dX * (X.toarray() != 0), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_of_the_data_is_kept(rng, dtype):
    layer = NNLSLayer(Dense(rng.random((6, 3)).astype(dtype)))
    for convert in (np.asarray, torch.as_tensor):
        S, tape = NNLSLayer(Dense(convert(layer.map.A))).forward(convert(rng.random((4, 6)).astype(dtype)))
        dX, _ = NNLSLayer(Dense(convert(layer.map.A))).backward(tape, S)
        assert np.asarray(S).dtype == np.asarray(dX).dtype == dtype


def test_the_gradient_at_a_rank_deficient_point_is_finite(rng):
    A = rng.random((6, 2))
    layer = NNLSLayer(Dense(np.hstack([A, A, np.zeros((6, 1))])))
    S, tape = layer.forward(rng.random((5, 6)))
    dX, (dA,) = layer.backward(tape, np.ones_like(S))
    assert np.isfinite(dX).all()
    assert np.isfinite(dA).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: NNLSLayer(np.ones((2, 2))), TypeError, "map must be a linear map"),
        (lambda: Dense(np.ones(3)), ValueError, "A must have order 2"),
        (
            lambda: NNLSLayer(Dense(np.ones((3, 2)))).forward(np.ones((2, 4))),
            ValueError,
            r"X must have shape \(n, 3\)",
        ),
        (lambda: NNLSLayer(Dense(torch.ones(3, 2))).forward(np.ones((2, 3))), TypeError, "one backend"),
        (lambda: NNLSLayer(Dense(np.full((3, 2), np.nan))).forward(np.ones((2, 3))), ValueError, "finite"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_gradient_of_the_wrong_shape_is_named(rng):
    layer = NNLSLayer(Dense(rng.random((6, 3))))
    _, tape = layer.forward(rng.random((4, 6)))
    with pytest.raises(ValueError, match="dS must have shape"):
        layer.backward(tape, np.ones((3, 4)))


def test_work_on_the_code_in_place_does_not_change_the_backward_pass(backend, rng):
    layer = NNLSLayer(Dense(backend(rng.random((6, 3)))))
    X, dS = backend(rng.random((5, 6))), backend(rng.random((5, 3)))
    S, tape = layer.forward(X)
    _, (expected,) = layer.backward(tape, dS)
    S *= 2.0
    np.testing.assert_array_equal(layer.backward(tape, dS)[1][0], expected)


@pytest.mark.parametrize("condition", [1.0, 1e6])
def test_a_tape_goes_to_another_process(backend, rng, condition):
    layer = NNLSLayer(Dense(backend(rng.random((8, 3)) @ np.diag([1.0, 1.0, 0.0]) + rng.random((8, 3)) / condition)))
    S, tape = layer.forward(backend(rng.random((5, 8))))
    (dX, dfactors), (again, dfactors_again) = (
        layer.backward(record, S) for record in (tape, pickle.loads(pickle.dumps(tape)))
    )
    np.testing.assert_array_equal(dX, again)
    np.testing.assert_array_equal(dfactors[0], dfactors_again[0])


WRONG_SUPPORTS = [
    np.ones((4, 4), bool),
    np.ones((40, 30), bool),
    np.ones((2, 3), bool),
    np.ones((0, 3), bool),
    np.ones(3, bool),
    np.full((4, 3), np.nan),
    np.full((4, 3), 2.0),
]


@pytest.mark.parametrize("support", WRONG_SUPPORTS, ids=lambda x: f"{x.dtype}{x.shape}")
def test_wrong_supports_are_named(support, rng):
    """The kernels trust the shape: they would write beyond the array."""
    layer, X = NNLSLayer(Dense(rng.random((6, 3)))), rng.random((4, 6))
    with pytest.raises(ValueError, match="support must"):
        layer.forward(X, support=support)
    hierarchy = hntf.Hierarchy([layer, NNLSLayer(Dense(rng.random((3, 2))))])
    with pytest.raises(ValueError, match=r"supports\[0\] must"):
        hierarchy.forward(X, supports=[support, None])
    codes, _ = hierarchy.forward(X, supports=[None, np.ones((4, 2))])
    np.testing.assert_allclose(codes[1], hierarchy.forward(X)[0][1], rtol=1e-12)


def test_supports_of_another_number_of_levels_or_backend_are_named(rng):
    layer, X = NNLSLayer(Dense(rng.random((6, 3)))), rng.random((4, 6))
    for supports in ([], [None, None], 3):
        with pytest.raises(ValueError, match="supports must be a list with one entry per level, 1"):
            hntf.Hierarchy([layer]).forward(X, supports=supports)
    with pytest.raises(TypeError, match="one backend"):
        layer.forward(X, support=torch.ones(4, 3, dtype=torch.bool))


def test_supports_of_tensor_codes_have_the_shape_of_the_codes(rng):
    X = rng.random((4, 5, 3))
    layer = NNLSLayer(hntf.maps.ModeProduct([rng.random((5, 2))], [1]))
    S, tape = layer.forward(X)
    assert np.allclose(layer.forward(X, support=tape.support)[0], S)
    with pytest.raises(ValueError, match=r"support must have shape \(4, 6\)"):
        layer.forward(X, support=tape.support[:, :4])
