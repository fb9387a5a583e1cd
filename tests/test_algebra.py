"""Tensor algebra against naive formulas, on both backends."""

from itertools import pairwise

import numpy as np
import pytest
import tensorly
import torch
from hypothesis import given
from hypothesis import strategies as st

from hntf.algebra import (
    add,
    chain,
    chain_pullback,
    cp_dense,
    decoded_code,
    fold,
    khatri_rao,
    kronecker,
    split_columns,
    unfold,
)
from tests.problems import seeds

LETTERS = "abcde"


def draw(seed, order):
    """Draw a shape and one factor a mode."""
    rng = np.random.default_rng(seed)
    shape, rank = tuple(rng.integers(1, 6, order).tolist()), int(rng.integers(1, 4))
    return rng, shape, [rng.standard_normal((d, rank)) for d in shape]


def draw_chain(seed, length):
    """Draw matrices that can be multiplied one after the other."""
    rng = np.random.default_rng(seed)
    dimensions = rng.integers(1, 6, length + 1)
    return rng, [rng.standard_normal(shape) for shape in pairwise(dimensions)]


def assert_close(actual, expected):
    np.testing.assert_allclose(np.asarray(actual), expected, rtol=1e-12, atol=1e-12)


@given(seed=seeds, order=st.integers(1, 4))
def test_the_khatri_rao_product_is_kronecker_column_by_column(backend, seed, order):
    _, _, factors = draw(seed, order)
    columns = []
    for r in range(factors[0].shape[1]):
        column = np.ones(1)
        for U in factors:
            column = np.kron(column, U[:, r])
        columns.append(column)
    assert_close(khatri_rao([backend(U) for U in factors]), np.stack(columns, axis=1))


@given(seed=seeds, count=st.integers(1, 3))
def test_the_kronecker_product_is_that_of_numpy(backend, seed, count):
    rng = np.random.default_rng(seed)
    matrices = [rng.standard_normal(rng.integers(1, 4, 2)) for _ in range(count)]
    expected = np.ones((1, 1))
    for A in matrices:
        expected = np.kron(expected, A)
    assert_close(kronecker([backend(A) for A in matrices]), expected)


@given(seed=seeds, order=st.integers(2, 5))
def test_a_dense_cp_is_a_sum_of_outer_products(backend, seed, order):
    _, shape, factors = draw(seed, order)
    terms = ",".join(f"{letter}z" for letter in LETTERS[:order])
    expected = np.einsum(f"{terms}->{LETTERS[:order]}", *factors)
    found = cp_dense(backend(factors[0]), [None, *map(backend, factors[1:])])
    assert tuple(found.shape) == shape
    assert_close(found, expected)


@given(seed=seeds, order=st.integers(2, 5))
def test_unfoldings_are_those_of_tensorly_and_fold_undoes_them(backend, seed, order):
    rng, shape, _ = draw(seed, order)
    X = rng.standard_normal(shape)
    for mode in range(order):
        matrix = unfold(backend(X), mode)
        assert_close(matrix, tensorly.base.unfold(X, mode))
        assert_close(fold(matrix, mode, shape), X)


def test_columns_are_split_model_by_model(backend, rng):
    U = rng.random((4, 6))
    parts = split_columns(backend(U), (3, 1, 2))
    for part, expected in zip(parts, (U[:, :3], U[:, 3:4], U[:, 4:]), strict=True):
        assert_close(part, expected)


@given(seed=seeds, length=st.integers(1, 4))
def test_a_chain_holds_all_products(backend, seed, length):
    _, factors = draw_chain(seed, length)
    product = np.eye(len(factors[0]))
    for A, found in zip(factors, chain([backend(A) for A in factors]), strict=True):
        product = product @ A
        assert_close(found, product)


@given(seed=seeds, length=st.integers(0, 4))
def test_a_code_is_decoded_by_all_factors_below_it(backend, seed, length):
    rng, factors = draw_chain(seed, length)
    S = rng.standard_normal((3, factors[-1].shape[1] if factors else 2))
    expected = S
    for A in factors[::-1]:
        expected = np.einsum("nk,jk->nj", expected, A)
    assert_close(decoded_code(backend(S), [backend(A) for A in factors]), expected)


@given(seed=seeds, length=st.integers(1, 4), data=st.data())
def test_the_pullback_of_a_chain_is_that_of_autograd(backend, seed, length, data):
    rng, factors = draw_chain(seed, length)
    given_ones = data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    gradients = [
        rng.standard_normal((len(factors[0]), A.shape[1])) if is_given else None
        for A, is_given in zip(factors, given_ones, strict=True)
    ]
    leaves = [torch.tensor(A, requires_grad=True) for A in factors]
    value = sum((0 * A).sum() for A in leaves)
    product = torch.eye(len(leaves[0]), dtype=torch.float64)
    for A, gradient in zip(leaves, gradients, strict=True):
        product = product @ A
        if gradient is not None:
            value = value + (product * torch.tensor(gradient)).sum()
    value.backward()
    found = chain_pullback(
        [backend(A) for A in factors], [None if gradient is None else backend(gradient) for gradient in gradients]
    )
    for dA, leaf in zip(found, leaves, strict=True):
        assert_close(dA, leaf.grad.numpy())


@pytest.mark.parametrize(("a", "b", "total"), [(None, None, None), (2.0, None, 2.0), (None, 3.0, 3.0), (2.0, 3.0, 5.0)])
def test_none_is_zero_in_a_sum(backend, a, b, total):
    found = add(*(None if x is None else backend(np.array([x])) for x in (a, b)))
    assert (found is None) if total is None else float(found[0]) == total
