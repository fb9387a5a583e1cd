from functools import partial

import numpy as np
import pytest
import scipy.sparse
import torch

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense
from hntf.models import GatheredComponents
from tests.problems import hierarchy


def test_it_finds_a_wrong_gradient_and_says_where():
    def function(x, y):
        gradient = 3 * y**2
        gradient[1] *= 1.01
        return (x**2).sum() + (y**3).sum(), [2 * x, gradient]

    report = hntf.gradcheck(function, [np.array([1.0, 2.0]), np.array([1.0, 3.0, 2.0])])
    assert not report.ok
    assert not report.at_kink
    assert report.worst.input == 1
    assert report.worst.index == (1,)
    np.testing.assert_allclose(report.max_rel_error, 0.01, rtol=0.05)
    assert "GRADIENTS DIFFER" in str(report)


class DoubledColumn(torch.autograd.Function):
    """The identity, with a gradient whose first column is twice as large."""

    @staticmethod
    def forward(ctx, A):
        return A.clone()

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        gradient[:, 0] *= 2
        return gradient


class Bent(torch.autograd.Function):
    """The identity, with a gradient that is multiplied by given factors."""

    @staticmethod
    def forward(ctx, x, factors):
        ctx.factors = factors
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.factors, None


class Layer(torch.nn.Module):
    def __init__(self, A):
        super().__init__()
        self.A = torch.nn.Parameter(A)

    def forward(self, X):
        return hntf.torch.nnls(X, self.A)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.slow
def test_a_sample_at_a_kink_does_not_hide_the_others_of_a_torch_function(seed):
    rng = np.random.default_rng(seed)
    A, S = torch.tensor(rng.random((8, 3))), torch.tensor(rng.random((5, 3)) + 0.5)
    S[0, 2] = 0
    X = S @ A.mT
    wrong = hntf.gradcheck(lambda X, A: hntf.torch.nnls(X, DoubledColumn.apply(A)), [X, A])
    assert (wrong.verdict, wrong.samples_at_kinks) == ("GRADIENTS DIFFER", (0,))
    for function, inputs in ((hntf.torch.nnls, [X, A]), (hntf.torch.nnls, [X[:2], A]), (Layer(A), [X])):
        report = hntf.gradcheck(function, inputs)
        assert report.ok
        assert report.samples_at_kinks == (0,)
    # Where samples depend on each other, none is left out.
    mixed = hntf.gradcheck(lambda X, A: torch.softmax(hntf.torch.nnls(X, A), dim=0), [X, A])
    assert mixed.verdict != "GRADIENTS DIFFER"
    assert mixed.samples_at_kinks == ()


def test_a_kink_is_told_apart_from_a_bug():
    # The sample is orthogonal to the second column: its code there is zero, and so is its dual.
    layer = NNLSLayer(Dense(np.eye(2)))
    report = hntf.gradcheck(layer, np.array([[1.0, 0.0]]))
    assert report.ok
    assert report.n_at_kinks == 0
    assert (report.n_judged, report.n_nearby) == (6, 2)
    assert report.margin == 0.0
    assert "judged at a point nearby: 2 entries" in str(report)
    nothing = hntf.gradcheck(lambda x: (abs(x).sum(), [np.sign(x)]), [np.array([1.0])])
    assert nothing.ok
    zeros = [np.array([[0.0, 0.0]])]
    assert hntf.gradcheck(lambda x: ((S := layer.forward(x)[0]).sum(), [(S > 0) * 1.0]), zeros).ok
    assert hntf.gradcheck(lambda x: ((S := layer.forward(x)[0]).sum(), [S]), zeros).verdict == "GRADIENTS DIFFER"


def test_a_function_that_crosses_a_kink_at_every_call_has_no_verdict(rng):
    layer = NNLSLayer(Dense(np.eye(20)))

    def function(x):
        return layer.forward(rng.standard_normal((1, 20)))[0].sum(), [0 * x]

    report = hntf.gradcheck(function, [np.array([[1.0, 2.0]])])
    assert (report.verdict, report.at_kink, report.n_at_kinks) == ("KINK, no verdict", True, 2)
    assert "left out at kinks: 2 entries" in str(report)


@pytest.mark.parametrize("is_module", [False, True])
def test_a_kink_of_one_sample_hides_no_bug_of_a_scalar_loss(rng, is_module):
    """A scalar tells no samples apart, so that a whole column of the dictionary crosses the kink of the first sample."""
    A, X = torch.tensor(rng.random((6, 3))), torch.tensor(rng.random((40, 6)))
    X[0] = A[:, 0]

    class OfDictionary(torch.nn.Module):
        def __init__(self, function):
            super().__init__()
            self.A, self.function = torch.nn.Parameter(A), function

        def forward(self, X):
            return hntf.torch.nnls(X, self.function(self.A)).square().sum()

    for function, verdict in ((lambda A: A * 1, "gradients agree"), (DoubledColumn.apply, "GRADIENTS DIFFER")):
        module = OfDictionary(function)
        checked = module if is_module else lambda X, A, f=function: hntf.torch.nnls(X, f(A)).square().sum()
        report = hntf.gradcheck(checked, [X] if is_module else [X, A])
        assert report.verdict == verdict
        assert report.n_nearby > 0
        assert report.n_at_kinks == 0


def test_a_kink_of_one_sample_hides_no_bug_beside_labels(rng):
    class Wrong(Dense):
        def pullback(self, X, dG, dC, contracted=None):
            return [-3.0 * dA for dA in super().pullback(X, dG, dC, contracted)]

    A, labels = rng.random((6, 3)), hntf.losses.LabelL2()
    X = rng.random((12, 6))
    X[0] = A[:, 0]
    targets = rng.integers(0, 2, 12)
    for kind, verdict in ((Dense, "gradients agree"), (Wrong, "GRADIENTS DIFFER")):
        model = hntf.Hierarchy([NNLSLayer(kind(A))])
        assert hntf.gradcheck(labels, [model, X, targets]).verdict == verdict


@pytest.mark.parametrize("power", [3, 5])
def test_powers_that_vanish_at_zero_are_judged_nearby(power):
    right = hntf.gradcheck(lambda x: ((x**power).sum(), [power * x ** (power - 1)]), [np.zeros(3)])
    assert (right.ok, right.n_nearby) == (True, 3)
    assert not hntf.gradcheck(lambda x: ((x**power).sum(), [x ** (power - 1)]), [np.zeros(3)]).ok


def test_the_other_samples_are_judged(rng):
    """A sample at a kink does not hide a wrong gradient of the others."""
    A, X = rng.random((6, 3)), rng.random((4, 6))
    X[1] = 0.0
    assert hntf.gradcheck(NNLSLayer(Dense(A)), X).samples_at_kinks == (1,)

    class Wrong(NNLSLayer):
        def backward(self, tape, dS):
            dX, (dA,) = super().backward(tape, dS)
            return dX, [1.001 * dA]

    report = hntf.gradcheck(Wrong(Dense(A)), X)
    assert not report.ok
    assert report.worst.input == 1


def test_the_margin_is_that_of_the_solution(rng):
    A, X = rng.random((6, 3)), rng.random((4, 6))
    margin = hntf.nnls(A, X.T, return_info=True)[1].margin
    report = hntf.gradcheck(NNLSLayer(Dense(A)), X)
    np.testing.assert_allclose(report.margin, margin, rtol=1e-8)


def test_functions_that_autograd_follows():
    def function(X, A):
        return hntf.torch.nnls(X, A) * torch.arange(1.0, 4.0)

    torch.manual_seed(1)
    report = hntf.gradcheck(function, [torch.rand(5, 6), torch.rand(6, 3)])
    assert report.ok, str(report)
    assert np.isfinite(report.margin)


def test_maps(backend, rng):
    report = hntf.gradcheck(
        Dense(backend(rng.random((5, 3)))), [backend(rng.random((4, 3))), backend(rng.random((4, 5)))]
    )
    assert report.ok, str(report)
    assert report.margin == np.inf


@pytest.mark.parametrize(
    ("function", "inputs", "error", "words"),
    [
        (3, [np.ones(2)], TypeError, "function must be"),
        (lambda x: x.sum(), [np.ones(2)], TypeError, r"must return \(value, gradients\)"),
        (lambda x: (x.sum(), []), [np.ones(2)], ValueError, "one gradient an input"),
        (lambda x: (x.sum(), [np.ones(3)]), [np.ones(2)], ValueError, "must have its shape"),
        (lambda x: (x.sum(), [x]), [np.array([np.nan])], ValueError, "contains NaN"),
        (hntf.losses.Energy(), [np.ones((2, 2))], ValueError, "a hierarchy and X"),
        (Dense(np.ones((2, 2))), [np.ones((2, 2))], ValueError, "a code S and data X"),
    ],
)
def test_bad_input_is_named(function, inputs, error, words):
    with pytest.raises(error, match=words):
        hntf.gradcheck(function, inputs)


def test_bad_steps_are_named(rng):
    with pytest.raises(ValueError, match="eps must be greater than 0"):
        hntf.gradcheck(hierarchy(rng, 4, (2,)), rng.random((3, 4)), eps=0.0)


class TestWhatCannotBeJudged:
    def test_an_input_at_kinks_is_judged_nearby(self):
        """At the kink nothing is known of the gradient of the first input; half of it is missing."""
        layer = NNLSLayer(Dense(np.eye(2)))

        def function(x, y):
            return (S := layer.forward(x)[0]).sum() + (y**2).sum(), [0.5 * S, 2 * y]

        report = hntf.gradcheck(function, [np.zeros((1, 2)), np.array([1.0, 3.0])])
        assert report.verdict == "GRADIENTS DIFFER"
        assert report.worst.input == 0
        assert report.n_nearby == 2

    def test_entries_that_differences_do_not_resolve_are_counted(self):
        """The value is good to four digits where its inputs are rounded, so that no difference tells a derivative."""
        A = np.vander(np.linspace(0, 1, 14), 14)
        slope = np.linalg.inv(A)[0]
        report = hntf.gradcheck(
            lambda b: (np.linalg.solve(A, A @ b)[0], [np.eye(14)[0]]), [np.random.default_rng(0).random(14)]
        )
        assert report.n_unresolved > 0
        assert "not resolved by differences" in str(report)
        assert hntf.gradcheck(lambda b: (slope @ b, [slope]), [np.random.default_rng(0).random(14)]).n_unresolved == 0

    @pytest.mark.parametrize("factor", [-1.0, 0.0, 1.0])
    def test_an_offset_that_hides_the_derivative_leaves_no_verdict(self, factor):
        report = hntf.gradcheck(lambda x: ((x**2).sum() + 1e14, [factor * 2 * x]), [np.array([1.0, 2.0])])
        assert not report.ok
        assert report.inputs_not_judged == (0,)

    def test_a_function_that_is_no_number_beside_the_point_is_no_kink(self):
        def function(x):
            with np.errstate(invalid="ignore"):
                return np.log(x).sum(), [np.array([-1.0, 1.0]) / x]

        report = hntf.gradcheck(function, [np.array([1e-13, 1.0])])
        assert report.n_at_kinks == 0
        assert report.verdict == "GRADIENTS DIFFER"
        assert report.worst.numeric == pytest.approx(1e13, rel=1e-5)

    @pytest.mark.parametrize("smallest", [1e-8, 1e-5, 1e-2])
    def test_a_pole_beside_the_point_is_no_kink(self, smallest):
        x = torch.tensor([smallest, 1.0, 1e2], dtype=torch.float64)
        report = hntf.gradcheck(lambda x: (1 / x).sum(), x)
        assert report.ok, str(report)
        assert report.n_at_kinks == 0

    def test_what_differences_cannot_resolve_beside_large_derivatives_is_told(self):
        """Nothing is passed without a word: that an entry changes the function little does not make its derivative right."""
        report = hntf.gradcheck(lambda x: (1e13 * x[0] + x[1], [np.array([1e13, 0.0])]), [np.ones(2)])
        assert (report.ok, report.n_judged, report.n_unresolved) == (True, 1, 1)
        x = np.array([[1, 1e-9], [2, 2e-9]])
        report = hntf.gradcheck(lambda x: ((x * x).sum(), [np.where(x < 1e-3, 0, 2 * x)]), [x])
        assert (report.ok, report.n_judged, report.n_unresolved) == (True, 2, 2)

    @pytest.mark.parametrize("factor", [0.0, 1.0, 2.0])
    @pytest.mark.parametrize("size", [1e5, 1e9, 1e11, 1e12, 1e14, 1e16])
    def test_an_input_beside_a_large_one_is_judged_or_told(self, size, factor):
        def function(a, b):
            return size * (a**2).sum() + (b**2).sum(), [2 * size * a, factor * b]

        report = hntf.gradcheck(function, [np.array([0.3, 0.5]), np.array([0.7, 0.9])])
        if report.inputs_not_judged:
            assert size > 1e11
            assert report.n_unresolved == 2
        assert report.ok == (factor == 2.0 and not report.inputs_not_judged)

    def test_units_that_are_not_active_are_judged(self):
        report = hntf.gradcheck(
            lambda a, b: torch.relu(a).sum() + torch.relu(b).sum(), [torch.tensor([0.3, 0.5]), torch.tensor([-0.7])]
        )
        assert (report.ok, report.n_judged, report.n_unresolved) == (True, 3, 0)

    def test_an_input_without_effect_but_for_rounding_is_judged(self):
        report = hntf.gradcheck(
            lambda a, b: (a**2).sum() + torch.softmax(a + b, 0)[0], [torch.tensor([0.3, 0.5]), torch.tensor(0.7)]
        )
        assert report.ok

    @pytest.mark.parametrize("function", [torch.nn.Identity(), torch.nn.Dropout().eval(), lambda x: x])
    @pytest.mark.parametrize("order", [1, 2])
    def test_functions_that_return_their_input(self, function, order):
        assert hntf.gradcheck(function, torch.rand(3, dtype=torch.float64), order=order).ok

    def test_columns_that_no_sample_uses_are_judged(self, rng):
        """A derivative that is zero all around is no question of resolution."""
        A = rng.random((6, 3))
        layer = NNLSLayer(Dense(np.hstack([A, -np.ones((6, 1))])))
        report = hntf.gradcheck(layer, rng.random((4, 2)) @ A[:, :2].T + 0.1 * rng.random((4, 6)))
        assert report.ok, str(report)
        assert (report.n_judged, report.n_unresolved) == (4 * 6 + 6 * 4, 0)

    @pytest.mark.parametrize("small", [1e-16, 1e-12])
    def test_a_smooth_function_is_no_kink_however_sharp(self, small):
        def function(x, at_zero):
            root = np.sqrt(x * x + small)
            return root.sum(), [np.where(x == 0, at_zero, x / root)]

        x = np.array([0.0, 1.0, -2.0, 0.5])
        assert hntf.gradcheck(lambda x: function(x, 0.0), [x]).ok
        assert hntf.gradcheck(lambda x: function(x, 0.7), [x]).verdict == "GRADIENTS DIFFER"

    def test_rounding_to_half_precision_inside_has_no_verdict(self):
        x = torch.randn(4, generator=torch.Generator().manual_seed(0))
        assert hntf.gradcheck(lambda x: (x.bfloat16() ** 2).sum().double(), x).verdict == "NO VERDICT on inputs [0]"

    @pytest.mark.parametrize("factor", [0.5, 1.0])
    def test_rounding_to_single_precision_inside_is_no_error(self, factor):
        """Small steps tell nothing of such a function, whose differences are zero or a whole rounding."""

        def function(x):
            return (x.float() ** 3).sum().double() + torch.sin(x).sum() + (factor - 1) * (x - x.detach()).sum()

        report = hntf.gradcheck(function, torch.rand(4, 3, generator=torch.Generator().manual_seed(0)))
        assert report.verdict == ("gradients agree" if factor == 1.0 else "GRADIENTS DIFFER")

    def test_a_function_that_oscillates_much_faster_than_the_first_step_is_judged(self):
        x = torch.tensor([0.1, 0.5, 0.9])
        assert hntf.gradcheck(lambda x: torch.sin(1e7 * x).sum(), x).ok
        wrong = hntf.gradcheck(lambda x: torch.sin(1e7 * x).sum() + 1e7 * (x - x.detach()).sum(), x)
        assert wrong.verdict == "GRADIENTS DIFFER"

    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("function", [torch.softmax, torch.logsumexp, lambda z, _: torch.nn.functional.softplus(z)])
    def test_functions_of_single_precision(self, function, seed):
        generator = torch.Generator().manual_seed(seed)
        x, W = torch.rand(4, 6, generator=generator), torch.linspace(-1, 1, 24).reshape(6, 4)
        right = hntf.gradcheck(lambda x: function(x.float() @ W, -1).square().sum(), x)
        assert right.verdict != "GRADIENTS DIFFER"
        assert not right.n_at_kinks
        bent = torch.ones(6).index_fill(0, torch.tensor(2), -1.0)
        wrong = hntf.gradcheck(lambda x: function(Bent.apply(x, bent).float() @ W, -1).square().sum(), x)
        assert not wrong.ok

    @pytest.mark.parametrize("power", [1.25, 1.5, 1.75, 1.9])
    def test_powers_beside_zero(self, power):
        """The derivative changes within a distance that rounding hides."""
        rng = np.random.default_rng(0)
        for exponent in range(1, 12):
            x = torch.tensor([10.0**-exponent, *rng.uniform(0.3, 1.0, 2)], dtype=torch.float64)
            assert hntf.gradcheck(lambda x: x.abs().pow(power).sum(), x).ok
            bent = torch.tensor([1.0, 1.0, 1.01], dtype=torch.float64)
            wrong = hntf.gradcheck(lambda x, bent=bent: Bent.apply(x, bent).abs().pow(power).sum(), x)
            assert wrong.verdict == "GRADIENTS DIFFER"

    @pytest.mark.parametrize("name", ["l1", "l2", "weights"])
    def test_what_has_no_effect_here_and_is_not_defined_far_away(self, name):
        X, A = torch.tensor([[1.0, -2.0]], dtype=torch.float64), torch.eye(2, dtype=torch.float64)
        given = torch.full((2,), 0.1, dtype=torch.float64)
        report = hntf.gradcheck(lambda value: hntf.torch.nnls(X, A, **{name: value}), given)
        assert report.verdict != "GRADIENTS DIFFER"

    def test_random_functions_have_no_verdict(self):
        report = hntf.gradcheck(torch.nn.Dropout(0.5), torch.rand(5, 4))
        assert report.verdict == "NO VERDICT on inputs [0]"

    @pytest.mark.parametrize(("slope", "is_kink"), [(0.0, True), (0.3, True), (1.0, True), (-0.5, False), (1.5, False)])
    def test_at_a_kink_that_nothing_records_any_subgradient_passes(self, slope, is_kink):
        def function(x):
            return np.maximum(x, 0).sum() + (x**2).sum(), [np.where(x == 0, slope, x > 0) + 2 * x]

        report = hntf.gradcheck(function, [np.array([0.0, 1.0, -1.0])])
        assert report.ok is is_kink
        assert report.n_nearby == is_kink

    @pytest.mark.parametrize("distance", 10.0 ** np.arange(-18, -2, 3))
    @pytest.mark.parametrize("function", [torch.abs, torch.relu, torch.nn.functional.leaky_relu])
    def test_near_a_kink_right_gradients_pass_and_those_beside_are_judged(self, function, distance):
        x = torch.tensor([1.0, distance, -2.0], dtype=torch.float64)
        report = hntf.gradcheck(function, x)
        assert report.ok
        assert report.n_judged + report.n_at_kinks + report.n_unresolved == 3
        assert not hntf.gradcheck(lambda x: function(x) + torch.tensor([1.0, 0.0, 0.0]) * (x - x.detach()), x).ok

    def test_inputs_without_entries(self):
        report = hntf.gradcheck(
            lambda x, y: ((x**2).sum() + (y**2).sum(), [2 * x, 2 * y]), [np.zeros((0, 3)), np.ones(2)]
        )
        assert report.ok
        assert report.n_judged == 2
        report = hntf.gradcheck(lambda x: (x**2).sum(), torch.zeros(0, 3))
        assert not report.ok
        assert report.verdict == "NO VERDICT on inputs [0]"

    def test_a_large_column_does_not_hide_a_small_one(self):
        def function(x, y):
            return torch.stack([1e12 * x.sin(), y.sin() + 1e-3 * y.detach()], dim=1)

        report = hntf.gradcheck(function, [torch.rand(3), torch.rand(3)])
        assert not report.ok
        assert report.worst.input == 1


class TestModules:
    @pytest.fixture
    def network(self):
        torch.manual_seed(0)
        return torch.nn.Sequential(hntf.torch.NNLS(6, 3), torch.nn.Linear(3, 2))

    def test_inputs_and_parameters_are_checked(self, network):
        report = hntf.gradcheck(network, torch.rand(4, 6))
        assert report.ok, str(report)
        assert report.n_judged == 4 * 6 + 6 * 3 + 2 * 3 + 2

    def test_parameters_that_are_not_trained_are_left_out(self, network):
        network[1].requires_grad_(False)
        report = hntf.gradcheck(network, torch.rand(4, 6))
        assert report.ok, str(report)
        assert report.n_judged == 4 * 6 + 6 * 3

    def test_the_module_is_left_as_it_is(self, network):
        before = {name: x.clone() for name, x in network.state_dict().items()}
        hntf.gradcheck(network, torch.rand(4, 6))
        for name, x in network.state_dict().items():
            assert x.dtype == torch.float32
            assert torch.equal(x, before[name])
        assert all(p.grad is None for p in network.parameters())

    def test_buffers_take_part_in_double_precision(self, network):
        network.append(torch.nn.BatchNorm1d(2).eval())
        assert hntf.gradcheck(network, torch.rand(4, 6)).ok

    def test_buffers_that_a_module_updates_are_left_as_they_are(self):
        module = torch.nn.BatchNorm1d(3)
        assert hntf.gradcheck(module, torch.rand(6, 3)).ok
        assert module.num_batches_tracked == 0
        assert torch.equal(module.running_mean, torch.zeros(3))

    def test_inputs_of_integers_are_not_moved(self):
        class Chosen(torch.nn.Module):
            def __init__(self, factor):
                super().__init__()
                self.rows, self.factor = torch.nn.Embedding(5, 3), factor

            def forward(self, index, x):
                return self.rows(index) * x + self.factor * (x - x.detach())

        torch.manual_seed(0)
        index, x = torch.tensor([0, 3, 3]), torch.rand(3, 3)
        report = hntf.gradcheck(Chosen(0.0), [index, x])
        assert report.ok, str(report)
        assert report.n_judged == 9 + 15
        wrong = hntf.gradcheck(Chosen(0.1), [index, x])
        assert (wrong.verdict, wrong.worst.input) == ("GRADIENTS DIFFER", 0)
        assert hntf.gradcheck(lambda index, x: (x[index] ** 2).sum(), [index, torch.rand(5)]).ok

    def test_parameters_that_are_numbers(self):
        class Scaled(torch.nn.Module):
            def __init__(self, factor):
                super().__init__()
                self.scale = torch.nn.Parameter(torch.tensor(1.5))
                self.factor = factor

            def forward(self, x):
                return x * (self.scale + self.factor * (self.scale - self.scale.detach()))

        assert hntf.gradcheck(Scaled(0.0), torch.rand(4, 3)).ok
        wrong = hntf.gradcheck(Scaled(0.1), torch.rand(4, 3))
        assert (wrong.ok, wrong.worst.input, wrong.worst.index) == (False, 1, ())

    @pytest.mark.parametrize("order", [1, 2])
    def test_modules_with_several_outputs(self, order):
        torch.manual_seed(0)
        assert hntf.gradcheck(torch.nn.GRU(3, 2), torch.rand(4, 3), order=order).ok
        model = hntf.torch.Hierarchy([hntf.torch.NNLS(6, 3), hntf.torch.NNLS(3, 2)])
        report = hntf.gradcheck(model, torch.rand(5, 6), order=order)
        assert report.ok, str(report)

    def test_a_wrong_gradient_of_the_second_output_is_found(self):
        report = hntf.gradcheck(lambda x: {"a": x**2, "b": (x**3, 1.01 * x - 0.01 * x.detach())}, torch.rand(3))
        assert report.verdict == "GRADIENTS DIFFER"

    def test_a_parameter_whose_path_is_cut_is_found(self):
        class Cut(hntf.torch.NNLS):
            def forward(self, X):
                return hntf.torch.nnls(X, self.A.detach()) + 0 * self.A.sum()

        torch.manual_seed(0)
        report = hntf.gradcheck(Cut(6, 3), torch.rand(4, 6))
        assert not report.ok
        assert report.worst.input == 1
        assert report.worst.analytic == 0.0


class TestSparseData:
    @pytest.mark.parametrize("kind", ["csr_array", "csc_array", "coo_array", "csr_matrix"])
    def test_of_a_layer(self, rng, kind):
        X = rng.random((5, 6)) * (rng.random((5, 6)) < 0.7)
        report = hntf.gradcheck(NNLSLayer(Dense(rng.random((6, 3))), l1=0.01), getattr(scipy.sparse, kind)(X))
        assert report.ok, str(report)
        assert report.n_judged == np.count_nonzero(X) + 6 * 3

    def test_of_a_hierarchy(self, rng):
        X = rng.random((5, 6)) * (rng.random((5, 6)) < 0.7)
        report = hntf.gradcheck(hierarchy(rng, 6, (3, 2)), scipy.sparse.csr_array(X))
        assert report.ok, str(report)

    def test_a_wrong_gradient_at_a_stored_entry_is_found(self, rng):
        class Wrong(NNLSLayer):
            def backward(self, tape, dS):
                dX, dfactors = super().backward(tape, dS)
                return 1.001 * dX, dfactors

        report = hntf.gradcheck(Wrong(Dense(rng.random((6, 3)))), scipy.sparse.random_array((5, 6), density=0.5, rng=0))
        assert not report.ok
        assert report.worst.input == 0


@pytest.mark.parametrize("right", [True, False])
def test_weighted_data_of_a_layer(rng, right):
    class Wrong(NNLSLayer):
        def backward(self, tape, dS):
            dX, dfactors = super().backward(tape, dS)
            return dX, [1.001 * dA for dA in dfactors]

    kind = NNLSLayer if right else Wrong
    data = hntf.as_data(rng.random((5, 6)), weights=rng.random((5, 6)))
    report = hntf.gradcheck(kind(Dense(rng.random((6, 3)))), data)
    assert report.ok is right
    assert report.n_judged == 18


class TestModels:
    @pytest.fixture
    def model(self, rng):
        return GatheredComponents(
            [rng.uniform(0.1, 1.0, (d, 3)) for d in (5, 4, 3)], [[rng.uniform(0.1, 1.0, (3, 2))]], train_base=True
        )

    def test_another_model_is_checked_by_its_squared_errors(self, model, rng):
        X = rng.random((5, 4, 3))
        report = hntf.gradcheck(model, X)
        assert report.ok, str(report)
        assert report.n_judged == sum(A.size for A in model.factors)

    def test_a_wrong_gradient_of_it_is_found(self, model, rng):
        class Wrong(GatheredComponents):
            def pullback(self, tape, gradients):
                first, *others = super().pullback(tape, gradients)
                return [first, *(1.001 * dA for dA in others)]

        model.__class__ = Wrong
        report = hntf.gradcheck(model, rng.random((5, 4, 3)))
        assert not report.ok
        assert report.worst.input > 0


class TestSecondDerivatives:
    class Cube(torch.autograd.Function):
        """`x³` whose backward pass is right and whose own derivative is `factor` times the right one."""

        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x)
            ctx.factor = factor
            return x**3

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            square = ctx.factor * x**2 + (1 - ctx.factor) * (x**2).detach()
            return 3 * dy * square, None

    @pytest.mark.parametrize(("factor", "right"), [(1.0, True), (0.999, False), (0.0, False)])
    def test_right_and_wrong_ones(self, factor, right):
        x = torch.tensor([0.5, 2.0, -1.0])
        assert hntf.gradcheck(lambda x: self.Cube.apply(x, factor), x).ok
        assert hntf.gradcheck(lambda x: self.Cube.apply(x, factor), x, order=2).ok is right

    def test_of_nonnegative_least_squares(self):
        torch.manual_seed(0)
        report = hntf.gradcheck(hntf.torch.nnls, [torch.rand(4, 6), torch.rand(6, 3)], order=2)
        assert report.ok, str(report)

    def test_of_linear_functions_are_zero(self):
        report = hntf.gradcheck(lambda x: 2 * x, torch.rand(3), order=2)
        assert report.ok, str(report)
        assert report.max_rel_error == 0.0

    @pytest.mark.parametrize("order", [0, 3, "2"])
    def test_other_orders_are_named(self, order):
        with pytest.raises(ValueError, match="order must be 1 or 2"):
            hntf.gradcheck(lambda x: x.sum(), torch.rand(3), order=order)

    @pytest.mark.parametrize("function", [lambda x: ((x**2).sum(), [2 * x]), NNLSLayer(Dense(np.eye(3)))])
    def test_what_autograd_cannot_follow_is_named(self, function):
        with pytest.raises(TypeError, match="order must be 1 except for callables and modules of torch"):
            hntf.gradcheck(function, np.ones((2, 3)), order=2)


class TestJudgement:
    def test_a_gradient_of_zeros_passes(self):
        report = hntf.gradcheck(lambda x: (3.0, [0 * x]), [np.array([1.0, 0.0, -2.0])])
        assert report.ok
        assert report.n_judged == 3
        assert report.max_rel_error == 0.0

    def test_a_gradient_of_zeros_that_should_not_be_is_found(self):
        report = hntf.gradcheck(lambda x: ((x**2).sum(), [0 * x]), [np.array([1.0, 3.0])])
        assert not report.ok
        assert report.max_rel_error > 0.99

    def test_a_gradient_that_should_be_zero_is_found(self):
        report = hntf.gradcheck(lambda x: (3.0, [0 * x + [0.0, 1e-4]]), [np.array([1.0, 3.0])])
        assert not report.ok
        assert report.worst.index == (1,)

    def test_a_missing_derivative_beside_a_much_larger_one_is_found(self):
        def function(x):
            return 1e8 * np.sin(x[0]) + np.sin(x[1]), [np.array([1e8 * np.cos(x[0]), 0.0])]

        report = hntf.gradcheck(function, [np.array([1.0, 0.5])])
        assert not report.ok
        assert report.worst.index == (1,)

    @pytest.mark.parametrize("scale", [1e-150, 1e-8, 1e8, 1e150])
    def test_units_do_not_matter(self, scale):
        x = np.array([1.0, -2.0, 3.0]) * scale
        assert hntf.gradcheck(lambda x: (((x / scale) ** 3).sum(), [3 * (x / scale) ** 2 / scale]), [x]).ok
        wrong = hntf.gradcheck(lambda x: (((x / scale) ** 3).sum(), [3.001 * (x / scale) ** 2 / scale]), [x])
        assert not wrong.ok

    @pytest.mark.slow
    def test_badly_scaled_columns_raise_no_false_alarm(self):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            A, scale = rng.random((8, 5)), 10.0 ** rng.permutation(np.linspace(-6, 6, 5))
            X = rng.random((4, 8))
            for columns in (scale, 1 / scale):
                report = hntf.gradcheck(NNLSLayer(Dense(A * columns)), X)
                assert report.ok, (seed, str(report))
            assert hntf.gradcheck(NNLSLayer(Dense(A * np.logspace(-6, 6, 8)[:, None])), X).ok

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_an_analytic_gradient_that_is_not_finite_is_an_error(self, wrong):
        report = hntf.gradcheck(lambda x: ((x**2).sum(), [np.array([2 * x[0], wrong])]), [np.array([1.0, 3.0])])
        assert not report.ok
        assert report.max_rel_error == np.inf
        assert report.worst.index == (1,)

    def test_a_derivative_that_does_not_exist_is_not_agreed_with(self):
        assert not hntf.gradcheck(lambda x: (np.sqrt(abs(x)).sum(), [0 * x]), [np.array([1.0, 1e-3])]).ok

    def test_samples_at_a_kink_are_left_out_of_a_hierarchy(self, rng):
        X = rng.random((5, 6))
        X[[1, 3]] = 0.0
        report = hntf.gradcheck(hierarchy(rng, 6, (3, 2)), X)
        assert report.ok, str(report)
        assert report.samples_at_kinks == (1, 3)
        assert report.margin == 0.0
        assert "samples [1, 3]" in str(report)

    def test_samples_at_a_kink_are_left_out_of_sparse_data(self, rng):
        X = rng.random((4, 6))
        A = np.abs(np.linalg.qr(rng.standard_normal((6, 3)))[0])
        # The code of this sample has a zero whose dual is zero, too.
        X[2] = A[:, 0] + 0 * A[:, 1]
        report = hntf.gradcheck(NNLSLayer(Dense(A)), scipy.sparse.csr_array(X))
        assert report.ok, str(report)
        assert report.samples_at_kinks == (2,)


def test_without_inputs_there_is_no_verdict():
    report = hntf.gradcheck(lambda: (1.0, []), [])
    assert not report.ok
    assert report.n_judged == 0
    assert "NO VERDICT" in str(report)


FORMS = {
    "tuple": lambda loss, S: (loss, S),
    "loss and list": lambda loss, S: (loss, [S]),
    "dict": lambda loss, S: {"loss": loss, "S": S},
    "nested": lambda loss, S: (loss, [S, (S, {"loss": loss})]),
}


class Energy(torch.nn.Module):
    """A layer that returns its loss beside its codes, in several forms."""

    def __init__(self, form):
        super().__init__()
        self.layer, self.form = hntf.torch.NNLS(7, 3), FORMS[form]

    def forward(self, X):
        S = self.layer(X)
        return self.form((X - self.layer.decode(S)).square().sum(), S)


@pytest.mark.parametrize("form", FORMS)
def test_a_module_with_a_loss_beside_other_outputs(form):
    torch.manual_seed(0)
    report = hntf.gradcheck(Energy(form), torch.rand(4, 7))
    assert report.ok, str(report)
    assert report.n_judged == 4 * 7 + 7 * 3


def test_several_scalars():
    report = hntf.gradcheck(lambda x: (x.sum(), x.square().sum()), [torch.tensor([1.0, -2.0, 0.5]).double()])
    assert report.ok
    assert report.n_judged == 3


class TestAtTheEndOfTheDomain:
    """Where steps leave the domain, whether the function is NaN there or raises an error, smaller ones are taken."""

    @staticmethod
    def root(x, *, factor, raises):
        if raises and (x < 0).any():
            raise ValueError("x must not be negative")
        with np.errstate(invalid="ignore"):
            return np.sqrt(x).sum(), [factor / np.sqrt(x)]

    @pytest.mark.parametrize("raises", [False, True])
    @pytest.mark.parametrize("least", [1e-3, 1e-7, 1e-12])
    def test_right_and_wrong_gradients(self, raises, least):
        x = np.array([1.0, least])
        assert hntf.gradcheck(partial(self.root, factor=0.5, raises=raises), [x]).ok
        assert hntf.gradcheck(partial(self.root, factor=0.51, raises=raises), [x]).verdict == "GRADIENTS DIFFER"

    @pytest.mark.parametrize("p", [0.999999, 1 - 1e-9, 1.0])
    def test_a_function_of_torch(self, p):
        cross_entropy = torch.nn.functional.binary_cross_entropy
        report = hntf.gradcheck(
            lambda p: cross_entropy(p, torch.ones_like(p)), torch.tensor([p, 0.5], dtype=torch.float64)
        )
        assert report.ok, str(report)

    def test_an_error_at_the_point_itself_is_raised(self):
        with pytest.raises(ValueError, match="x must not be negative"):
            hntf.gradcheck(partial(self.root, factor=0.5, raises=True), [np.array([-1.0])])


class Shifted(torch.nn.Module):
    """A shift before a softmax has no effect but for rounding, which grows with it."""

    def __init__(self, leak):
        super().__init__()
        self.scale, self.shift = torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(1))
        self.leak = leak

    def forward(self, X):
        return torch.softmax(X * self.scale + self.shift, -1) + self.leak * self.shift.detach()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    "layer", [lambda: torch.nn.BatchNorm1d(4), lambda: torch.nn.LayerNorm(4, elementwise_affine=False)]
)
def test_parameters_without_effect_have_a_verdict(seed, layer):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(5, 4), layer())
    report = hntf.gradcheck(network, torch.randn(8, 5).double())
    assert report.ok, str(report)


@pytest.mark.parametrize("leak", [0.0, 1e-13, 1e-9, 1e-3])
def test_an_effect_that_is_missing_from_the_gradient(leak):
    """One that rounding hides has no verdict, a larger one differs."""
    torch.manual_seed(0)
    report = hntf.gradcheck(Shifted(leak), torch.randn(4, 3).double())
    assert report.ok == (leak == 0.0), str(report)
