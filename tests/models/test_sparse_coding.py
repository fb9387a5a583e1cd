import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import hntf
from hntf.losses import CrossEntropy, Energy, Supervised
from hntf.models import SparseCoding
from tests.problems import few, seeds


@pytest.mark.slow
@few
@given(seed=seeds, train=st.booleans())
def test_gradients_of_sparse_coding(backend, seed, train):
    rng = np.random.default_rng(seed)
    X, y = backend(rng.standard_normal((6, 3))), np.concatenate([[0, 1], rng.integers(-1, 2, 4)])
    pairs = [(backend(rng.random(shape)), backend(rng.random(shape))) for shape in ((3, 4), (4, 2))]
    penalties = backend(rng.uniform(0.01, 0.1, (2, 2)))
    model = SparseCoding(pairs, penalties, train_penalties=train)
    assert len(model.factors) == 4 + train
    report = hntf.gradcheck(Supervised(Energy(), CrossEntropy()), [model, X, y], rtol=1e-5)
    assume(report.margin > 1e-4)
    assert report.ok, str(report)


def test_layers_of_sparse_coding_are_elastic_nets(rng):
    X = rng.standard_normal((7, 5))
    pairs = [(rng.random((5, 6)), rng.random((5, 6))), (rng.random((6, 2)), rng.random((6, 2)))]
    model = SparseCoding(pairs, np.array([[0.05, 0.1], [0.02, 0.3]]))
    first, second = model.codes(model.solve(hntf.as_data(X)))
    D = [(P - N) / np.linalg.norm(P - N, axis=0) for P, N in pairs]
    np.testing.assert_allclose(first, hntf.nnls(D[0], X.T, l1=0.05, l2=0.1).T, atol=1e-10)
    np.testing.assert_allclose(second, hntf.nnls(D[1], first.T, l1=0.02, l2=0.3).T, atol=1e-10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SparseCoding([(np.ones((3, 2)), np.ones((3, 2)))], np.ones((2, 2))), "penalties must have shape"),
        (lambda: SparseCoding([(np.ones((3, 2)),) * 2, (np.ones((3, 2)),) * 2], np.ones((2, 2))), "fit on each other"),
    ],
)
def test_bad_networks_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
