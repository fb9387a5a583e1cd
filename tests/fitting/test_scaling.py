import numpy as np

from hntf.fitting.scaling import balanced, on_simplex, on_simplex_pullback


def test_balancing_keeps_the_products_up_to_column_scales(rng):
    factors = [rng.random((6, 4)), rng.random((4, 3)), rng.random((3, 2))]
    result = balanced(factors)
    np.testing.assert_allclose([np.linalg.norm(A, axis=0) for A in result[-1:]], np.ones((1, 2)))
    before, after = np.linalg.multi_dot(factors), np.linalg.multi_dot(result)
    ratios = after / before
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[0], ratios.shape))


def test_a_zero_column_stays_on_the_simplex(backend):
    U = backend(np.zeros((2, 1)))
    A, sums = on_simplex(U)
    assert float(A.sum()) == 0.0
    assert np.isfinite(np.asarray(on_simplex_pullback(A, sums, U + 1))).all()
