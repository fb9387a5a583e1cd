"""The functions against loops, the functions for NumPy, and what they must refuse."""

import itertools

import numpy as np
import pytest
import torch

import hntf
from hntf.torch import nnls, nnls_gram
from tests.torch.problems import OPTIONS, K, M, N, detached, draw, options

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("l1", [0.0, 0.1])
@pytest.mark.parametrize("l2", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_transpose_of_the_numpy_function(l1, l2, weighted):
    X, A, W = (x.numpy() for x in detached(*draw(0, (7, 5), (5, 3), (7, 5))))
    given = {"l1": l1, "l2": l2}
    expected, expected_info = hntf.nnls(A, X.T, **given, weights=W.T if weighted else None, return_info=True)
    weights = torch.tensor(W) if weighted else None
    S, info = nnls(torch.tensor(X), torch.tensor(A), **given, weights=weights, return_info=True)
    np.testing.assert_allclose(S, expected.T, atol=1e-12)
    np.testing.assert_array_equal(info.support, expected_info.support.T)
    assert info.kkt_residual < 1e-14
    assert info.margin == pytest.approx(expected_info.margin, rel=1e-9)
    assert info.unique == expected_info.unique


class TestBroadcasting:
    @pytest.mark.parametrize("name", OPTIONS)
    @pytest.mark.parametrize(
        ("batch_X", "batch_A"),
        [((3,), ()), ((), (3,)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1), (3,)), ((3,), (2, 1)), ((2, 3), (2, 3))],
        ids=str,
    )
    def test_agrees_with_a_loop(self, batch_X, batch_A, name):
        X, A = draw(0, (*batch_X, N, M), (*batch_A, M, K))
        given = options(name)
        S, info = nnls(X, A, **given, return_info=True)
        batch = torch.broadcast_shapes(batch_X, batch_A)
        assert S.shape == info.support.shape == (*batch, N, K)
        X, A = X.expand(*batch, N, M), A.expand(*batch, M, K)
        for i in itertools.product(*map(range, batch)):
            torch.testing.assert_close(S[i], nnls(X[i], A[i], **given))

    def test_options_of_every_problem(self):
        X, A, W, l1, l2 = draw(0, (2, 3, N, M), (3, M, K), (2, 1, N, M), (2, 3, N, K), (3, 1, K))
        S = nnls(X, A, weights=W, l1=0.1 * l1, l2=0.1 * l2)
        for i, j in itertools.product(range(2), range(3)):
            expected = nnls(X[i, j], A[j], weights=W[i, 0], l1=0.1 * l1[i, j], l2=0.1 * l2[j])
            torch.testing.assert_close(S[i, j], expected)

    @pytest.mark.parametrize("name", [name for name, shapes in OPTIONS.items() if (N, 1) not in shapes.values()])
    def test_one_sample(self, name):
        X, A = draw(0, (M,), (M, K))
        given = {key: x[0] if x.ndim == 2 else x for key, x in options(name).items()}
        s, info = nnls(X, A, **given, return_info=True)
        assert s.shape == info.support.shape == (K,)
        torch.testing.assert_close(s, nnls(X[None], A, **given)[0])

    @pytest.mark.parametrize(
        ("batch_G", "batch_C"), [((), (3,)), ((3,), ()), ((2, 1), (3,)), ((3,), (2, 3)), ((2, 3), (2, 3))], ids=str
    )
    @pytest.mark.parametrize("by_row", [False, True])
    def test_of_the_gram_form_agrees_with_a_loop(self, batch_G, batch_C, by_row):
        # One Gram matrix a row is told from a batch by one dimension more than `C`.
        batch_C = (*[1] * max(len(batch_G) - len(batch_C), 0), *batch_C)
        batch_G = (*[1] * max(len(batch_C) - len(batch_G), 0), *batch_G) if by_row else batch_G
        A, C = draw(0, (*batch_G, *[N] * by_row, M, K), (*batch_C, N, K))
        G = A.mT @ A
        S, info = nnls_gram(G, C, return_info=True)
        batch = torch.broadcast_shapes(batch_G, batch_C)
        assert S.shape == info.support.shape == (*batch, N, K)
        G, C = G.expand(*batch, *[N] * by_row, K, K), C.expand(*batch, N, K)
        for i in itertools.product(*map(range, batch)):
            torch.testing.assert_close(S[i], nnls_gram(G[i], C[i]))


class TestEmptyBatches:
    @pytest.mark.parametrize("shape", [(0, M), (2, 0, M)])
    def test_with_a_ridge_of_each_sample(self, shape):
        X, A = detached(*draw(0, shape, (M, K)))
        assert nnls(X, A, l2=torch.rand(*shape[:-1], 1)).shape == (*shape[:-1], K)

    @pytest.mark.parametrize("name", ["no penalty", "l1 of each component", "weights of features"])
    @pytest.mark.parametrize(
        ("shape_X", "shape_A"), [((0, M), (M, K)), ((0, N, M), (M, K)), ((0, N, M), (0, M, K)), ((2, 0, M), (2, M, K))]
    )
    def test_have_empty_solutions_and_zero_gradients(self, shape_X, shape_A, name):
        X, A = draw(0, shape_X, shape_A)
        given = options(name)
        S = nnls(X, A, **given)
        assert S.shape == (*shape_X[:-1], K)
        for x, gradient in zip((X, A), torch.autograd.grad(S.sum(), (X, A)), strict=True):
            torch.testing.assert_close(gradient, torch.zeros_like(x))

    def test_mapped(self):
        X, A = detached(*draw(0, (0, N, M), (M, K)))
        assert torch.func.vmap(nnls, in_dims=(0, None))(X, A).shape == (0, N, K)
        gradient = torch.func.vmap(torch.func.grad(lambda x: nnls(x, A).sum()))(X)
        assert gradient.shape == (0, N, M)

    def test_of_the_gram_form(self):
        C = torch.zeros(0, K)
        assert nnls_gram(torch.eye(K), C).shape == (0, K)
        assert nnls_gram(torch.zeros(0, K, K), C).shape == (0, K)
        assert nnls_gram(torch.eye(K), C.expand(2, 0, K)).shape == (2, 0, K)

    def test_have_information(self):
        X, A = detached(*draw(0, (0, M), (M, K)))
        _, info = nnls(X, A, return_info=True)
        assert info.support.shape == (0, K)
        assert info.n_iter == 0
        assert info.unique
        assert info.kkt_residual == 0.0
        assert info.margin == float("inf")


class TestDtypes:
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
    def test_are_kept(self, dtype):
        X, A = (x.detach().to(dtype) for x in draw(4, (6, 5), (5, 3)))
        A.requires_grad_()
        S = nnls(X, A)
        S.sum().backward()
        assert S.dtype == A.grad.dtype == dtype
        assert nnls_gram(A.mT @ A, X @ A).dtype == dtype
        torch.testing.assert_close(S, nnls(X.double(), A.double()).to(dtype))

    @pytest.mark.parametrize(
        ("dtype", "scale", "wider"),
        [
            (torch.float16, 6e4, torch.float32),
            (torch.bfloat16, 1e36, torch.float64),
            (torch.float32, 1e36, torch.float64),
        ],
    )
    def test_are_wider_where_the_solution_does_not_fit(self, dtype, scale, wider):
        X = torch.full((2, 3), scale, dtype=dtype)
        A = 1e-4 * torch.eye(3, dtype=dtype)
        S = nnls(X, A)
        assert S.dtype == wider
        torch.testing.assert_close(S.double(), X.double() / A.double()[0, 0], rtol=1e-6, atol=0.0)
        assert nnls_gram(A, X).dtype == wider
        assert nnls(X / scale, A).dtype == dtype

    def test_under_autocast(self):
        X, A = (x.detach().float() for x in draw(4, (6, 5), (5, 3)))
        A.requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = torch.nn.functional.linear(X, torch.eye(5))
            S = nnls(hidden, A)
            assert hidden.dtype == S.dtype == torch.bfloat16
        torch.testing.assert_close(S, nnls(hidden.double(), A.double()).bfloat16())
        S.sum().backward()
        assert A.grad.dtype == torch.float32
        assert torch.isfinite(A.grad).all()

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_results_may_be_changed_in_place(self, dtype):
        X, A = (x.detach().to(dtype).requires_grad_() for x in draw(4, (6, 5), (5, 3)))
        S = nnls(X, A)
        S += 1.0
        S.mul_(2.0).clamp_(max=100.0)
        expected = nnls(X, A)
        torch.testing.assert_close(S, 2 * (expected + 1))
        for actual, wanted in zip(
            torch.autograd.grad(S.sum(), (X, A)), torch.autograd.grad(2 * expected.sum(), (X, A)), strict=True
        ):
            torch.testing.assert_close(actual, wanted)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_results_in_gram_form_may_be_changed_in_place(self, dtype):
        X, A = (x.detach().to(dtype) for x in draw(4, (6, 5), (5, 3)))
        G, C = (A.mT @ A).requires_grad_(), (X @ A).requires_grad_()
        S = nnls_gram(G, C)
        S.zero_()
        S = nnls_gram(G, C).add_(1.0)
        torch.testing.assert_close(
            torch.autograd.grad(S.sum(), (G, C)), torch.autograd.grad(nnls_gram(G, C).sum(), (G, C))
        )

    def test_steps_between_forward_and_backward_do_not_matter(self):
        X, A = draw(4, (6, 5), (5, 3))
        S = nnls(X, A)
        expected = torch.autograd.grad(nnls(X, A).sum(), (X, A))
        with torch.no_grad():
            kept = A.clone()
            A.mul_(2.0)
        try:
            actual = torch.autograd.grad(S.sum(), (X, A))
        except RuntimeError as error:
            assert "modified by an inplace operation" in str(error)  # noqa: PT017
        else:
            torch.testing.assert_close(actual, expected)
        with torch.no_grad():
            A.copy_(kept)


class TestWeights:
    @pytest.mark.parametrize("hidden", [float("nan"), float("inf"), -float("inf"), 1e300])
    def test_of_zero_hide_entries(self, hidden):
        X, A = draw(0, (N, M), (M, K))
        seen = draw(8, (N, M))[0] > 0.3
        weights = seen.double()
        covered = torch.where(seen, X, hidden).detach().requires_grad_()
        S = nnls(covered, A, weights=weights)
        for s, x, w in zip(S, X, seen, strict=True):
            torch.testing.assert_close(s, nnls(x[w], A[w]))
        dX, dA = torch.autograd.grad(S.sum(), (covered, A))
        expected = torch.autograd.grad(nnls(X, A, weights=weights).sum(), (X, A))
        torch.testing.assert_close((dX, dA), expected)
        assert not dX[~seen].any()

    def test_of_whole_samples_and_features(self):
        X, A = draw(0, (N, M), (M, K))
        torch.testing.assert_close(nnls(X, A, weights=torch.full((N, 1), 3.0)), nnls(X, A))
        features = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
        seen = features > 0
        torch.testing.assert_close(nnls(X, A, weights=features), nnls(X[:, seen], A[seen]))

    def test_of_nothing_but_zeros_give_zero(self):
        X, A = draw(0, (N, M), (M, K))
        S = nnls(X, A, weights=torch.zeros(M), l1=0.1)
        assert not S.any()
        assert all(not x.any() for x in torch.autograd.grad(S.sum(), (X, A)))


class TestScales:
    def test_a_solution_that_overflows_is_refused(self):
        A = (1e-3 * torch.eye(2, dtype=torch.float64)).requires_grad_()
        with pytest.raises(ValueError, match="the solution overflows"):
            hntf.torch.nnls(torch.tensor([[1e307, 1.0]], dtype=torch.float64), A)

    @pytest.mark.parametrize("scale", [1e-60, 1e-10, 1e-3, 1.0])
    @pytest.mark.parametrize("ridge", [1e200, 1e220, 1e308])
    def test_a_huge_ridge_of_one_sample_is_not_that_of_others(self, scale, ridge):
        A, X = scale * torch.eye(2, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64)
        S = scale * hntf.torch.nnls(X, A, l2=torch.tensor([[ridge], [0.0]], dtype=torch.float64))
        assert float(S[0].max()) < 1e-100
        torch.testing.assert_close(S[1], torch.ones(2, dtype=torch.float64), rtol=1e-14, atol=0.0)

    @pytest.mark.parametrize("hidden", [1.0, 1e150, 1e250])
    @pytest.mark.parametrize("seen", [1.0, 1e-170])
    def test_what_is_hidden_from_all_samples_does_not_count(self, seen, hidden):
        A = torch.tensor([[hidden, hidden], [seen, 0.0], [0.0, seen]], dtype=torch.float64)
        X, weights = torch.tensor([[5.0, 1.0, 2.0]], dtype=torch.float64), torch.tensor([[0.0, 1.0, 1.0]])
        expected = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
        S = hntf.torch.nnls(X, A, weights=weights)
        torch.testing.assert_close(seen * S, expected)
        solution = hntf.nnls(A.numpy(), X.numpy().T, weights=weights.numpy().T)
        torch.testing.assert_close(seen * torch.tensor(solution.T), expected)

    @pytest.mark.parametrize("unit", [1e-300, 1e-250, 1e250, 1e300])
    def test_units_of_weights_do_not_matter(self, unit):
        A, B, weights = torch.rand(3, 8, 4, dtype=torch.float64)
        given = {"A": A, "weights": weights.mT, "X": B.mT}
        expected = hntf.torch.nnls(**given)
        torch.testing.assert_close(hntf.torch.nnls(**{**given, "weights": unit * weights.mT}), expected)
        numpy = hntf.nnls(A.numpy(), B.numpy(), weights=unit * weights.numpy())
        torch.testing.assert_close(torch.tensor(numpy.T), expected)

    @pytest.mark.parametrize("of_entries", [True, False])
    @pytest.mark.parametrize(
        ("of_columns", "of_data"), [(1e-200, 1e-250), (1e-160, 1e-160), (1e200, 1e250), (1, 1e250)]
    )
    @pytest.mark.parametrize("of_weights", [1e-300, 1e-130, 1e130, 1e300])
    def test_products_of_data_columns_and_weights_may_be_beyond_all_numbers(
        self, of_weights, of_columns, of_data, of_entries
    ):
        torch.manual_seed(0)
        A, X, weights = torch.rand(3, 8, 8, dtype=torch.float64)
        A, weights = A[:, :4], weights.mT if of_entries else weights[0]
        expected = hntf.torch.nnls(X, A, weights=weights) * (of_data / of_columns)
        A, X, weights = of_columns * A, of_data * X, of_weights * weights
        S, info = hntf.torch.nnls(X, A, weights=weights, return_info=True)
        torch.testing.assert_close(S, expected, rtol=1e-11, atol=0)
        numpy, of_numpy = hntf.nnls(A.numpy(), X.mT.numpy(), weights=weights.numpy().T, return_info=True)
        torch.testing.assert_close(torch.tensor(numpy.T), expected, rtol=1e-11, atol=0)
        assert info.margin > 0
        assert abs(info.margin - of_numpy.margin) <= 1e-10 * info.margin

    def test_penalties_are_in_the_units_of_weights(self):
        A, X, weights = torch.rand(3, 8, 8, dtype=torch.float64)
        expected = hntf.torch.nnls(X, A, weights=weights, l1=0.1, l2=0.2)
        given = {"weights": 1e-150 * weights, "l1": 0.1e-150, "l2": 0.2e-150}
        torch.testing.assert_close(hntf.torch.nnls(X, A, **given), expected)
        numpy = hntf.nnls(A.numpy(), X.mT.numpy(), **{**given, "weights": given["weights"].mT.numpy()})
        torch.testing.assert_close(torch.tensor(numpy.T), expected)

    def test_penalties_of_integers(self):
        X, A = torch.ones(2, 2), torch.eye(2)
        torch.testing.assert_close(hntf.torch.nnls(X, A, l2=torch.tensor(1)), hntf.torch.nnls(X, A, l2=1.0))


@pytest.mark.parametrize(
    "given", [{}, {"l1": 0.1, "l2": torch.tensor([0.1, 0.0, 0.3])}, {"weights": torch.rand(M, dtype=torch.float64)}]
)
def test_one_sample_of_several_dictionaries_is_a_row_of_each(given):
    X, A = detached(*draw(0, (1, M), (2, 4, M, K)))
    S, info = nnls(X[0], A, **given, return_info=True)
    expected = nnls(X, A, **given)
    assert S.shape == info.support.shape == (2, 4, K)
    torch.testing.assert_close(S, expected[..., 0, :], rtol=0, atol=0)
    torch.testing.assert_close(nnls(X[0], A, **given, support=info.support), S, rtol=0, atol=1e-13)
    by_problem = torch.rand(2, 4, K, dtype=torch.float64)
    S = nnls(X[0], A, l1=by_problem, l2=by_problem)
    torch.testing.assert_close(
        S, nnls(X, A, l1=by_problem[..., None, :], l2=by_problem[..., None, :])[..., 0, :], rtol=0, atol=0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_matrices_are_semidefinite_to_the_rounding_of_their_dtype(dtype):
    A = draw(0, (5, 12))[0].detach().to(dtype)
    S = nnls_gram(A.mT @ A, torch.ones(2, 12, dtype=dtype))
    assert S.isfinite().all()
    with pytest.raises(ValueError, match="semidefinite"):
        nnls_gram(-torch.eye(3, dtype=dtype), torch.ones(2, 3, dtype=dtype))


def test_weights_of_any_size_are_no_zeros():
    A, X = torch.eye(2, dtype=torch.float64), torch.ones(3, 2, dtype=torch.float64)
    weights = torch.tensor([[1.0, 1e-200], [1.0, 1e-30], [1e-3, 1.0]], dtype=torch.float64)
    mapped = torch.func.vmap(lambda x, w: nnls(x, A, weights=w))
    for S in (nnls(X, A, weights=weights), nnls(X, A, weights=weights[:1]), mapped(X, weights)):
        torch.testing.assert_close(S, X, rtol=0, atol=1e-15)
    # Beyond, what cannot be represented is an error, not a code of zero.
    with pytest.raises(ValueError, match="do not overflow"):
        nnls(X[:1], A, weights=torch.tensor([[1.0, 1e-310]], dtype=torch.float64))


def test_weights_of_a_sample_may_be_tiny_beside_those_of_others():
    A, X = torch.eye(2, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64)
    weights = torch.tensor([[1.0, 1.0], [1e-130, 1e-130]], dtype=torch.float64)
    torch.testing.assert_close(nnls(1e-200 * X, 1e-200 * A, weights=weights), X, rtol=0, atol=1e-15)


def test_shapes_without_entries():
    X, A = torch.empty(5, 4, device="meta", requires_grad=True), torch.empty(2, 4, 3, device="meta", requires_grad=True)
    S = nnls(X, A, l1=0.1, weights=torch.empty(4, device="meta"))
    assert (S.shape, S.device.type, S.dtype) == ((2, 5, 3), "meta", torch.float32)
    assert nnls(X, A, return_info=True)[1].n_iter == 0
    assert [x.shape for x in torch.autograd.grad(S.sum(), (X, A))] == [X.shape, A.shape]


class TestWarmStarts:
    @pytest.mark.parametrize("name", OPTIONS)
    @pytest.mark.parametrize(("batch_X", "batch_A"), [((), ()), ((2, 3), ()), ((3,), (2, 1))], ids=str)
    def test_any_support_gives_the_same_solution(self, batch_X, batch_A, name):
        X, A = detached(*draw(0, (*batch_X, N, M), (*batch_A, M, K)))
        given = options(name)
        S, info = nnls(X, A, **given, return_info=True)
        again, warm = nnls(X, A, **given, support=info.support, return_info=True)
        torch.testing.assert_close(again, S, rtol=0, atol=1e-13)
        assert warm.n_iter <= 1
        for support in (torch.tensor([True, False, True]), draw(3, tuple(S.shape))[0] > 0.5):
            torch.testing.assert_close(nnls(X, A, **given, support=support), S, rtol=0, atol=1e-13)

    @pytest.mark.parametrize("by_row", [False, True])
    def test_of_the_gram_form(self, by_row):
        X, A = detached(*draw(0, (N, M), (M, K)))
        G = (A.mT @ A).expand(N, K, K) if by_row else A.mT @ A
        S, info = nnls_gram(G, X @ A, return_info=True)
        for support in (info.support, ~info.support, torch.tensor([True, False, True])):
            torch.testing.assert_close(nnls_gram(G, X @ A, support=support), S, rtol=0, atol=1e-13)

    def test_gradients_are_the_same(self):
        X, A = draw(0, (N, M), (M, K))
        S, info = nnls(X, A, return_info=True)
        warm = nnls(X, A, support=info.support)
        torch.testing.assert_close(*(torch.autograd.grad(x.square().sum(), (X, A)) for x in (S, warm)))


class TestInformation:
    @pytest.mark.parametrize("name", OPTIONS)
    @pytest.mark.parametrize(("batch_X", "batch_A"), [((), ()), ((2,), (3, 1))], ids=str)
    def test_is_right(self, batch_X, batch_A, name):
        X, A = draw(0, (*batch_X, N, M), (*batch_A, M, K))
        given = options(name)
        S, info = nnls(X, A, **given, return_info=True)
        assert torch.equal(info.support, S > 0)
        assert 1 <= info.n_iter <= 10
        assert info.kkt_residual < 1e-14
        assert info.unique
        W = given.get("weights", torch.ones(()))
        dual = (W * (S @ A.mT - X)) @ A + given.get("l1", 0.0) + given.get("l2", 0.0) * S
        assert info.margin == pytest.approx(torch.maximum(S, dual).min().item(), rel=1e-9)

    def test_of_solutions_that_are_not_unique(self):
        X, A = detached(*draw(0, (N, M), (M, K)))
        assert not nnls(X, torch.cat([A, A], 1), return_info=True)[1].unique

    def test_of_the_gram_form(self):
        X, A = detached(*draw(0, (N, M), (M, K)))
        S, info = nnls(X, A, return_info=True)
        for G in (A.mT @ A, (A.mT @ A).expand(N, K, K)):
            _, in_gram_form = nnls_gram(G, X @ A, return_info=True)
            assert torch.equal(in_gram_form.support, S > 0)
            assert in_gram_form.kkt_residual < 1e-14
            assert in_gram_form.margin == pytest.approx(info.margin, rel=1e-9)
            assert in_gram_form.unique

    def test_is_in_the_units_of_the_arguments(self):
        X, A = detached(*draw(0, (N, M), (M, K)))
        _, info = nnls(X, A, return_info=True)
        _, scaled = nnls(2.0**40 * X, 2.0**30 * A, return_info=True)
        S, Y = nnls(X, A), (nnls(X, A) @ A.mT - X) @ A
        assert info.margin == pytest.approx(torch.maximum(S, Y).min().item())
        assert scaled.margin == pytest.approx(torch.maximum(2.0**10 * S, 2.0**70 * Y).min().item())


@pytest.mark.parametrize(
    ("X", "A", "error", "words"),
    [
        (np.ones((2, 2)), torch.ones(2, 2), TypeError, "X must be a torch tensor"),
        (torch.ones(2, 2), [[1.0, 1.0]], TypeError, "A must be a torch tensor, got list"),
        (torch.ones(2, 2, dtype=torch.int64), torch.ones(2, 2), TypeError, "X must hold real floating-point numbers"),
        (
            torch.ones(2, 2),
            torch.ones(2, 2, dtype=torch.complex64),
            TypeError,
            "A must hold real floating-point numbers",
        ),
        (torch.ones(2, 2).to_sparse(), torch.ones(2, 2), TypeError, "X must be a dense tensor.*to_dense"),
        (torch.ones(2, 2), torch.ones(2, 2).to_sparse_csr(), TypeError, "A must be a dense tensor.*to_dense"),
        (torch.ones(2, 3), torch.ones(2, 2), ValueError, "X must have 2 features"),
        (torch.tensor(1.0), torch.ones(1, 2), ValueError, "features along its last axis"),
        (torch.ones(2, 0), torch.ones(2, 2), ValueError, "features along its last axis"),
        (torch.ones(2, 2), torch.ones(2), ValueError, "A must have shape"),
        (torch.ones(2, 2), torch.ones(2, 0), ValueError, "empty axis"),
        (torch.ones(4, 2, 2), torch.ones(3, 2, 2), ValueError, "A must have leading dimensions"),
        (torch.ones(2, 2), torch.ones(2, 2, device="meta"), ValueError, "X and A must be on one device"),
        (torch.full((1, 2), torch.nan), torch.ones(2, 2), ValueError, "X and A must hold finite entries"),
        (torch.ones(1, 2), torch.full((2, 2), torch.inf), ValueError, "X and A must hold finite entries"),
    ],
)
def test_bad_arguments_are_named(X, A, error, words):
    with pytest.raises(error, match=words):
        nnls(X, A)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"l1": -0.1}, ValueError, "l1 must be at least 0"),
        ({"l2": float("nan")}, ValueError, "l2 must be at least 0"),
        ({"l1": "large"}, TypeError, "l1 must be a number or a tensor"),
        ({"l1": np.ones(3)}, TypeError, "l1 must be a number or a tensor"),
        ({"l1": -torch.ones(3)}, ValueError, "l1 must be at least 0"),
        ({"l2": torch.tensor([1.0, torch.nan, 1.0])}, ValueError, "l2 must be at least 0"),
        ({"l1": torch.tensor(torch.inf)}, ValueError, "l1"),
        ({"l1": torch.ones(4)}, ValueError, r"l1 must have a shape that can be broadcast to \(4, 3\)"),
        ({"l2": torch.ones(2, 4, 3)}, ValueError, r"l2 must have a shape that can be broadcast to \(4, 3\)"),
        ({"l1": torch.ones(3).to_sparse()}, TypeError, "l1"),
        ({"l2": torch.ones(3, dtype=torch.complex64)}, TypeError, "l2"),
        ({"weights": -torch.ones(5)}, ValueError, "weights must be at least 0 and finite"),
        ({"weights": torch.full((5,), torch.nan)}, ValueError, "weights must be at least 0 and finite"),
        ({"weights": torch.full((5,), torch.inf)}, ValueError, "weights"),
        ({"weights": torch.ones(4)}, ValueError, r"weights must have a shape that can be broadcast to \(4, 5\)"),
        ({"weights": torch.ones(5, dtype=torch.complex64)}, TypeError, "weights must hold real floating-point numbers"),
        ({"weights": torch.ones(4, 5).to_sparse()}, TypeError, "weights must be a dense tensor"),
        ({"weights": np.ones(5)}, TypeError, "weights must be a torch tensor"),
        ({"support": torch.ones(2, 3, dtype=torch.bool)}, ValueError, "support must have a shape"),
        ({"support": np.ones((4, 3), bool)}, TypeError, "support"),
        ({"support": torch.full((4, 3), 0.5)}, TypeError, "support"),
    ],
)
def test_bad_options_are_named(given, error, words):
    with pytest.raises(error, match=words):
        nnls(torch.ones(4, 5), torch.ones(5, 3), **given)


@pytest.mark.parametrize(
    ("G", "C", "error", "words"),
    [
        (np.eye(3), torch.ones(2, 3), TypeError, "G must be a torch tensor"),
        (torch.eye(3), torch.ones(2, 3).to_sparse(), TypeError, "C must be a dense tensor"),
        (torch.eye(3, dtype=torch.int32), torch.ones(2, 3), TypeError, "G must hold real floating-point numbers"),
        (torch.eye(2), torch.ones(2, 3), ValueError, "G must have shape"),
        (torch.eye(3), torch.ones(3), ValueError, "G must have shape"),
        (torch.eye(3).expand(4, 3, 3), torch.ones(2, 3), ValueError, "G must have the leading dimensions of C"),
        (torch.eye(3, device="meta"), torch.ones(2, 3), ValueError, "G and C must be on one device"),
        (torch.zeros(0, 0), torch.ones(2, 0), ValueError, "C"),
        (torch.diag(torch.tensor([1.0, -1.0, 1.0])), torch.ones(2, 3), ValueError, "G must be positive semidefinite"),
        (
            torch.tensor([[1.0, 2.0], [2.0, 1.0]]),
            torch.ones(2, 2),
            ValueError,
            "positive semidefinite.*negative eigenvalue",
        ),
        (torch.eye(3), torch.full((2, 3), torch.nan), ValueError, "G and C must hold finite entries"),
        (torch.full((3, 3), torch.inf), torch.ones(2, 3), ValueError, "G and C must hold finite entries"),
    ],
)
def test_bad_grams_are_named(G, C, error, words):
    with pytest.raises(error, match=words):
        nnls_gram(G, C)


def test_only_the_symmetric_part_of_a_gram_matters():
    X, A = detached(*draw(0, (N, M), (M, K)))
    G, skew = A.mT @ A, torch.tensor([[0.0, 0.1, 0.2], [-0.1, 0.0, 0.3], [-0.2, -0.3, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(nnls_gram(G + skew, X @ A), nnls_gram(G, X @ A))


def test_weights_may_be_a_mask():
    generator = torch.Generator().manual_seed(0)
    X, A = (torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in ((5, 6), (6, 2)))
    mask = torch.rand(5, 6, generator=generator) < 0.7
    expected = hntf.torch.nnls(X, A, weights=mask.double())
    torch.testing.assert_close(hntf.torch.nnls(X.where(mask, torch.nan), A, weights=mask), expected, rtol=0, atol=0)


@pytest.mark.parametrize("hidden", [-9999.0, 1e300, torch.nan, torch.inf])
def test_no_gradient_depends_on_what_is_hidden(hidden):
    generator = torch.Generator().manual_seed(0)
    X, A, W = (torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in ((5, 6), (6, 2), (5, 6)))
    covered = torch.rand(5, 6, generator=generator) < 0.3
    W[covered] = 0.0

    def derivatives(value):
        arguments = [x.clone().requires_grad_() for x in (X.masked_fill(covered, value), A, W)]
        codes = hntf.torch.nnls(arguments[0], arguments[1], weights=arguments[2])
        first = torch.autograd.grad((codes**2).sum(), arguments, create_graph=True)
        return *first, *torch.autograd.grad(sum((g**2).sum() for g in first), arguments)

    found = derivatives(hidden)
    for ours, expected in zip(found, derivatives(0.0), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)
    for of_entries in (found[0], found[2], found[3], found[5]):
        assert not of_entries[covered].any()
        assert of_entries[~covered].any()
