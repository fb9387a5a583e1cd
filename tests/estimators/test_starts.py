"""Where fits start: zero and twin columns come to life, factors come in any shape, too many components are told."""

import copy
import time
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.estimators.results import arrays_in

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_model_of_the_first_level_starts_a_hierarchy():
    X, T = make_hierarchical_blocks(random_state=0).X, tensor()
    nmf, cp = hntf.NMF(9, random_state=0).fit(X), hntf.NCPD(6, random_state=0).fit(T)
    tucker = hntf.NTD((6, 5, 5), random_state=0).fit(T)
    for data, init, model in [
        (X, nmf, hntf.NeuralNMF((9, 4))),
        (X, nmf, hntf.HierarchicalNMF((9, 4))),
        (X, nmf, hntf.UnfoldedNMF(9, n_untied=2)),
        (T, cp, hntf.NeuralNTF((6, 4))),
        (T, cp.cp_tensor(), hntf.NeuralNTF((6, 4))),
        (T, cp.factors_[1:], hntf.NeuralNTF((6, 4))),
        (T, tucker, hntf.NeuralNTF(((5, 5), (3, 3)))),
        (T, tucker.tucker_tensor(), hntf.NeuralNTF(((5, 5), 3))),
        (T, tucker, hntf.NeuralNTF(((6, 5, 5), (3, 3, 3)))),
    ]:
        fresh = clone(model).set_params(random_state=0).fit(data)
        started = clone(model).set_params(random_state=0, init=init).fit(data)
        assert np.all(started.reconstruction_err_ < 1.01 * fresh.reconstruction_err_)
    with pytest.raises(ValueError, match=r"init must hold 2 factors, of shapes .*, or the first 1; got 3"):
        hntf.NeuralNMF((9, 4), init=[nmf.factors_[0]] * 3).fit(X)


def test_gathering_matrices_of_other_models_are_refused():
    X, ranks = tensor(), (6, 4)
    shared, by_mode = (hntf.MultiHNTF(ranks, shared=flag, n_init=1, random_state=0).fit(X) for flag in (True, False))
    again = hntf.MultiHNTF(ranks, init=[shared.factors_[0], shared.factors_[1][:1]]).fit(X)
    np.testing.assert_allclose(again.reconstruction_err_, shared.reconstruction_err_, rtol=1e-3)
    for init in (shared, by_mode, [shared.factors_[0], shared.factors_[1][:1]]):
        started = hntf.MultiHNTF(ranks, shared=False, init=init).fit(X)
        np.testing.assert_allclose(started.reconstruction_err_, by_mode.reconstruction_err_, rtol=1e-2)
    with pytest.raises(ValueError, match="the same gathering matrices for all modes"):
        hntf.MultiHNTF(ranks, init=by_mode).fit(X)
    with pytest.raises(ValueError, match=r"init\[1\] must have shape"):
        hntf.MultiHNTF(ranks, init=hntf.MultilayerNTF(ranks, n_init=1, random_state=0).fit(X)).fit(X)
    with pytest.raises(ValueError, match="1 or 3 gathering matrices"):
        hntf.MultiHNTF(ranks, init=[shared.factors_[0], shared.factors_[1][:2]]).fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["zero", "twin"])
@pytest.mark.parametrize("level", [0, -1])
@pytest.mark.parametrize(
    "model",
    [
        hntf.DeepSemiNMF((9, 4)),
        hntf.MultilayerSparseCoding((9, 4)),
        hntf.NeuralNMF((9, 4)),
        hntf.UnfoldedNMF(9, n_untied=0),
        hntf.NeuralNCPD((6, 4)),
        hntf.MultiHNTF((6, 4)),
        hntf.MultilayerNTF((6, 4)),
    ],
    ids=str,
)
def test_degenerate_components_come_to_life_in_every_level(model, level, kind):
    nested = isinstance(model, hntf.NeuralNCPD | hntf.MultiHNTF | hntf.MultilayerNTF)
    X = tensor() if nested else make_hierarchical_blocks(random_state=0).X
    fitted = model.set_params(random_state=0).fit(X)
    factors = fitted.factors_
    for A in factors[level] if nested else [factors[level]]:
        A[:, 1] = 0.0 if kind == "zero" else A[:, 0]
    again = clone(model).set_params(init=factors).fit(X)
    errors, errors_again = fitted.reconstruction_err_, again.reconstruction_err_
    if isinstance(model, hntf.MultilayerSparseCoding):
        # All levels together: in another basin, the small error of the first may be 3 % larger for the sake of the second.
        errors, errors_again = np.linalg.norm(errors), np.linalg.norm(errors_again)
    assert np.all(errors_again < 1.02 * errors)


def test_verbose_shows_the_start_too(capsys):
    hntf.NMF(3, random_state=0, verbose=True, n_init=2).fit(make_hierarchical_blocks(random_state=0).X)
    shown = capsys.readouterr().err
    assert "fit 1/2: start" in shown
    assert "loss=" in shown


def tensor():
    return make_hierarchical_tensor(noise=0.1, random_state=0).X[::2, ::3, ::3]


@pytest.mark.parametrize(
    ("model", "level"),
    [
        (hntf.NeuralNTF((6, 4)), None),
        (hntf.NTD((4, 4, 4)), None),
        (hntf.NeuralNCPD((6, 4), n_init=1), 1),
        (hntf.NeuralNTF(((5, 5), (3, 3))), None),
    ],
    ids=str,
)
def test_zero_columns_of_tensor_methods_come_to_life(model, level):
    X = tensor()
    fitted = model.set_params(random_state=0).fit(X)
    factors = fitted.factors_
    (factors[level] if level else factors)[0][:, 0] = 0.0
    again = clone(model).set_params(init=factors).fit(X)
    assert np.all(again.reconstruction_err_ < 1.05 * fitted.reconstruction_err_ + 0.01)


@pytest.mark.parametrize("model", [hntf.NeuralNTF((6, 4)), hntf.NeuralNMF((6, 4), init="sequential")], ids=str)
def test_a_stream_of_any_method_wakes_from_zeros(model):
    X = tensor() if isinstance(model, hntf.NeuralNTF) else make_hierarchical_blocks(random_state=0).X
    model.set_params(random_state=0).partial_fit(0.0 * X)
    for _ in range(100):
        model.partial_fit(X)
    assert model.score(X) > -0.6


def test_results_are_copies():
    X = tensor()
    for model in (hntf.NeuralNTF((4, 2)), hntf.NCPD(3), hntf.MultiHNTF((4, 2), n_init=1)):
        before = model.set_params(random_state=0, max_iter=20).fit(X).transform(X)
        for part in (model.factors_, model.components_, model.memberships_):
            for x in arrays_in(part):
                x[:] = 0.0
        np.testing.assert_array_equal(model.transform(X), before)


def test_a_stop_reaches_every_stage():
    for model in (hntf.HierarchicalNMF((9, 4, 2)), hntf.MultilayerNTF((6, 4, 2), n_init=2), hntf.MultiHNTF((6, 4))):
        X = make_hierarchical_blocks(random_state=0).X if isinstance(model, hntf.HierarchicalNMF) else tensor()
        seen = []

        def interrupt(progress, seen=seen):
            seen.append(progress)
            if len(seen) == 3:
                raise KeyboardInterrupt

        with pytest.warns(ConvergenceWarning, match="interrupted"):
            model.set_params(callback=interrupt, random_state=0).fit(X)
        assert len(seen) == 3
        assert np.isfinite(model.transform(X)).all()


def test_partial_fit_continues_the_model_of_the_fit():
    X, _, groups, _ = make_hierarchical_blocks(random_state=0)
    fitted = hntf.NeuralNMF((9, 4), random_state=0).fit(X, groups)
    assert clone_fitted(fitted).partial_fit(X[:30]).score(X, groups) > 0.95
    assert clone_fitted(fitted).partial_fit(X, groups + 1, classes=range(6)).classes_.tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="n_components must be that of the fit"):
        clone_fitted(fitted).set_params(n_components=(8, 3)).partial_fit(X)
    penalised = clone_fitted(fitted).set_params(code_l1=1.0, factor_l1=1.0).partial_fit(X)
    assert penalised.sparsity_["codes"][0] >= fitted.sparsity_["codes"][0]
    assert [layer.l1 for layer in penalised.model_.layers] == [1.0, 1.0]


def clone_fitted(model):
    return copy.deepcopy(model)


@pytest.mark.slow
def test_a_cp_decomposition_is_the_base_of_a_hierarchy():
    X = tensor()
    cp = hntf.NCPD(6, random_state=0).fit(X)
    for init in (cp, cp.cp_tensor(), cp.factors_):
        for model in (hntf.NeuralNCPD((6, 3), init=init), hntf.MultiHNTF((6, 3), init=init)):
            error = model.set_params(random_state=0).fit(X).reconstruction_err_[0]
            assert error < 1.1 * cp.reconstruction_err_[0]


def test_a_model_of_one_backend_starts_a_fit_on_the_other():
    X = make_hierarchical_blocks(random_state=0).X
    fitted = hntf.NMF(4, random_state=0).fit(torch.tensor(X))
    assert hntf.NMF(4, init=fitted).fit(X).reconstruction_err_[0] <= 1.001 * fitted.reconstruction_err_[0]


def test_decompositions_start_methods_that_find_the_samples_themselves():
    X = tensor()
    cp, tucker = hntf.NCPD(4, random_state=0).fit(X), hntf.NTD((len(X), 4, 4), max_iter=20, random_state=0).fit(X)
    for init in (cp, cp.cp_tensor()):
        assert hntf.NeuralNTF((4,), init=init).fit(X).reconstruction_err_[0] <= 1.01 * cp.reconstruction_err_[0]
    assert hntf.NeuralNTF(((4, 4),), init=tucker.tucker_tensor()).fit(X).reconstruction_err_[0] < 0.3
    of_matrix = hntf.NCPD(4, random_state=0).fit(X.reshape(len(X), -1))
    again = hntf.NMF(4, init=of_matrix.cp_tensor()).fit(X.reshape(len(X), -1))
    assert again.reconstruction_err_[0] <= 1.01 * of_matrix.reconstruction_err_[0]


def test_parameters_changed_during_a_stream_are_used():
    X, _, groups, _ = make_hierarchical_blocks(random_state=0)
    model = hntf.NeuralNMF((9, 4), random_state=0)
    for _ in range(5):
        model.partial_fit(X, groups)
    before = model.score(X, groups)
    still = clone_fitted(model).set_params(learning_rate=1e-9).partial_fit(X, groups)
    np.testing.assert_allclose(still.factors_[0], model.factors_[0], atol=1e-6)
    assert still.score(X, groups) == before
    moved = clone_fitted(model).set_params(learning_rate=0.5).partial_fit(X)
    assert abs(moved.factors_[0] - model.factors_[0]).max() > 0.01
    assert [layer.l1 for layer in clone_fitted(model).set_params(code_l1=1.0).partial_fit(X).model_.layers] == [1, 1]
    with pytest.raises(ValueError, match="n_components must be that"):
        model.set_params(n_components=(8, 4)).partial_fit(X)


def test_a_base_of_uneven_scales_is_as_good_a_start_as_an_even_one():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    base = hntf.NCPD(7, random_state=0).fit(X).cp_tensor()
    base.factors = [0.01 * base.factors[0], 10 * base.factors[1], 10 * base.factors[2]]
    found = hntf.NeuralNCPD((7, 4, 2), init=base, random_state=0).fit(X)
    assert found.reconstruction_err_ == pytest.approx([0.095, 0.2186, 0.5313], abs=2e-3)
