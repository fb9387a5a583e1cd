"""Where fits start: zero and twin columns come to life, factors come in any shape, too many components are told."""

import time
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf.datasets import make_hierarchical_blocks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def low_rank(seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random((60, 5)) * (rng.random((60, 5)) < 0.5)) @ (rng.random((5, 30)) * (rng.random((5, 30)) < 0.5))


@pytest.mark.parametrize("kind", ["zero", "twin"])
@pytest.mark.parametrize("solver", ["anls", "hals"])
def test_zero_and_twin_columns_come_to_life(kind, solver):
    X, A = low_rank(), np.random.default_rng(0).random((30, 5))
    A[:, 2] = 0.0 if kind == "zero" else A[:, 1]
    assert hntf.NMF(5, init=[A], solver=solver).fit(X).reconstruction_err_[0] < 1e-5
    assert hntf.NCPD(5, init=[np.ones((60, 5)), A], solver=solver).fit(X).reconstruction_err_[0] < 0.02
    assert hntf.SSNMF(5, init=[A], solver=solver).fit(X, np.arange(60) % 2).reconstruction_err_[0] < 0.5
    assert hntf.NeuralNMF((5,), init=[A]).fit(X).reconstruction_err_[0] < 0.01
    assert hntf.HierarchicalNMF((5,), init=[A], solver=solver).fit(X).reconstruction_err_[0] < 1e-5


@pytest.mark.parametrize(
    "first", [np.zeros((10, 87)), np.tile(make_hierarchical_blocks(random_state=0).X[:1], (10, 1))]
)
def test_a_first_batch_without_signal_does_not_lock_a_stream(first):
    X = make_hierarchical_blocks(random_state=0).X
    model = hntf.NeuralNMF((9, 4), random_state=0).partial_fit(first)
    for epoch in range(100):
        order = np.random.default_rng(epoch).permutation(90)
        for start in range(0, 90, 30):
            model.partial_fit(X[order[start : start + 30]])
    assert model.score(X) > -0.5
    assert model.output_level == -1


def test_a_stream_goes_on_from_a_fit():
    X, _, groups, _ = make_hierarchical_blocks(random_state=0)
    model = hntf.NeuralNMF((9, 4), random_state=0).fit(X, groups)
    before = model.reconstruction_err_.copy()
    model.partial_fit(X[:30], groups[:30])
    assert model.score(X, groups) > 0.95
    model.partial_fit(X)
    assert np.all(model.reconstruction_err_ < before + 0.02)


def test_more_components_than_the_data_carry_are_told_in_bounded_time():
    X = np.random.default_rng(0).poisson(0.3, (40, 300)).astype(float)
    begun = time.perf_counter()
    for model in (hntf.NMF(60), hntf.NeuralNMF((60, 5)), hntf.NCPD(60)):
        with pytest.warns(UserWarning, match="rank 40 at most"):
            model.set_params(random_state=0).fit(X)
        assert model.reconstruction_err_[0] < 0.1
    assert time.perf_counter() - begun < 30


def test_an_exact_fit_is_no_reason_to_warn():
    for model in (hntf.NMF(5), hntf.NMF(5, solver="hals"), hntf.NCPD(5), hntf.NTD((5, 5)), hntf.NeuralNMF((5,))):
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            model.set_params(random_state=0).fit(low_rank(3))
        assert model.reconstruction_err_[0] < 1e-4


def test_iterations_count_those_of_the_start():
    X = make_hierarchical_blocks(random_state=0).X
    given, screened = (hntf.NMF(4, init=init, max_iter=1, random_state=0).fit(X) for init in ("random", "screened"))
    assert given.n_iter_ == 1
    assert screened.n_iter_ == 11


def test_tensors_of_tensorly_are_starts():
    X = np.random.default_rng(0).random((8, 7, 6))
    cp = hntf.NCPD(3, random_state=0).fit(X)
    for normalize in (False, True):
        again = hntf.NCPD(3, init=cp.cp_tensor(normalize=normalize)).fit(X)
        assert again.reconstruction_err_[0] <= 1.001 * cp.reconstruction_err_[0]
    assert hntf.HierarchicalNCPD((3, 2), init=cp.cp_tensor(), random_state=0).fit(X).n_iter_ < 50
    tucker = hntf.NTD((3, 3, 2), random_state=0).fit(X)
    again = hntf.NTD((3, 3, 2), init=tucker.tucker_tensor()).fit(X)
    assert again.reconstruction_err_[0] <= 1.001 * tucker.reconstruction_err_[0]


def test_verbose_shows_the_start_too(capsys):
    hntf.NMF(3, random_state=0, verbose=True, n_init=2).fit(make_hierarchical_blocks(random_state=0).X)
    shown = capsys.readouterr().err
    assert "fit 1/2: start" in shown
    assert "loss=" in shown
