"""The stack of layers: to and from estimators, its start, its training, and its losses."""

import warnings

import numpy as np
import pandas
import pytest
import scipy.optimize
import scipy.sparse
import torch

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.torch import CP, NNLS, Hierarchy, Tucker, energy, label_l2

X = make_hierarchical_blocks(random_state=0).X
T = make_hierarchical_tensor(noise=0.1, random_state=0).X[::3, ::4, ::5]
RANKS = (9, 4, 2)
REACHED = (0.024, 0.282, 0.468)
"""The errors that training reaches on `X` from the start of the estimators."""

ESTIMATORS = {
    "NeuralNMF": (hntf.NeuralNMF((9, 4, 2), max_iter=20), X),
    "NeuralNMF with penalties": (hntf.NeuralNMF((6, 3), code_l1=0.1, code_l2=0.1, max_iter=20), X),
    "NeuralNTF on a CP": (hntf.NeuralNTF((6, 4, 2), max_iter=10), T),
    "NeuralNTF on a CP with penalties": (hntf.NeuralNTF((4, 2), code_l1=0.1, code_l2=0.1, max_iter=10), T),
    "NeuralNTF of Tuckers": (hntf.NeuralNTF(((4, 4), (3, 2)), max_iter=10), T),
    "NeuralNTF of a Tucker and dense layers": (hntf.NeuralNTF(((4, 4), 4, 2), max_iter=10), T),
    "NeuralNTF of one mode": (hntf.NeuralNTF(((3,), (2,)), modes=[2], max_iter=10), T),
    "NeuralNTF of the first mode": (hntf.NeuralNTF(((3,), (2,)), modes=[1], max_iter=10), T),
    "NMF": (hntf.NMF(5), X),
    "HierarchicalNMF": (hntf.HierarchicalNMF((9, 4)), X),
}


def fitted(name):
    estimator, samples = ESTIMATORS[name]
    return estimator.set_params(random_state=0).fit(samples), samples


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def case(request):
    with warnings.catch_warnings():
        # Few iterations, and penalties of the code alone.
        warnings.simplefilter("ignore", UserWarning)
        return fitted(request.param)


def stack(nonnegative=False, ranks=RANKS):
    torch.manual_seed(0)
    sizes = [X.shape[1], *ranks]
    return Hierarchy([NNLS(m, k, nonnegative=nonnegative) for m, k in zip(sizes, ranks, strict=False)]).double()


def assert_equal_codes(actual, expected, rtol=1e-12):
    for S, R in zip(actual, expected, strict=True):
        np.testing.assert_allclose(np.asarray(S), R, rtol=0, atol=rtol * abs(R).max())


class TestFromEstimator:
    def test_codes_are_those_of_the_estimator(self, case):
        estimator, samples = case
        model = Hierarchy.from_estimator(estimator)
        codes = [S.detach() for S in model(torch.tensor(samples))]
        assert all(S.dtype == torch.float64 for S in codes)
        expected = estimator.codes_ if hasattr(estimator, "codes_") else [estimator.transform(samples)]
        assert_equal_codes(codes, expected)

    def test_energy_is_the_sum_of_squared_errors(self, case):
        estimator, samples = case
        model = Hierarchy.from_estimator(estimator)
        errors = np.atleast_1d(estimator.reconstruction_err_)
        squares = (errors * np.linalg.norm(samples)) ** 2
        value = energy(model, torch.tensor(samples))
        np.testing.assert_allclose(value.item(), squares.sum(), rtol=1e-8)
        weights = [1.0, 0.5, 2.0][: len(squares)]
        weighted = energy(model, torch.tensor(samples), model(torch.tensor(samples)), level_weights=weights)
        np.testing.assert_allclose(weighted.item(), squares @ weights, rtol=1e-8)

    def test_gradients_of_the_energy_are_those_of_the_loss(self, case):
        estimator, samples = case
        model = Hierarchy.from_estimator(estimator)
        energy(model, torch.tensor(samples)).backward()
        _, expected = hntf.losses.Energy().value_and_grad(model.to_model(), torch.tensor(samples))
        actual = [U.grad for layer in model.layers for U in layer.factors]
        for dA, reference in zip(actual, expected, strict=True):
            torch.testing.assert_close(dA, reference, rtol=1e-7, atol=1e-9 * float(abs(reference).max()) + 1e-9)

    def test_decoding_is_that_of_the_model(self, case):
        estimator, samples = case
        model = Hierarchy.from_estimator(estimator)
        for level, S in enumerate(model(torch.tensor(samples))):
            expected = estimator.model_.decode(S.detach().numpy(), level)
            actual = model.decode(S, level).detach().numpy().reshape(samples.shape)
            np.testing.assert_allclose(actual, expected, atol=1e-12 * abs(samples).max())

    def test_and_back(self, case):
        estimator, samples = case
        back = Hierarchy.from_estimator(estimator).to_estimator(samples)
        assert type(back) is (hntf.NeuralNMF if samples.ndim == 2 else hntf.NeuralNTF)
        expected = estimator.codes_ if hasattr(estimator, "codes_") else [estimator.transform(samples)]
        assert_equal_codes(back.codes_, expected)
        assert_equal_codes([back.transform(samples)], [back.codes_[-1]])
        np.testing.assert_allclose(back.reconstruction_err_, np.atleast_1d(estimator.reconstruction_err_), rtol=1e-9)
        assert str(back.tree())

    @pytest.mark.filterwarnings("ignore:the code alone has a penalty")
    def test_a_returned_estimator_can_be_trained_on(self, case):
        estimator, samples = case
        back = Hierarchy.from_estimator(estimator).to_estimator(samples)
        before = np.sum(np.square(back.reconstruction_err_))
        assert back.partial_fit(samples) is back
        after = np.atleast_1d(back.reconstruction_err_)
        assert np.isfinite(after).all()
        assert np.sum(np.square(after)) < 1.5 * before

    def test_layers_carry_the_penalties(self, case):
        estimator, _ = case
        model = Hierarchy.from_estimator(estimator)
        for layer, core in zip(model.layers, estimator.model_.layers, strict=True):
            assert (layer.l1, layer.l2) == (core.l1, core.l2)


@pytest.mark.parametrize(
    ("estimator", "samples", "fit", "words"),
    [
        (hntf.NeuralNMF((3, 2)), X, False, "estimator must be fitted"),
        (hntf.NCPD(3, max_iter=5), T, True, "hold a stack of least-squares layers"),
        (hntf.NeuralNTF(((3, 3, 3),), modes=[0, 1, 2], max_iter=3), T, True, "stack of least-squares layers"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_estimators_without_such_layers_are_named(estimator, samples, fit, words):
    if fit:
        estimator.set_params(random_state=0).fit(samples)
    with pytest.raises(TypeError, match=words):
        Hierarchy.from_estimator(estimator)


@pytest.mark.parametrize(
    ("layers", "error", "words"),
    [
        ([], ValueError, "at least one layer"),
        ([NNLS(5, 4), torch.nn.Linear(4, 2)], TypeError, "layers must hold layers of hntf.torch, got Linear"),
        ([NNLS(5, 4), NNLS(3, 2)], ValueError, "codes of 4 entries below a layer for 3"),
        ([Tucker((4, 3), (2, 2)), NNLS(3, 2)], ValueError, "codes of 4 entries below a layer for 3"),
        ([CP((4, 3), 2), Tucker((2, 2), (1, 1))], ValueError, "codes of 2 entries below a layer for 4"),
        ([NNLS(5, 4), CP((2, 2), 2)], ValueError, "NNLS first, or Tucker layers, then NNLS layers; got CP above NNLS"),
        ([CP((4, 3), 4), Tucker((2, 2), (1, 1))], ValueError, "got Tucker above CP"),
        (3, TypeError, "layers must be a sequence"),
    ],
)
def test_layers_that_do_not_fit_are_named(layers, error, words):
    with pytest.raises(error, match=words):
        Hierarchy(layers)


def test_layers_of_mixed_kinds_have_codes_and_gradients():
    torch.manual_seed(1)
    model = Hierarchy([Tucker((4, 3), (3, 2)), Tucker((3, 2), (2, 2)), NNLS(4, 2)]).double()
    samples = torch.rand(3, 4, 3, dtype=torch.float64)
    assert [tuple(S.shape) for S in model(samples)] == [(3, 6), (3, 4), (3, 2)]

    class Loss(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, samples):
            return energy(self.model, samples)

    report = hntf.gradcheck(Loss(), samples)
    assert report.ok, str(report)


class TestTraining:
    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_a_start_from_data_is_that_of_the_estimators(self, nonnegative):
        model = stack(nonnegative).initialize_(torch.tensor(X), random_state=0)
        start = hntf.NeuralNMF(RANKS, max_iter=1, random_state=0)
        with pytest.warns(UserWarning, match="stopped"):
            start.fit(X)
        with torch.no_grad():
            errors = [
                float((torch.tensor(X) - model.decode(S, i)).norm()) for i, S in enumerate(model(torch.tensor(X)))
            ]
        # One iteration of the estimator leads down from this start.
        assert energy(model, torch.tensor(X)) < 2 * np.sum((start.reconstruction_err_ * np.linalg.norm(X)) ** 2)
        assert errors[0] < 0.1 * np.linalg.norm(X)
        again = stack(nonnegative).initialize_(X, random_state=0)
        for layer, other in zip(model.layers, again.layers, strict=True):
            torch.testing.assert_close(layer.A, other.A)

    @pytest.mark.parametrize("nonnegative", [False, True])
    @pytest.mark.parametrize(("steps", "slack"), [(15, 1.6), pytest.param(300, 1.05, marks=pytest.mark.slow)])
    def test_errors_after_training(self, nonnegative, steps, slack):
        samples = torch.tensor(X)
        model = stack(nonnegative).initialize_(samples, random_state=0)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1 if nonnegative else 0.02)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        before = energy(model, samples).item()
        for _ in range(steps):
            optimizer.zero_grad()
            energy(model, samples).backward()
            optimizer.step()
            schedule.step()
            if not nonnegative:
                model.project_()
        assert energy(model, samples).item() < before
        assert all((layer.A >= 0).all() for layer in model.layers)
        errors = [((samples - model.decode(S, i)).norm() / samples.norm()).item() for i, S in enumerate(model(samples))]
        np.testing.assert_array_less(errors, slack * np.array(REACHED))
        back = model.to_estimator(X)
        np.testing.assert_allclose(back.reconstruction_err_, errors, rtol=1e-6)

    @pytest.mark.parametrize("layers", [[CP((12, 9), 4), NNLS(4, 2)], [Tucker((12, 9), (3, 3)), NNLS(9, 2)]])
    def test_tensors_start_from_data(self, layers):
        torch.manual_seed(0)
        samples = torch.rand(10, 12, 9, dtype=torch.float64)
        model = Hierarchy(layers).double()
        before = energy(model, samples)
        assert model.initialize_(samples, random_state=0) is model
        assert energy(model, samples) < before
        assert type(model.to_estimator(samples)) is hntf.NeuralNTF

    def test_data_with_negative_entries_are_refused(self):
        with pytest.raises(ValueError, match="Negative values in data"):
            stack().initialize_(-torch.tensor(X))


class TestHiddenEntries:
    @pytest.fixture(
        params=[[NNLS(7, 4), NNLS(4, 2)], [CP((4, 3), 4), NNLS(4, 2)], [Tucker((4, 3), (3, 2)), NNLS(6, 2)]]
    )
    def model(self, request):
        torch.manual_seed(0)
        model = Hierarchy(request.param).double()
        for layer in model.layers:
            layer.reset_parameters()
        return model

    @pytest.fixture
    def given(self, model):
        """Samples, those with other numbers at hidden entries, and the mask."""
        torch.manual_seed(1)
        samples = torch.rand(12, *model.layers[0].in_shape, dtype=torch.float64)
        mask = torch.rand(samples.shape) < 0.8
        return samples, samples.masked_fill(~mask, torch.nan), mask

    def test_they_are_never_looked_at(self, model, given):
        samples, hidden, mask = given
        for S, R in zip(model(samples, mask), model(hidden, mask), strict=True):
            assert torch.equal(S, R)
        value, of_hidden = energy(model, samples, weights=mask), energy(model, hidden, weights=mask)
        assert torch.equal(value, of_hidden)
        of_hidden.backward()
        assert all(p.grad.isfinite().all() for p in model.parameters())
        starts = [
            [p.clone() for p in model.initialize_(x, mask, random_state=0).state_dict().values()]
            for x in (samples, hidden)
        ]
        assert all(torch.equal(U, V) for U, V in zip(*starts, strict=True))

    def test_energy_is_that_of_the_core(self, model, given):
        samples, hidden, mask = given
        data = hntf.as_data(samples, mask=mask)
        expected, _ = hntf.losses.Energy().value_and_grad(model.to_model(), data)
        np.testing.assert_allclose(energy(model, hidden, weights=mask).item(), expected, rtol=1e-9)

    def test_gradients(self, model, given):
        _, hidden, mask = given
        factors = [p.detach() for p in model.parameters()]
        names = [name for name, _ in model.named_parameters()]
        visible = hidden.nan_to_num(5.0)

        def of_factors(*factors):
            state = dict(zip(names, factors, strict=True))
            codes = torch.func.functional_call(model, state, (visible, mask))
            return sum((i + 1) * S.square().sum() for i, S in enumerate(codes))

        report = hntf.gradcheck(of_factors, factors)
        assert report.ok, str(report)

    def test_an_estimator_has_the_same_codes(self, model, given):
        _, hidden, mask = given
        model.project_()
        estimator = model.to_estimator(hidden, mask)
        assert_equal_codes([S.detach() for S in model(hidden, mask)], [S.numpy() for S in estimator.codes_], 1e-9)
        codes = [estimator.transform(hidden, mask=mask, level=level).numpy() for level in range(2)]
        assert_equal_codes([S.detach() for S in model(hidden, mask)], codes, 1e-9)


class TestLabels:
    @pytest.fixture
    def S(self):
        return torch.rand(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    @pytest.fixture
    def Y(self):
        return torch.eye(4, dtype=torch.float64)[torch.arange(12) % 4]

    @pytest.mark.parametrize("known", [None, torch.arange(12) < 7])
    def test_it_is_the_best_classifier(self, S, Y, known):
        rows = slice(None) if known is None else known
        residuals = [scipy.optimize.nnls(S[rows].numpy(), y.numpy())[1] for y in Y[rows].T]
        np.testing.assert_allclose(label_l2(S, Y, known).item(), 0.5 * np.sum(np.square(residuals)), rtol=1e-10)

    @pytest.mark.parametrize("known", [None, torch.arange(12) < 7])
    def test_gradients(self, S, Y, known):
        report = hntf.gradcheck(lambda S, Y: label_l2(S, Y, known), [S, Y])
        assert report.ok, str(report)
        assert hntf.gradcheck(lambda S: label_l2(S, Y, known), [S], order=2).ok

    def test_it_is_the_loss_of_the_library(self, Y):
        torch.manual_seed(0)
        model = Hierarchy([NNLS(6, 4), NNLS(4, 3)]).double()
        samples = torch.rand(12, 6, dtype=torch.float64)
        known = torch.arange(12) < 8
        value = label_l2(model(samples)[-1], Y, known)
        value.backward()
        labels = np.where(known, np.arange(12) % 4, -1)
        expected, gradients = hntf.losses.LabelL2().value_and_grad(model.to_model(), samples, labels)
        np.testing.assert_allclose(value.item(), expected, rtol=1e-10)
        for layer, dA in zip(model.layers, gradients, strict=True):
            torch.testing.assert_close(layer.A.grad, dA, rtol=1e-8, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("layers", [[CP((3, 2), 3), NNLS(3, 2)], [Tucker((3, 2), (2, 2))]])
def test_a_stack_is_compiled_whole(layers):
    torch.manual_seed(0)
    model = Hierarchy(layers).double()
    samples = torch.rand(5, *layers[0].in_shape, dtype=torch.float64)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    for S, expected in zip(compiled(samples), model(samples), strict=True):
        torch.testing.assert_close(S, expected)
    energy(model, samples, compiled(samples)).backward()
    found = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    energy(model, samples).backward()
    for dA, p in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(dA, p.grad)


def test_a_state_goes_round():
    model, other = stack(), stack(nonnegative=False)
    other.initialize_(X, random_state=1)
    other.load_state_dict(model.state_dict())
    for S, R in zip(model(torch.tensor(X)), other(torch.tensor(X)), strict=True):
        assert torch.equal(S, R)
    assert repr(model).count("NNLS(in_shape") == len(RANKS)


class TestKnownLabels:
    def test_numbers_are_a_mask_and_no_indices(self):
        torch.manual_seed(0)
        S, Y, known = torch.rand(5, 3), torch.rand(5, 2), [1, 0, 1, 1, 0]
        expected = hntf.torch.label_l2(S[[0, 2, 3]], Y[[0, 2, 3]])
        for mask in (torch.tensor(known), torch.tensor(known).bool(), torch.tensor(known).float(), np.array(known)):
            torch.testing.assert_close(hntf.torch.label_l2(S, Y, mask), expected)

    @pytest.mark.parametrize("known", [torch.rand(5), torch.ones(4), torch.tensor([0, 1, 2, 3, 4])])
    def test_what_is_no_mask_is_named(self, known):
        with pytest.raises(ValueError, match="known must"):
            hntf.torch.label_l2(torch.rand(5, 3), torch.rand(5, 2), known)


def test_sparse_labels_are_refused_by_name():
    with pytest.raises(TypeError, match=r"Y must be a dense tensor.*to_dense"):
        hntf.torch.label_l2(torch.rand(3, 2), torch.eye(3).to_sparse())


SAMPLES = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda h: h.to_estimator(SAMPLES[:, :4]), ValueError, r"X must have shape \(n, 6\)"),
        (lambda h: h.initialize_(SAMPLES[:, :4]), ValueError, r"X must have shape \(n, 6\)"),
        (lambda h: energy(h, SAMPLES, h(SAMPLES)[:1]), ValueError, "codes must have one entry per level, 2; got 1"),
        (lambda h: energy(h, SAMPLES, level_weights=[1.0]), ValueError, "level_weights must have one entry per level"),
        (lambda h: energy(h, SAMPLES, level_weights=[1.0, np.nan]), ValueError, r"level_weights\[1\] must be"),
        (lambda h: energy(h, SAMPLES, level_weights=[-1, 1]), ValueError, r"level_weights\[0\] must be at least 0"),
        (lambda h: h.decode(torch.rand(3, 7)), ValueError, r"S must have codes of 2 entries, got shape \(3, 7\)"),
        (lambda h: h.decode(torch.rand(3, 2), level=7), ValueError, "level must be an integer from -2 to 1"),
        (lambda h: h.decode(np.ones((3, 2))), TypeError, "S must be a torch tensor"),
        (lambda h: label_l2(torch.rand(3, 2), torch.rand(3)), ValueError, "Y must be a matrix"),
        (lambda h: label_l2(torch.rand(3), torch.rand(3, 2)), ValueError, "S must be a matrix"),
        (lambda h: label_l2(torch.rand(3, 2), torch.full((3, 2), torch.nan)), ValueError, "Y must hold finite entries"),
        (lambda h: h.layers[0].set_factors_([1j * np.ones((6, 3))]), TypeError, "factors must hold real numbers"),
        (lambda h: h.layers[0].set_factors_([np.full((6, 3), np.nan)]), ValueError, "factors must hold finite entries"),
        (lambda h: Tucker((3, 2), (2, 2))(torch.full((2, 3, 2), torch.nan)), ValueError, "X must hold finite entries"),
    ],
)
def test_bad_calls_are_named(call, error, words):
    hierarchy = Hierarchy([NNLS(6, 3), NNLS(3, 2)]).double()
    before = [U.clone() for U in hierarchy.parameters()]
    with pytest.raises(error, match=words):
        call(hierarchy)
    assert all(map(torch.equal, hierarchy.parameters(), before))


def test_hidden_labels_may_be_anything():
    S, Y, known = torch.rand(4, 2), torch.rand(4, 3), torch.tensor([True, False, True, True])
    expected = label_l2(S[known], Y[known])
    Y[1] = torch.nan
    assert torch.equal(label_l2(S, Y, known), expected)


@pytest.mark.parametrize(("of_data", "of_model"), [(torch.float32, torch.float64), (torch.float64, torch.float32)])
def test_the_energy_of_data_in_another_precision(of_data, of_model):
    hierarchy = Hierarchy([NNLS(6, 3), NNLS(3, 2)]).to(of_model)
    expected = energy(hierarchy.double(), SAMPLES).item()
    assert energy(hierarchy.to(of_model), SAMPLES.to(of_data)).item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_lbfgs_trains_from_a_start(nonnegative):
    """Its parameters must be contiguous, and the start has columns in order of memory."""
    samples = torch.tensor(X)
    hierarchy = stack(nonnegative).initialize_(samples, random_state=0)
    optimizer = torch.optim.LBFGS(hierarchy.parameters(), max_iter=3)

    def closure():
        optimizer.zero_grad()
        (loss := energy(hierarchy, samples)).backward()
        return loss

    first = float(optimizer.step(closure))
    assert energy(hierarchy, samples).item() < first


def test_factors_that_are_set_are_copied():
    class Same(torch.nn.Module):
        def forward(self, x):
            return x

        def right_inverse(self, x):
            return x

    layer, B = NNLS(6, 3), torch.rand(6, 3)
    torch.nn.utils.parametrize.register_parametrization(layer, "A", Same())
    layer.set_factors_([B])
    expected = layer.A.detach().clone()
    B.zero_()
    assert torch.equal(layer.A, expected)


def test_an_estimator_takes_samples_of_any_kind():
    """As many as `initialize_` takes: sparse matrices, data frames, lists."""
    model = stack(ranks=(4, 2)).initialize_(X, random_state=0)
    expected = model.to_estimator(X).codes_
    for samples in (scipy.sparse.csr_array(X), pandas.DataFrame(X), X.tolist(), torch.tensor(X)):
        other = stack(ranks=(4, 2)).initialize_(samples, random_state=0)
        codes = other.to_estimator(samples).codes_
        assert_equal_codes([np.asarray(S) for S in codes], expected, 1e-9)


@pytest.mark.parametrize(
    "layers", [[CP((4, 3), 4), NNLS(4, 2)], [Tucker((4, 3), (3, 2)), Tucker((3, 2), (2, 2)), NNLS(4, 2)]]
)
def test_searches_from_supports_find_the_same_codes(layers):
    torch.manual_seed(0)
    model = Hierarchy(layers).double()
    samples = torch.rand(12, 4, 3, dtype=torch.float64)
    codes = model(samples)
    for S, R in zip(model(samples, supports=[S > 0 for S in codes]), codes, strict=True):
        torch.testing.assert_close(S, R, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=f"supports must have one entry per level, {len(layers)}; got 1"):
        model(samples, supports=[codes[0] > 0])
