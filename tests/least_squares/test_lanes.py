"""Access to arrays without checks is for arrays that are in order in memory."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from hntf.least_squares.lanes import LANES, entry, filled, load, load_eight, square_root, store, with_sign_of


@njit
def _first(x):
    return entry(x, 0)


@njit
def _distances(x, y, result):
    for i in range(len(x)):
        difference = load(x, i) - load(y, i)
        store(result, i, with_sign_of(square_root(difference * difference / filled(x, 4.0)), difference))


@njit
def _eight_from(x, i, result):
    store(result, 0, load_eight(x, i))


@pytest.mark.parametrize("shape", [(5,), (5, LANES)])
def test_one_number_and_eight_are_computed_alike(rng, shape):
    x, y, result = rng.random(shape), rng.random(shape), np.empty(shape)
    _distances(x, y, result)
    np.testing.assert_allclose(result, (x - y) / 2, rtol=1e-15)


def test_eight_entries_may_start_anywhere(rng):
    x, result = rng.random((4, 5)), np.empty((1, LANES))
    _eight_from(x, 7, result)
    np.testing.assert_array_equal(result[0], x.ravel()[7 : 7 + LANES])


@pytest.mark.parametrize("x", [np.ones((3, 2)).T, np.ones(6)[::2]])
def test_an_array_out_of_order_is_refused(x):
    with pytest.raises(TypingError, match="C-contiguous"):
        _first(x)


def test_entries_are_those_of_any_type():
    assert _first(np.array([True, False])) is True
    assert _first(np.array([[3, 4]], np.int32)) == 3
