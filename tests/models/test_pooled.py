"""Codes through pooling, which is not linear in general: what `test_contract` leaves out."""

import numpy as np
import pytest

import hntf
from hntf.models import Pooled
from hntf.models.pooling import ACTIVATIONS, Pooling, decoded

POOLINGS = [Pooling(activation, kind, 2) for activation in ACTIVATIONS for kind in ("mean", "max")]


def draw(rng, pooling):
    return Pooled([rng.random((7, 8)), rng.random((4, 6)), rng.random((3, 2))], pooling), rng.random((9, 7))


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_errors_take_the_shares_that_components_have_in_their_groups(rng, pooling):
    model, X = draw(rng, pooling)
    data = hntf.as_data(X)
    codes = model.encode_levels(data)
    naive = []
    for level, S in enumerate(codes):
        proportions = model.upwards(data, level)[1]
        first = decoded(model.matrices[: level + 1], S, pooling, proportions)[0]
        naive.append(np.linalg.norm(X - first @ model.matrices[0].T) / np.linalg.norm(X))
    np.testing.assert_allclose(model.errors(data, codes), naive, rtol=1e-8)


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_a_code_is_no_worse_than_the_one_found_level_by_level(rng, pooling):
    model, X = draw(rng, pooling)
    data = hntf.as_data(X)
    for level in (1, 2):
        S, proportions = model.upwards(data, level)
        squares = [
            np.sum(
                (X - decoded(model.matrices[: level + 1], code, pooling, proportions)[0] @ model.matrices[0].T) ** 2,
                axis=1,
            )
            for code in (model.encode(data, level), S)
        ]
        # Up to the zeros that are filled before.
        assert np.all(squares[0] <= 1.01 * squares[1])


@pytest.mark.parametrize("pooling", POOLINGS, ids=str)
def test_the_code_of_a_sample_does_not_see_the_other_samples(rng, pooling):
    model, X = draw(rng, pooling)
    for level in range(3):
        whole = model.encode(hntf.as_data(X), level)
        np.testing.assert_allclose(model.encode(hntf.as_data(X[2:5]), level), whole[2:5], rtol=1e-9)


def test_components_of_a_group_have_equal_proportions_in_what_a_code_stands_for(rng):
    pooling = Pooling("sqrt", "mean", 2)
    model, _ = draw(rng, pooling)
    S = rng.random((4, 2))
    second = np.repeat((S @ model.matrices[2].T) ** 2, 2, axis=1)
    first = np.repeat((second @ model.matrices[1].T) ** 2, 2, axis=1)
    np.testing.assert_allclose(model.decode(S, 2), first @ model.matrices[0].T)
    np.testing.assert_allclose(model.profiles(2, S)[1], model.decode(np.eye(2), 2))


def test_all_components_of_a_group_go_where_the_group_goes(rng):
    model, _ = draw(rng, Pooling("identity", "max", 2))
    np.testing.assert_array_equal(model.memberships(0), np.eye(8))
    np.testing.assert_array_equal(model.memberships(1), np.repeat(model.matrices[1], 2, axis=0))
    np.testing.assert_array_equal(model.memberships(2), np.repeat(model.matrices[2], 2, axis=0))


@pytest.mark.parametrize("kind", ["mean", "max"])
def test_without_an_activation_decoding_is_linear(rng, kind):
    model, _ = draw(rng, Pooling("identity", kind, 2))
    a, b = rng.random((4, 2)), rng.random((4, 2))
    both = 2.0 * model.decode(a, 2) + 3.0 * model.decode(b, 2)
    np.testing.assert_allclose(model.decode(2.0 * a + 3.0 * b, 2), both)
    np.testing.assert_allclose(model.unit_sums(2), model.decode(np.eye(2), 2).sum(axis=1))
