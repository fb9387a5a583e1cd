"""Batches in which every problem has a dictionary of its own: as accurate as one problem at a time, whatever the dictionaries."""

import numpy as np
import pytest
import torch

import hntf
from hntf.least_squares.rooted_problems import FEW_ROWS

M, K, N_PROBLEMS = 24, 10, 10


def of_condition(rng, condition):
    U, _ = np.linalg.qr(rng.standard_normal((M, K)))
    V, _ = np.linalg.qr(rng.standard_normal((K, K)))
    return U * np.logspace(0, -np.log10(condition), K) @ V


DICTIONARIES = {
    "well-conditioned": lambda rng: rng.standard_normal((M, K)),
    "condition 3e2": lambda rng: of_condition(rng, 3e2),
    "condition 1e9": lambda rng: of_condition(rng, 1e9),
    "rank 3": lambda rng: rng.random((M, 3)) @ rng.random((3, K)),
    "twins": lambda rng: rng.random((M, K))[:, rng.integers(0, K // 2, K)],
    "badly scaled": lambda rng: rng.random((M, K)) * 10.0 ** rng.uniform(-40, 40, K),
    "overcomplete": lambda rng: rng.random((K // 2, K)),
    "zero": lambda rng: np.zeros((M, K)),
}
MIXED = list(DICTIONARIES.values())[:5]


@pytest.fixture(params=[*DICTIONARIES, "mixed"])
def problems(request, rng):
    draws = (
        [MIXED[i % 5] for i in range(N_PROBLEMS)]
        if request.param == "mixed"
        else [DICTIONARIES[request.param]] * N_PROBLEMS
    )
    A = np.stack([draw(rng) for draw in draws])

    def with_rows(n):
        B = A / np.maximum(np.abs(A).max(axis=1, keepdims=True), 1e-300) @ rng.random((N_PROBLEMS, K, n))
        return A, B + 1e-2 * rng.standard_normal(B.shape) * (rng.random((N_PROBLEMS, 1, 1)) < 0.5)

    return with_rows


def costs(A, X, B, W, l1, l2):
    squares = 0.5 * (W * np.square(A @ X - B)).sum(axis=1)
    return squares + l1 * X.sum(axis=1) + 0.5 * l2 * np.square(X).sum(axis=1)


@pytest.mark.parametrize("n", [2, FEW_ROWS + 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (1e-3, 0.0), (1e-3, 1e-10)])
def test_they_are_as_accurate_as_one_problem_at_a_time(problems, rng, n, weighted, l1, l2):
    A, B = problems(n)
    W = (rng.random(B.shape) < 0.8) * 1.0 if weighted else np.ones(B.shape)
    given = {"weights": W} if weighted else {}
    X, info = hntf.nnls(A, B, l1=l1, l2=l2, return_info=True, **given)
    single = [hntf.nnls(a, b, l1=l1, l2=l2, weights=w if weighted else None) for a, b, w in zip(A, B, W, strict=True)]
    expected = costs(A, np.stack(single), B, W, l1, l2)
    size = np.maximum(0.5 * np.square(B).sum(axis=1), 1e-300)
    assert ((costs(A, X, B, W, l1, l2) - expected) / size).max() < 1e-13
    assert info.kkt_residual < 1e-14
    of_torch = hntf.torch.nnls(
        torch.tensor(B).mT, torch.tensor(A), l1=l1, l2=l2, **{name: torch.tensor(w).mT for name, w in given.items()}
    )
    assert ((costs(A, of_torch.mT.numpy(), B, W, l1, l2) - expected) / size).max() < 1e-13
    if l2:
        return
    # Their columns are independent, so what is solved on a support is determined.
    for a, w, support in zip(A, W, info.support, strict=True):
        for j in range(n):
            chosen = (a * np.sqrt(w[:, j, None]))[:, support[:, j]]
            scaled = chosen / np.linalg.norm(chosen, axis=0)
            assert np.linalg.matrix_rank(scaled, tol=1e-14) == scaled.shape[1]


@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_are_those_of_one_problem_at_a_time(problems, rng, weighted):
    A, B = problems(2)
    A = A / np.maximum(np.abs(A).max(axis=1, keepdims=True), 1e-300)
    X, D, dS = torch.tensor(B).mT.contiguous(), torch.tensor(A), torch.tensor(rng.standard_normal((N_PROBLEMS, 2, K)))
    W = torch.tensor(rng.random(X.shape) < 0.8) * 1.0 if weighted else None
    X.requires_grad_()
    D.requires_grad_()
    S = hntf.torch.nnls(X, D, weights=W)
    gradients = torch.autograd.grad(S, (X, D), dS)
    for i in range(N_PROBLEMS):
        s = hntf.torch.nnls(X[i], D[i], weights=None if W is None else W[i], support=S[i] > 0)
        single = torch.autograd.grad(s, (X, D), dS[i])
        for found, expected in zip(gradients, single, strict=True):
            assert found[i].isfinite().all()
            # What remains is rounding times the condition of the support.
            chosen = [np.linalg.cond(A[i][:, support]) for support in (S[i] > 0).numpy() if support.any()]
            tolerance = min(1.0, 1e-13 * max(chosen, default=1.0))
            torch.testing.assert_close(
                found[i], expected[i], rtol=1e-9, atol=tolerance * float(expected[i].abs().max())
            )


@pytest.mark.parametrize("name", DICTIONARIES)
@pytest.mark.parametrize("weighted", [False, True])
def test_mapped_samples_are_solved_as_the_rows_of_a_batch(name, rng, weighted):
    A, X = torch.tensor(DICTIONARIES[name](rng)), torch.tensor(rng.random((7, M)))
    X = X[:, : len(A)]
    W = torch.tensor(rng.random(X.shape) < 0.8) * 1.0 if weighted else torch.ones(X.shape, dtype=torch.float64)

    def code(x, a, w):
        return hntf.torch.nnls(x, a, weights=w if weighted else None)

    mapped = torch.func.vmap(code, in_dims=(0, None, 0))(X, A, W)
    expected = code(X, A, W)
    residuals = [(W.sqrt() * (X - S @ A.mT)).norm(dim=1) for S in (mapped, expected)]
    assert (residuals[0] - residuals[1]).abs().max() < 1e-13
    of_samples = torch.func.vmap(torch.func.grad(lambda a, x, w: code(x, a, w).sum()), in_dims=(None, 0, 0))(A, X, W)
    assert of_samples.shape == (7, *A.shape)
    assert of_samples.isfinite().all()
