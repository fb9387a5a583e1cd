import numpy as np
import pytest
import tensorly

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import ModeProduct
from hntf.models.separate import tucker_levels


@pytest.mark.parametrize("modes", [(0, 1, 2), (0, 2)], ids=str)
def test_layers_that_compress_the_samples_too_are_tucker_decompositions(backend, rng, modes):
    shape = (7, 5, 4)
    first = [rng.random((shape[mode], 3)) for mode in modes]
    second = [rng.random((3, 2)) for _ in modes]
    hierarchy = hntf.Hierarchy(
        [NNLSLayer(ModeProduct([backend(A) for A in factors], modes)) for factors in (first, second)],
        feature_shape=shape[1:],
    )
    X = rng.random(shape)
    data = hntf.as_data(backend(X))
    cores = hierarchy.encode_levels(data)
    levels = tucker_levels(hierarchy, cores, shape)
    codes = levels.codes_of_levels(data)
    products = (first, [A @ B for A, B in zip(first, second, strict=True)])
    for level, (S, core, factors) in enumerate(zip(codes, cores, products, strict=True)):
        np.testing.assert_allclose(np.asarray(S), factors[0])
        core_shape = [
            dict(zip(modes, [A.shape[1] for A in factors], strict=True)).get(i, d) for i, d in enumerate(shape)
        ]
        core = np.asarray(core).reshape(core_shape)  # noqa: PLW2901
        dense = tensorly.tenalg.multi_mode_dot(core, factors, modes=modes)
        np.testing.assert_allclose(np.asarray(levels.decode(S, level)), dense)
        np.testing.assert_allclose(levels.errors(data, codes)[level], np.linalg.norm(X - dense) / np.linalg.norm(X))
    np.testing.assert_array_equal(np.asarray(levels.memberships(1)), second[0])
    assert [len(level) for level in levels.parameters] == [len(modes)] * 2
