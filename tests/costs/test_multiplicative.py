import numpy as np

from hntf.costs.multiplicative import multiplier


def test_an_entry_on_which_nothing_depends_becomes_zero(backend):
    U = backend(np.array([2.0, 3.0])) * multiplier(backend(np.array([1.0, 0.0])), backend(np.array([4.0, 0.0])))
    np.testing.assert_array_equal(np.asarray(U), [0.5, 0.0])
