import numpy as np
import pytest
import torch

import hntf


@pytest.mark.parametrize(
    ("G", "c"),
    [
        (np.diag([1.0, 0.0]), [1.0, 5.0]),
        (np.zeros((2, 2)), [1.0, 1.0]),
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), [1.0, 1.0]),
        (np.array([[1.0, -1.0], [-1.0, 1.0]]), [1.0, -0.9]),
    ],
)
@pytest.mark.parametrize("backend", [np.array, torch.tensor])
@pytest.mark.parametrize("one_a_row", [False, True])
def test_costs_that_fall_without_end_are_named(G, c, backend, one_a_row):
    G, C = backend(G), backend([c] * 3)
    G = backend(np.stack([np.asarray(G)] * 3)) if one_a_row else G
    solve = hntf.nnls_gram if backend is np.array else hntf.torch.nnls_gram
    with pytest.raises(ValueError, match=r"C must be in the range of G.*no lower bound"):
        solve(G, C)


@pytest.mark.parametrize("c", [[1.0, -5.0], [1.0, 0.0], [-1.0, -1.0]])
def test_costs_that_rise_along_a_column_of_zeros_have_a_solution(c):
    S, info = hntf.nnls_gram(np.diag([1.0, 0.0]), np.array([c]), return_info=True)
    assert np.array_equal(S, np.maximum([[c[0], 0.0]], 0.0))
    assert info.kkt_residual == 0.0
    assert info.unique == (c[1] < 0)
