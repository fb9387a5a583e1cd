import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

import hntf
from tests.problems import few, seeds


def draw(seed, *shapes):
    generator = torch.Generator().manual_seed(seed % 2**31)
    return [torch.rand(*shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


def margin(X, A, l1=0.0, l2=0.0):
    A, X = A.detach().numpy(), X.detach().numpy()
    return hntf.nnls(A, X.T, l1=l1, l2=l2, return_info=True)[1].margin


@few
@given(seeds, st.integers(1, 5), st.integers(2, 6), st.integers(1, 4), st.sampled_from([0.0, 0.2]))
def test_first_and_second_derivatives(seed, n, m, k, penalty):
    assume(k <= m)
    X, A = draw(seed, (n, m), (m, k))
    assume(margin(X, A, penalty, penalty) > 1e-3)

    def function(X, A):
        return hntf.torch.nnls(X, A, l1=penalty, l2=penalty)

    assert gradcheck(function, (X, A), check_forward_ad=True)
    assert gradgradcheck(function, (X, A))


def test_it_is_the_transpose_of_the_numpy_function():
    X, A = draw(0, (7, 5), (5, 3))
    expected = hntf.nnls(A.detach().numpy(), X.detach().numpy().T, l1=0.1, l2=0.2).T
    np.testing.assert_allclose(hntf.torch.nnls(X, A, l1=0.1, l2=0.2).detach().numpy(), expected, atol=1e-12)


def test_gradients_are_those_of_the_layer():
    X, A = draw(1, (7, 5), (5, 3))
    S = hntf.torch.nnls(X, A)
    dS = torch.rand_like(S)
    dX, dA = torch.autograd.grad(S, (X, A), dS)
    layer = hntf.layers.NNLSLayer(hntf.maps.Dense(A.detach()))
    expected_dX, (expected_dA,) = layer.backward(layer.forward(X.detach())[1], dS)
    torch.testing.assert_close(dX, expected_dX)
    torch.testing.assert_close(dA, expected_dA)


def test_batches_of_problems_and_vmap():
    X, A = draw(2, (3, 6, 5), (3, 5, 4))
    S = hntf.torch.nnls(X, A)
    for i in range(3):
        torch.testing.assert_close(S[i], hntf.torch.nnls(X[i], A[i]))
    torch.testing.assert_close(torch.func.vmap(hntf.torch.nnls)(X, A), S)
    shared = torch.func.vmap(hntf.torch.nnls, in_dims=(0, None))(X, A[0])
    torch.testing.assert_close(shared, hntf.torch.nnls(X, A[0]))
    torch.testing.assert_close(hntf.torch.nnls(X[0, 0], A[0]), hntf.torch.nnls(X[0], A[0])[0])


def test_gradients_a_sample_and_hessians():
    X, A = (x.detach() for x in draw(3, (6, 5), (5, 3)))

    def square(x, A):
        return hntf.torch.nnls(x, A).square().sum()

    by_sample = torch.func.vmap(torch.func.grad(square, argnums=1), in_dims=(0, None))(X, A)
    torch.testing.assert_close(by_sample.sum(0), torch.func.grad(square, argnums=1)(X, A))
    hessian = torch.func.hessian(square, argnums=1)(X, A)
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(lambda A: square(X, A), A))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes(dtype):
    X, A = (x.detach().to(dtype) for x in draw(4, (6, 5), (5, 3)))
    A.requires_grad_()
    S = hntf.torch.nnls(X, A)
    S.sum().backward()
    assert S.dtype == A.grad.dtype == dtype


def test_rank_deficient_dictionaries_have_finite_gradients():
    (X, A) = draw(5, (6, 5), (5, 2))
    wide = torch.cat([A, A, torch.zeros(5, 1, dtype=A.dtype)], 1)
    S = hntf.torch.nnls(X, wide)
    S.square().sum().backward()
    assert torch.isfinite(A.grad).all()
    assert torch.isfinite(X.grad).all()


def test_a_network_learns():
    torch.manual_seed(0)
    X = torch.rand(40, 12)
    network = torch.nn.Sequential(hntf.torch.NNLS(12, 6), hntf.torch.NNLS(6, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (network(X) - X.mean(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for layer in network[:2]:
            layer.project_()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert all((layer.A >= 0).all() for layer in network[:2])
    assert "in_shape=(12,), out_features=6" in repr(network)


@pytest.mark.parametrize(
    ("X", "A", "error", "words"),
    [
        (np.ones((2, 2)), torch.ones(2, 2), TypeError, "X must be a torch tensor"),
        (torch.ones(2, 2, dtype=torch.int64), torch.ones(2, 2), TypeError, "floating-point"),
        (torch.ones(2, 2), torch.ones(2, 2, dtype=torch.complex64), TypeError, "floating-point"),
        (torch.ones(2, 3), torch.ones(2, 2), ValueError, "X must have 2 features"),
        (torch.ones(2, 2), torch.ones(2), ValueError, "A must have shape"),
        (torch.ones(4, 2, 2), torch.ones(3, 2, 2), ValueError, "leading dimensions"),
        (torch.ones(2, 0), torch.ones(2, 2), ValueError, "features along its last axis"),
        (torch.ones(2, 2), torch.ones(2, 0), ValueError, "empty axis"),
        (torch.ones(2, 2).to_sparse(), torch.ones(2, 2), TypeError, "X must be a dense tensor"),
        (torch.full((1, 2), torch.nan), torch.ones(2, 2), ValueError, "finite"),
    ],
)
def test_bad_input_is_named(X, A, error, words):
    with pytest.raises(error, match=words):
        hntf.torch.nnls(X, A)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    X, A = draw(6, (50, 12), (12, 6))
    S = hntf.torch.nnls(X, A)
    dX, dA = torch.autograd.grad(S.square().sum(), (X, A))
    X_cuda, A_cuda = (x.detach().cuda().requires_grad_() for x in (X, A))
    S_cuda = hntf.torch.nnls(X_cuda, A_cuda)
    gradients = torch.autograd.grad(S_cuda.square().sum(), (X_cuda, A_cuda))
    for actual, expected in zip((S_cuda, *gradients), (S, dX, dA), strict=True):
        torch.testing.assert_close(actual.cpu(), expected)
