"""What is wrong is named within the transforms of `torch.func` too, and tracers without entries get shapes."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from hntf.torch import nnls, nnls_gram
from tests.torch.problems import K, M, N, detached, draw

pytestmark = pytest.mark.usefixtures("one_thread")

INDEFINITE = torch.stack([torch.eye(K), torch.diag(torch.tensor([*[1.0] * (K - 1), -1.0]))])
"""Two Gram matrices of which the second is indefinite."""


@pytest.fixture
def problem():
    return detached(*draw(0, (N, M), (M, K)))


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["l1", "l2", "weights"])
@pytest.mark.parametrize("axis", [0, 1])
def test_bad_values_that_are_mapped_are_named(problem, name, value, axis):
    X, A = problem
    good = torch.ones(M if name == "weights" else K, dtype=torch.float64)
    mapped = torch.stack([good, good.index_fill(0, torch.tensor([1]), value)], dim=axis)
    with pytest.raises(ValueError, match=f"{name} must be"):
        vmap(lambda x: nnls(X, A, **{name: x}), in_dims=axis)(mapped)
    with pytest.raises(ValueError, match=f"{name} must be"):
        grad(lambda x: nnls(X, A, **{name: x}).sum())(mapped.select(axis, 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_indefinite_gram_matrices_that_are_mapped_are_named(axis):
    C = torch.ones(N, K)
    with pytest.raises(ValueError, match="positive semidefinite"):
        vmap(lambda G: nnls_gram(G, C), in_dims=axis)(INDEFINITE.movedim(0, axis))
    G = torch.stack([torch.eye(K), 2 * torch.eye(K)]).movedim(0, axis)
    assert torch.equal(vmap(lambda G: nnls_gram(G, C), in_dims=axis)(G)[1], 0.5 * C)


def test_mapped_codes_that_overflow_are_named_or_widened(problem):
    X, A = problem
    with pytest.raises(ValueError, match="the solution overflows"):
        vmap(lambda x: nnls(x, A * 1e-300))(X[None] * 1e50)
    assert vmap(lambda x: nnls(x, A * 1e-6))(X[None].half()).dtype == nnls(X.half(), A * 1e-6).dtype == torch.float32


def test_fake_tensors_have_shapes_and_gradients():
    with FakeTensorMode():
        X, A = torch.rand(1000, M), torch.rand(M, K, requires_grad=True)
        S = nnls(X, A, l1=0.1, weights=torch.ones(1000, M))
        S.sum().backward()
        assert (S.shape, A.grad.shape) == ((1000, K), (M, K))
        assert nnls_gram(torch.eye(K), torch.rand(N, K)).shape == (N, K)


@pytest.mark.parametrize("tracing_mode", ["real", "fake", "symbolic"])
def test_traced_graphs_are_those_of_other_values(problem, tracing_mode):
    X, A = problem

    def function(X, A):
        S = nnls(X, A, weights=torch.ones_like(X))
        return S, torch.autograd.grad(S.sum(), A)[0]

    graph = make_fx(function, tracing_mode=tracing_mode)(X, A.requires_grad_())
    X, A = detached(*draw(1, (N, M), (M, K)))
    for actual, expected in zip(graph(X, A), function(X, A.requires_grad_()), strict=True):
        torch.testing.assert_close(actual, expected)


def test_information_is_exported(problem):
    class Supports(torch.nn.Module):
        def forward(self, X, A):
            S, info = nnls(X, A, return_info=True)
            return S, info.support

    X, A = problem
    S, support = torch.export.export(Supports(), (X, A)).module()(X, A)
    assert torch.equal(support, S > 0)


def test_what_is_done_to_a_support_does_not_change_gradients(problem):
    X, A = problem
    expected = torch.autograd.grad(nnls(X, A.requires_grad_()).sum(), A)[0]
    S, info = nnls(X, A, return_info=True)
    info.support[:] = False
    assert torch.equal(torch.autograd.grad(S.sum(), A)[0], expected)
