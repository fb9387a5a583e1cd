"""Powers of two: exact, near the inverse of a number, and never so large that sums of squares overflow."""

import numpy as np
import pytest

from hntf.scales import LARGEST_EXPONENT, inverse_power


@pytest.mark.parametrize("largest", [5e-324, 1e-300, 1e-5, 0.5, 1.0, 3.0, 1e300, np.finfo(float).max])
def test_the_product_is_near_one_and_exact(largest):
    scale = inverse_power(largest)
    assert np.frexp(scale)[0] == 0.5
    assert largest * scale / scale == largest
    if abs(np.frexp(largest)[1]) <= LARGEST_EXPONENT:
        assert 0.5 <= largest * scale < 1.0
    assert np.isfinite((largest * scale) ** 2)


def test_zero_has_scale_one():
    np.testing.assert_array_equal(inverse_power(np.array([0.0, 2.0])), [1.0, 0.25])
