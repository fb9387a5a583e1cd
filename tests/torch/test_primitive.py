"""Derivatives: against differences, against each other, and through the transforms of `torch.func`."""

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torch.func import hessian, jacfwd, jacrev, vmap

import hntf
from hntf.torch import nnls, nnls_gram
from tests.problems import few, seeds
from tests.torch.problems import OPTIONS, K, M, N, assert_smooth, detached, draw, options

pytestmark = pytest.mark.usefixtures("one_thread")


class TestDerivatives:
    @few
    @given(seeds, st.integers(1, 3), st.integers(2, 6), st.integers(1, 4), st.sampled_from([0.0, 0.2]))
    def test_of_random_problems(self, seed, n, m, k, penalty):
        assume(k <= m)
        X, A = draw(seed, (n, m), (m, k))
        assume(nnls(X, A, l1=penalty, l2=penalty, return_info=True)[1].margin > 1e-3)

        def function(X, A):
            return nnls(X, A, l1=penalty, l2=penalty)

        assert gradcheck(function, (X, A), check_forward_ad=True, fast_mode=True)
        assert gradgradcheck(function, (X, A), fast_mode=True)

    @pytest.mark.parametrize("name", OPTIONS)
    def test_with_respect_to_every_argument(self, name):
        X, A = draw(2, (N, M), (M, K))
        given = options(name)
        assert_smooth(X, A, **given)

        def function(X, A, *values):
            return nnls(X, A, **dict(zip(given, values, strict=True)))

        # Every entry of the Jacobian where all arguments take part, otherwise its product with a random direction.
        inputs = (X, A, *given.values())
        assert gradcheck(function, inputs, check_forward_ad=True, fast_mode=name != "all")
        assert gradgradcheck(function, inputs, check_fwd_over_rev=True, fast_mode=True)

    @pytest.mark.parametrize("name", ["no penalty", "all"])
    @pytest.mark.parametrize(("batch_X", "batch_A"), [((2,), (2,)), ((2,), ()), ((), (2,)), ((2, 1), (2,))], ids=str)
    def test_of_batches(self, batch_X, batch_A, name):
        X, A = draw(2, (*batch_X, N, M), (*batch_A, M, K))
        given = options(name)
        assert_smooth(X, A, **given)

        def function(X, A, *values):
            return nnls(X, A, **dict(zip(given, values, strict=True)))

        inputs = (X, A, *given.values())
        assert gradcheck(function, inputs, check_forward_ad=True, fast_mode=True)
        assert gradgradcheck(function, inputs, fast_mode=True)

    @pytest.mark.parametrize("batch", [(), (N,), (2,), (2, N)], ids=["one", "one a row", "batch", "batch, one a row"])
    def test_of_the_gram_form(self, batch):
        A, X = draw(2, (*batch, M, K), (2, N, M) if 2 in batch else (N, M))
        C = (X[..., None, :] @ A)[..., 0, :] if N in batch else X @ A
        G, C = (x.detach().requires_grad_() for x in (A.mT @ A, C))
        _, info = nnls_gram(G, C, return_info=True)
        assert info.margin > 1e-3
        assert gradcheck(nnls_gram, (G, C), check_forward_ad=True)
        assert gradgradcheck(nnls_gram, (G, C), check_fwd_over_rev=True, fast_mode=True)

    def test_are_those_of_the_layer(self):
        X, A = draw(1, (7, 5), (5, 3))
        S = nnls(X, A, l1=0.1, l2=0.2)
        dS = torch.rand_like(S)
        dX, dA = torch.autograd.grad(S, (X, A), dS)
        layer = hntf.layers.NNLSLayer(hntf.maps.Dense(A.detach()), l1=0.1, l2=0.2)
        expected_dX, (expected_dA,) = layer.backward(layer.forward(X.detach())[1], dS)
        torch.testing.assert_close(dX, expected_dX)
        torch.testing.assert_close(dA, expected_dA)

    def test_of_rank_deficient_dictionaries_are_finite(self):
        X, A = draw(5, (6, 5), (5, 2))
        wide = torch.cat([A, A, torch.zeros(5, 1, dtype=A.dtype)], 1)
        first = torch.autograd.grad(nnls(X, wide).square().sum(), (X, A), create_graph=True)
        second = torch.autograd.grad(sum(x.sum() for x in first), (X, A))
        assert all(torch.isfinite(x).all() for x in (*first, *second))


class TestTransforms:
    """The transforms of `torch.func`, with penalties and weights."""

    @pytest.mark.parametrize("name", OPTIONS)
    def test_vmap_agrees_with_a_batch(self, name):
        X, A = detached(*draw(0, (2, N, M), (2, M, K)))
        given = {key: torch.stack([x, 0.5 * x]).detach() for key, x in options(name).items()}

        def function(X, A, values):
            return nnls(X, A, **values)

        expected = torch.stack([function(X[i], A[i], {key: x[i] for key, x in given.items()}) for i in range(2)])
        torch.testing.assert_close(vmap(function)(X, A, given), expected)
        shared = vmap(function, in_dims=(0, None, 0))(X, A[0], given)
        torch.testing.assert_close(shared[1], function(X[1], A[0], {key: x[1] for key, x in given.items()}))
        torch.testing.assert_close(
            vmap(function, in_dims=(1, None, None), out_dims=1)(X.mT.mT, A[0], {}), nnls(X, A[0])
        )

    def test_vmap_over_samples_and_penalties(self):
        X, A, l1 = detached(*draw(0, (N, M), (M, K), (6,)))
        by_sample = vmap(lambda x: nnls(x, A, l1=0.1))(X)
        torch.testing.assert_close(by_sample, nnls(X, A, l1=0.1))
        path = vmap(lambda penalty: nnls(X, A, l1=penalty))(l1)
        torch.testing.assert_close(path, torch.stack([nnls(X, A, l1=penalty.item()) for penalty in l1]))

    def test_vmap_of_the_gram_form(self):
        A, C = detached(*draw(0, (2, M, K), (2, N, K)))
        G = A.mT @ A
        torch.testing.assert_close(vmap(nnls_gram)(G, C), nnls_gram(G, C))
        torch.testing.assert_close(vmap(nnls_gram, in_dims=(None, 0))(G[0], C), nnls_gram(G[0], C))
        expected = torch.stack([nnls_gram(g, C[0]) for g in G])
        torch.testing.assert_close(vmap(nnls_gram, in_dims=(0, None))(G, C[0]), expected)

    @pytest.mark.parametrize("name", OPTIONS)
    def test_jacobians_and_hessians(self, name):
        X, A = detached(*draw(0, (N, M), (M, K)))
        given = options(name)
        inputs = (X, A, *(x.detach() for x in given.values()))
        argnums = tuple(range(len(inputs)))

        def function(X, A, *values):
            return nnls(X, A, **dict(zip(given, values, strict=True)))

        def value(*arguments):
            return function(*arguments).square().sum()

        expected = torch.autograd.functional.jacobian(function, inputs)
        torch.testing.assert_close(jacrev(function, argnums)(*inputs), expected)
        torch.testing.assert_close(jacfwd(function, argnums)(*inputs), expected)
        expected = torch.autograd.functional.hessian(value, inputs)
        torch.testing.assert_close(hessian(value, argnums)(*inputs), expected)
        torch.testing.assert_close(jacrev(jacrev(value, argnums), argnums)(*inputs), expected)

    def test_gradients_of_each_sample(self):
        X, A, W = detached(*draw(0, (N, M), (M, K), (N, M)))

        def value(x, A, w):
            return nnls(x, A, l1=0.05, weights=w).square().sum()

        by_sample = vmap(torch.func.grad(value, argnums=1), in_dims=(0, None, 0))(X, A, W)
        torch.testing.assert_close(by_sample.sum(0), torch.func.grad(value, argnums=1)(X, A, W))

    def test_jacobian_of_the_gram_form(self):
        X, A = detached(*draw(0, (N, M), (M, K)))
        inputs = (A.mT @ A, X @ A)
        expected = torch.autograd.functional.jacobian(nnls_gram, inputs)
        torch.testing.assert_close(jacrev(nnls_gram, (0, 1))(*inputs), expected)
        torch.testing.assert_close(jacfwd(nnls_gram, (0, 1))(*inputs), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", OPTIONS)
def test_cuda_agrees_with_the_cpu(name):
    X, A = draw(6, (N, M), (M, K))
    inputs = (X, A, *options(name).values())
    on_device = [x.detach().cuda().requires_grad_() for x in inputs]

    def function(X, A, *values):
        S = nnls(X, A, **dict(zip(OPTIONS[name], values, strict=True)))
        return S, *torch.autograd.grad(S.square().sum(), (X, A, *values))

    for actual, expected in zip(function(*on_device), function(*inputs), strict=True):
        torch.testing.assert_close(actual.cpu(), expected)
