"""Samples with the same weights are solved together: codes, derivatives and information are those of each by itself."""

import numpy as np
import pytest
import torch

import hntf
from hntf.arrays import row_digests
from hntf.torch import functional
from hntf.torch.equal_weights import equal_samples

N, M, K = 1200, 8, 3


def draw(kind, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    X, A = (torch.rand(*shape, generator=generator, dtype=dtype) for shape in ((N, M), (M, K)))
    patterns = torch.rand(2, M, generator=generator) < 0.6 if "masks" in kind else torch.rand(2, M, generator=generator)
    weights = patterns[torch.randint(2, (N,), generator=generator)]
    if "others" in kind:
        weights = weights.double()
        weights[::9] = torch.rand(len(weights[::9]), M, generator=generator, dtype=torch.float64)
    if kind == "of features":
        weights = patterns[0]
    return X, A, weights


def one_by_one(X, A, weights, **options):
    """Solve with weights that are differentiated, which are not compared."""
    weights = weights.double().expand(X.shape).clone().requires_grad_()
    assert equal_samples(X, weights) is None
    return hntf.torch.nnls(X, A, weights=weights, **options)


@pytest.mark.parametrize("kind", ["masks", "masks and others", "weights", "weights and others", "of features"])
@pytest.mark.parametrize("penalties", [{}, {"l1": 0.1, "l2": 0.2}, {"l1": torch.linspace(0, 0.2, N)[:, None]}])
def test_derivatives(kind, penalties):
    X, A, weights = draw(kind)
    found = []
    for solve in (one_by_one, lambda X, A, W, **options: hntf.torch.nnls(X, A, weights=W, **options)):
        arguments = [x.clone().requires_grad_() for x in (X, A)]
        codes = solve(*arguments, weights, **penalties)
        first = torch.autograd.grad((codes**2).sum(), arguments, create_graph=True)
        second = torch.autograd.grad(sum((g**2).sum() for g in first), arguments)
        found.append([codes, *first, *second])
    for expected, ours in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-8, atol=1e-9)


def test_what_is_hidden_may_be_anything():
    X, A, mask = draw("masks")
    covered = X.masked_fill(~mask, torch.nan)
    torch.testing.assert_close(
        hntf.torch.nnls(covered, A, weights=mask), one_by_one(X, A, mask), rtol=1e-12, atol=1e-12
    )


def test_information_and_starts():
    X, A, weights = draw("masks and others")
    S, info = hntf.torch.nnls(X, A, weights=weights, return_info=True)
    _, expected = one_by_one(X, A, weights, return_info=True)
    assert torch.equal(info.support, expected.support)
    assert info.kkt_residual < 1e-13
    assert info.margin == pytest.approx(expected.margin, rel=1e-6)
    assert info.unique == expected.unique
    torch.testing.assert_close(hntf.torch.nnls(X, A, weights=weights, support=info.support), S, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["masks", "weights"])
def test_dtypes(kind):
    X, A, weights = draw(kind, torch.float32)
    assert hntf.torch.nnls(X, A, weights=weights).dtype == torch.float32
    torch.testing.assert_close(hntf.torch.nnls(X, A, weights=weights), one_by_one(X, A, weights))


def test_transforms():
    X, A, weights = draw("masks")
    solve = lambda X: hntf.torch.nnls(X, A, weights=weights)  # noqa: E731
    expected = one_by_one(X, A, weights)
    batch = torch.func.vmap(solve)(torch.stack([X, 2 * X]))
    torch.testing.assert_close(batch[1], 2 * expected, rtol=1e-10, atol=1e-12)
    _, tangent = torch.func.jvp(solve, (X,), (X,))
    torch.testing.assert_close(tangent, expected, rtol=1e-10, atol=1e-12)
    of_weights = torch.func.grad(lambda W: hntf.torch.nnls(X, A, weights=W).square().sum())(weights.double())
    W = weights.double().requires_grad_()
    torch.testing.assert_close(of_weights, torch.autograd.grad(hntf.torch.nnls(X, A, weights=W).square().sum(), W)[0])


def test_a_hidden_entry_takes_no_gram_matrix_for_every_sample(monkeypatch):
    shapes = []
    original = functional.solve
    monkeypatch.setattr(functional, "solve", lambda G, *rest: shapes.append(tuple(G.shape)) or original(G, *rest))
    X, A, _ = draw("masks")
    weights = torch.ones(N, M)
    weights[3, 5] = 0.0
    hntf.torch.nnls(X, A, weights=weights)
    assert sorted(shapes) == [(1, K, K), (K, K)]


def test_rows_with_the_same_digest_are_not_taken_for_equal():
    """Two masks that were found to collide."""
    rows = ("111101001000100100000101011000", "000000000110000010001000000011")
    weights = torch.tensor([[float(c) for c in row] for row in rows]).double()
    digests = row_digests(weights.numpy())
    assert digests[0] == digests[1]
    weights = weights.repeat_interleave(600, 0)
    generator = torch.Generator().manual_seed(0)
    X, A = (torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in ((1200, 30), (30, 3)))
    expected = one_by_one(X, A, weights)
    torch.testing.assert_close(hntf.torch.nnls(X, A, weights=weights), expected, rtol=1e-9, atol=1e-10)
    of_numpy = hntf.nnls(A.numpy(), X.mT.numpy(), weights=weights.mT.numpy()).T
    np.testing.assert_allclose(of_numpy, expected.detach().numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("data", "weight"), [(1e-250, 1e-200), (1e-220, 1e-200), (1e210, 1e200), (1e3, 1e-300)])
def test_units(data, weight):
    X, W = (torch.full((1200, 2), value, dtype=torch.float64) for value in (data, weight))
    torch.testing.assert_close(hntf.torch.nnls(X, torch.eye(2).double(), weights=W), X, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_have_the_shape_of_all_samples(name):
    X, A, weights = draw("masks")
    for shape in ((N // 2, 1), (N // 2, K), (K + 1,)):
        with pytest.raises(ValueError, match=rf"{name} must have a shape that can be broadcast to \({N}, {K}\)"):
            hntf.torch.nnls(X, A, weights=weights, **{name: torch.full(shape, 0.5)})


class Weighted(torch.nn.Module):
    def forward(self, X, A, weights):
        return hntf.torch.nnls(X, A, weights=weights)


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, N])
def test_an_export_takes_any_number_of_samples(n):
    X, A, weights = (x.double() for x in draw("masks"))
    n_samples = torch.export.Dim("n", min=2)
    program = torch.export.export(
        Weighted(), (X[:n], A, weights[:n]), dynamic_shapes=({0: n_samples}, None, {0: n_samples})
    )
    torch.testing.assert_close(program.module()(X, A, weights), one_by_one(X, A, weights), rtol=1e-10, atol=1e-11)
