import numpy as np
import pytest
import torch

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense
from tests.problems import hierarchy


def test_it_finds_a_wrong_gradient_and_says_where():
    def function(x, y):
        gradient = 3 * y**2
        gradient[1] *= 1.01
        return (x**2).sum() + (y**3).sum(), [2 * x, gradient]

    report = hntf.gradcheck(function, [np.array([1.0, 2.0]), np.array([1.0, 3.0, 2.0])])
    assert not report.ok
    assert not report.at_kink
    assert report.worst.input == 1
    assert report.worst.index == (1,)
    np.testing.assert_allclose(report.max_rel_error, 0.01, rtol=0.05)
    assert "GRADIENTS DIFFER" in str(report)


def test_a_kink_is_told_apart_from_a_bug():
    # The sample is orthogonal to the second column: its code there is zero, and so is its dual.
    layer = NNLSLayer(Dense(np.eye(2)))
    report = hntf.gradcheck(layer, np.array([[1.0, 0.0]]))
    assert report.ok
    assert report.n_at_kinks == 2
    assert report.n_judged == 4
    assert report.margin == 0.0
    assert "left out at kinks: 2 entries" in str(report)
    nothing = hntf.gradcheck(lambda x: (abs(x).sum(), [np.sign(x)]), [np.array([1.0])])
    assert nothing.ok
    alone = hntf.gradcheck(lambda x: ((S := layer.forward(x)[0]).sum(), [S]), [np.array([[0.0, 0.0]])])
    assert not alone.ok
    assert alone.at_kink
    assert "KINK" in str(alone)


def test_the_other_samples_are_judged(rng):
    """A sample at a kink does not hide a wrong gradient of the others."""
    A, X = rng.random((6, 3)), rng.random((4, 6))
    X[1] = 0.0
    assert hntf.gradcheck(NNLSLayer(Dense(A)), X).samples_at_kinks == (1,)

    class Wrong(NNLSLayer):
        def backward(self, tape, dS):
            dX, (dA,) = super().backward(tape, dS)
            return dX, [1.001 * dA]

    report = hntf.gradcheck(Wrong(Dense(A)), X)
    assert not report.ok
    assert report.worst.input == 1


def test_the_margin_is_that_of_the_solution(rng):
    A, X = rng.random((6, 3)), rng.random((4, 6))
    margin = hntf.nnls(A, X.T, return_info=True)[1].margin
    report = hntf.gradcheck(NNLSLayer(Dense(A)), X)
    np.testing.assert_allclose(report.margin, margin, rtol=1e-8)


def test_functions_that_autograd_follows():
    def function(X, A):
        return hntf.torch.nnls(X, A) * torch.arange(1.0, 4.0)

    torch.manual_seed(1)
    report = hntf.gradcheck(function, [torch.rand(5, 6), torch.rand(6, 3)])
    assert report.ok, str(report)
    assert np.isfinite(report.margin)


def test_maps(backend, rng):
    report = hntf.gradcheck(
        Dense(backend(rng.random((5, 3)))), [backend(rng.random((4, 3))), backend(rng.random((4, 5)))]
    )
    assert report.ok, str(report)
    assert report.margin == np.inf


@pytest.mark.parametrize(
    ("function", "inputs", "error", "words"),
    [
        (3, [np.ones(2)], TypeError, "function must be"),
        (lambda x: x.sum(), [np.ones(2)], TypeError, r"must return \(value, gradients\)"),
        (lambda x: (x.sum(), []), [np.ones(2)], ValueError, "one gradient an input"),
        (lambda x: (x.sum(), [np.ones(3)]), [np.ones(2)], ValueError, "must have its shape"),
        (lambda x: (x.sum(), [x]), [np.array([np.nan])], ValueError, "contains NaN"),
        (hntf.losses.Energy(), [np.ones((2, 2))], ValueError, "a hierarchy and X"),
        (Dense(np.ones((2, 2))), [np.ones((2, 2))], ValueError, "a code S and data X"),
    ],
)
def test_bad_input_is_named(function, inputs, error, words):
    with pytest.raises(error, match=words):
        hntf.gradcheck(function, inputs)


def test_bad_steps_are_named(rng):
    with pytest.raises(ValueError, match="eps must be greater than 0"):
        hntf.gradcheck(hierarchy(rng, 4, (2,)), rng.random((3, 4)), eps=0.0)
