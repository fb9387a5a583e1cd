"""What every model answers, held for all kinds of models alike."""

import pickle
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
import tensorly
import torch

import hntf
from hntf.arrays import to_numpy
from hntf.costs import kullback_leibler
from hntf.costs.penalties import Penalties
from hntf.fitting.objective import Objective
from hntf.fitting.parts import InMemory
from hntf.layers import NNLSLayer
from hntf.losses import Energy
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models import (
    ComponentStacks,
    GatheredComponents,
    Hierarchy,
    Model,
    Pooled,
    Product,
    SeparateLevels,
    SparseCoding,
    Trainable,
    Tucker,
    Unrolled,
)
from hntf.models.pooling import Pooling

N = 9
MATRIX, TENSOR, ORDER_4 = (8,), (5, 4), (4, 3, 3)
RNG = np.random.default_rng(0)


def draw(*shape):
    return RNG.uniform(0.1, 1.0, shape)


def draw_signed(*shape):
    return RNG.standard_normal(shape)


def layers(*maps, **penalties):
    return [NNLSLayer(M, **penalties) for M in maps]


def base(features, k=4):
    return [draw(d, k) for d in (N, *features)]


def stacks(features, k=4, ranks=(3, 2)):
    return [[draw(d, ranks[0]), *(draw(*shape) for shape in pairwise(ranks))] for d in (N, *features)]


class Case(NamedTuple):
    """A model, the shape of the samples it is for, and how many of its levels, from the finest, are CP or Tucker."""

    model: Model
    features: tuple[int, ...]
    n_cp: int = 0
    n_tucker: int = 0


CASES = {
    "hierarchy": Case(Hierarchy(layers(Dense(draw(8, 4)), Dense(draw(4, 3)), Dense(draw(3, 2)))), MATRIX, 3),
    "hierarchy, penalised": Case(Hierarchy(layers(Dense(draw(8, 4)), Dense(draw(4, 2)), l1=0.05, l2=0.1)), MATRIX, 2),
    "hierarchy on a CP": Case(Hierarchy(layers(KhatriRao([draw(5, 4), draw(4, 4)]), Dense(draw(4, 2)))), TENSOR, 2),
    "hierarchy on a CP of order 4": Case(
        Hierarchy(layers(KhatriRao([draw(4, 3), draw(3, 3), draw(3, 3)]), Dense(draw(3, 2)))), ORDER_4, 2
    ),
    "hierarchy on a Tucker": Case(
        Hierarchy(layers(ModeProduct([draw(5, 3), draw(4, 2)]), Dense(draw(6, 2))), feature_shape=TENSOR), TENSOR, 0, 1
    ),
    "hierarchy of Tuckers": Case(
        Hierarchy(
            layers(ModeProduct([draw(5, 3), draw(4, 2)]), ModeProduct([draw(3, 2), draw(2, 2)]), Dense(draw(4, 2))),
            feature_shape=TENSOR,
        ),
        TENSOR,
        0,
        2,
    ),
    "hierarchy on one mode": Case(
        Hierarchy(layers(ModeProduct([draw(4, 3)], [2]), ModeProduct([draw(3, 2)], [2])), feature_shape=TENSOR),
        TENSOR,
        0,
        2,
    ),
    "sparse coding": Case(
        SparseCoding([(draw(8, 5), draw(8, 5)), (draw(5, 3), draw(5, 3))], np.array([[0.05, 0.1], [0.02, 0.2]])), MATRIX
    ),
    "sparse coding, held penalties": Case(
        SparseCoding([(draw(8, 4), draw(8, 4))], np.array([[0.1, 0.2]]), train_penalties=False), MATRIX
    ),
    "unrolled": Case(Unrolled([draw(8, 3) for _ in range(3)], n_steps=5, sparsity=0.1), MATRIX),
    "unrolled, kullback-leibler": Case(
        Unrolled([draw(8, 3) for _ in range(2)], n_steps=4, beta=1, sparsity=0.1), MATRIX
    ),
    "stacks": Case(ComponentStacks(base(TENSOR), stacks(TENSOR)), TENSOR, 3),
    "stacks on a held base of another unit": Case(
        ComponentStacks(base(TENSOR), stacks(TENSOR), train_base=False, unit=2.5), TENSOR, 3
    ),
    "stacks of order 4": Case(ComponentStacks(base(ORDER_4), stacks(ORDER_4, ranks=(3,)), unit=2.5), ORDER_4, 2),
    "stacks on a matrix": Case(ComponentStacks(base(MATRIX), stacks(MATRIX)), MATRIX, 3),
    "gathered, shared": Case(GatheredComponents(base(TENSOR), [[draw(4, 3), draw(3, 2)]]), TENSOR, 3),
    "gathered by mode": Case(
        GatheredComponents(base(TENSOR), [[draw(4, 3), draw(3, 2)] for _ in range(3)], train_base=True), TENSOR, 3
    ),
    "gathered on a matrix": Case(GatheredComponents(base(MATRIX), [[draw(4, 2)]], train_base=True), MATRIX, 2),
    "a CP": Case(GatheredComponents(base(TENSOR), [[]], train_base=True), TENSOR, 1),
    "product": Case(Product([draw_signed(8, 4), draw_signed(4, 2)]), MATRIX),
    "product, kullback-leibler": Case(Product([draw(8, 3), draw(3, 2)], divergence="kullback-leibler"), MATRIX),
    "product, penalised kullback-leibler": Case(
        Product([draw(8, 3)], divergence="kullback-leibler", penalties=Penalties(code_l1=0.1, code_l2=0.2)), MATRIX
    ),
    "pooled": Case(Pooled([draw(8, 4), draw(4, 2)], Pooling("identity", "none", 1)), MATRIX),
    "a Tucker": Case(Tucker(draw(3, 2, 2), [draw(N, 3), draw(5, 2), draw(4, 2)]), TENSOR, 0, 1),
    "a Tucker of a matrix": Case(Tucker(draw(3, 2), [draw(N, 3), draw(8, 2)]), MATRIX, 0, 1),
    "separate CPs": Case(
        SeparateLevels(
            [GatheredComponents(base(TENSOR, k), [[]]) for k in (4, 2)], [draw(4, 2)], [base(TENSOR), base(TENSOR, 2)]
        ),
        TENSOR,
        2,
    ),
    "separate Tuckers": Case(
        SeparateLevels(
            [Tucker(draw(r, 2, 2), [draw(N, r), draw(5, 2), draw(4, 2)]) for r in (3, 2)],
            [draw(3, 2)],
            [[draw(N, 3)], [draw(3, 2)]],
        ),
        TENSOR,
        0,
        2,
    ),
}
TRAINABLE = {name: case for name, case in CASES.items() if isinstance(case.model, Trainable)}


def samples(case):
    """Draw samples near to what the model's codes stand for, and weights."""
    rng = np.random.default_rng(1)
    noise = rng.random((N, *case.features)) * (rng.random((N, *case.features)) < 0.8)
    finest = case.model.encode(hntf.as_data(noise), 0)
    return np.abs(case.model.decode(rng.random(finest.shape), 0)) + 0.2 * noise, rng.uniform(0.2, 1.0, noise.shape)


def norm(X, W=1.0):
    return np.sqrt(np.sum(W * X**2))


def assert_close(actual, expected, rtol=1e-10):
    """Compare relative to the largest entry."""
    actual, expected = to_numpy(actual), to_numpy(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * max(np.abs(expected).max(initial=0.0), 1e-300))


def as_list(memberships):
    return memberships if isinstance(memberships, list) else [memberships]


@pytest.fixture(autouse=True)
def _few_updates(monkeypatch):
    """What is held here does not depend on how far the code of least divergence has come."""
    monkeypatch.setattr(kullback_leibler, "CODE_UPDATES", 50)


class TestEveryModel:
    @pytest.fixture(params=list(CASES))
    def case(self, request):
        return CASES[request.param]

    @pytest.fixture
    def model(self, case):
        return case.model

    @pytest.fixture
    def X(self, case):
        return samples(case)[0]

    @pytest.fixture
    def codes(self, model, X):
        return model.encode_levels(hntf.as_data(X))

    def test_codes_are_nonnegative_finite_and_of_their_level(self, model, X, codes):
        data = hntf.as_data(X)
        assert len(codes) == model.n_levels
        for level, S in enumerate(codes):
            assert S.shape == (N, as_list(model.memberships(level))[0].shape[1])
            assert np.isfinite(S).all()
            assert (S >= 0).all()
            assert S.any()
            assert_close(model.encode(data, level), S)

    def test_codes_of_the_training_samples_have_the_same_shapes(self, model, X, codes):
        own = model.codes_of_levels(hntf.as_data(X))
        assert [S.shape for S in own] == [S.shape for S in codes]

    def test_the_code_of_a_sample_does_not_see_the_other_samples(self, model, X, codes):
        part = hntf.as_data(X[2:6])
        for level, S in enumerate(codes):
            assert_close(model.encode(part, level), S[2:6])

    def test_decoding_is_linear_in_the_code(self, case, model, codes):
        rng = np.random.default_rng(2)
        for level, S in enumerate(codes):
            other = rng.random((N, S.shape[1]))
            assert model.decode(S[:3], level).shape == (3, *case.features)
            both = 2.0 * model.decode(S, level) + 3.0 * model.decode(other, level)
            assert_close(model.decode(2.0 * S + 3.0 * other, level), both)

    def test_errors_are_those_of_the_decoded_codes(self, model, X, codes):
        naive = [norm(X - model.decode(S, level)) / norm(X) for level, S in enumerate(codes)]
        np.testing.assert_allclose(model.errors(hntf.as_data(X), codes), naive, rtol=1e-8)

    def test_errors_are_weighted_as_the_data_are(self, case, model, X):
        W = samples(case)[1]
        data = hntf.as_data(X, weights=W)
        codes = model.encode_levels(data)
        naive = [norm(X - model.decode(S, level), W) / norm(X, W) for level, S in enumerate(codes)]
        np.testing.assert_allclose(model.errors(data, codes), naive, rtol=1e-8)

    def test_zero_data_have_no_error(self, model, X, codes):
        zero = hntf.as_data(np.zeros_like(X))
        assert model.errors(zero, [0 * S for S in codes]) == [0.0] * model.n_levels

    def test_profiles_have_a_row_a_component_in_every_mode(self, case, model, codes):
        for level, S in enumerate(codes):
            profiles = model.profiles(level, S)
            assert [tuple(P.shape) for P in profiles] == [(S.shape[1], d) for d in (N, *case.features)]
            np.testing.assert_array_equal(profiles[0], S.T)

    def test_sums_of_units_are_those_of_their_data(self, model, codes):
        for level, S in enumerate(codes):
            units = model.decode(np.eye(S.shape[1]), level)
            assert_close(model.unit_sums(level), units.reshape(len(units), -1).sum(axis=1))

    def test_memberships_gather_the_level_below(self, case, model, codes):
        for W in as_list(model.memberships(0)):
            np.testing.assert_array_equal(W, np.eye(codes[0].shape[1]))
        for level in range(1, model.n_levels):
            matrices = as_list(model.memberships(level))
            assert len(matrices) in (1, 1 + len(case.features))
            assert {W.shape for W in matrices} == {(codes[level - 1].shape[1], codes[level].shape[1])}

    def test_masses_are_parts_of_what_a_level_stands_for(self, case, model, X):
        for level, S in enumerate(model.codes_of_levels(hntf.as_data(X))):
            for mode in (None, *range(1 + len(case.features))):
                masses = model.masses(level, S, mode)
                assert masses.shape == (S.shape[1],)
                np.testing.assert_allclose(masses.sum(), model.decode(S, level).sum(), rtol=1e-9)

    def test_masses_that_are_gathered_go_from_level_to_level(self, model, X):
        codes = model.codes_of_levels(hntf.as_data(X))
        for level in range(1, model.n_levels):
            gathered = model.gathered_masses(level, codes[level], None)
            assert gathered.shape == (codes[level - 1].shape[1], codes[level].shape[1])
            assert np.isfinite(gathered).all()

    def test_parameters_are_arrays_in_lists(self, model):
        for level in model.parameters:
            for A in as_list(level):
                assert A.ndim == 2

    def test_mapped_by_the_identity_it_is_the_same(self, model, X, codes):
        for S, expected in zip(model.mapped(lambda x: x).encode_levels(hntf.as_data(X)), codes, strict=True):
            assert_close(S, expected)

    def test_in_another_backend_it_gives_the_same(self, model, X, codes):
        moved, data = model.to(torch.empty(0)), hntf.as_data(torch.tensor(X))
        found = moved.encode_levels(data)
        for level, (S, expected) in enumerate(zip(found, codes, strict=True)):
            assert isinstance(S, torch.Tensor)
            assert_close(S, expected)
            assert_close(moved.decode(S, level), model.decode(expected, level))
            assert_close(moved.unit_sums(level), model.unit_sums(level))
            for P, Q in zip(moved.profiles(level, S), model.profiles(level, expected), strict=True):
                assert_close(P, Q)
            for W, V in zip(as_list(moved.memberships(level)), as_list(model.memberships(level)), strict=True):
                assert_close(W, V)
        np.testing.assert_allclose(moved.errors(data, found), model.errors(hntf.as_data(X), codes), rtol=1e-8)
        back = moved.to(np.empty(0))
        for S, expected in zip(back.encode_levels(hntf.as_data(X)), codes, strict=True):
            assert isinstance(S, np.ndarray)
            assert_close(S, expected)

    @pytest.mark.parametrize("c", [0.25, 3.0])
    def test_in_other_units_codes_are_as_many_times_as_large(self, model, X, codes, c):
        scaled, data = model.in_units(c), hntf.as_data(c * X)
        for level, S in enumerate(codes):
            assert_close(scaled.encode(data, level), c * S, rtol=1e-7)
            assert_close(scaled.decode(c * S, level), c * model.decode(S, level))
        np.testing.assert_allclose(scaled.errors(data, [c * S for S in codes]), model.errors(hntf.as_data(X), codes))

    @pytest.mark.parametrize("c", [0.25, 3.0])
    def test_in_other_units_the_codes_of_the_training_samples_are_too(self, model, X, c):
        own = model.codes_of_levels(hntf.as_data(X))
        for S, expected in zip(model.in_units(c).codes_of_levels(hntf.as_data(c * X)), own, strict=True):
            assert_close(S, c * expected, rtol=1e-7)

    def test_it_can_be_pickled(self, model, X, codes):
        again = pickle.loads(pickle.dumps(model))
        for S, expected in zip(again.encode_levels(hntf.as_data(X)), codes, strict=True):
            np.testing.assert_array_equal(S, expected)

    def test_levels_that_are_cp_decompositions_are_known_as_such(self, case, model, codes):
        for level, S in enumerate(codes[: case.n_cp]):
            assert_close(tensorly.cp_to_tensor((None, model.cp_factors(level, S))), model.decode(S, level))
        for level, S in list(enumerate(codes))[case.n_cp :]:
            with pytest.raises(ValueError, match="cp_tensor needs"):
                model.cp_factors(level, S)

    def test_levels_that_are_tucker_decompositions_are_known_as_such(self, case, model, codes):
        for level, S in enumerate(codes[: case.n_tucker]):
            assert_close(tensorly.tucker_to_tensor(model.tucker_factors(level, S)), model.decode(S, level))
        for level, S in list(enumerate(codes))[case.n_tucker :]:
            with pytest.raises(ValueError, match="tucker_tensor needs"):
                model.tucker_factors(level, S)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("stacks")])
def test_profiles_are_in_proportion_to_the_sums_of_units_over_the_other_modes(name):
    """Of stacks each mode gathers its components for itself: there they are not."""
    model, features = CASES[name][:2]
    for level, S in enumerate(model.encode_levels(hntf.as_data(samples(CASES[name])[0]))):
        units = model.decode(np.eye(S.shape[1]), level)
        for mode, P in enumerate(model.profiles(level, S)[1:], start=1):
            others = tuple(i for i in range(1, 1 + len(features)) if i != mode)
            sums = units.sum(axis=others)
            for profile, expected in zip(P, sums, strict=True):
                assert_close(profile * norm(expected) / norm(profile), expected)


class TestEveryTrainable:
    @pytest.fixture(params=list(TRAINABLE))
    def case(self, request):
        return TRAINABLE[request.param]

    @pytest.fixture
    def model(self, case):
        return case.model

    @pytest.fixture
    def data(self, case):
        return hntf.as_data(samples(case)[0])

    def test_the_forward_pass_gives_the_codes_of_the_training_samples(self, model, data):
        found = model.codes(model.solve(data))
        for S, expected in zip(found, model.codes_of_levels(data), strict=True):
            assert_close(S, expected)

    def test_squared_errors_are_those_of_the_codes(self, model, data):
        codes = model.codes(model.solve(data))
        weights = [1.0, 0.5, 2.0][: model.n_levels]
        squares = np.array(model.errors(data, codes)) ** 2 * data.norm_squared()
        value, _ = model.squared_errors(model.solve(data), weights)
        np.testing.assert_allclose(value, np.dot(weights, squares), rtol=1e-8)

    def test_with_its_own_factors_it_is_the_same(self, model, data):
        again = model.with_factors(model.factors)
        for S, expected in zip(again.encode_levels(data), model.encode_levels(data), strict=True):
            assert_close(S, expected)
        for A, B in zip(again.factors, model.factors, strict=True):
            assert_close(A, B, rtol=1e-15)

    def test_gradients_agree_with_central_differences(self, model, data):
        report = hntf.gradcheck(Energy([1.0, 0.5, 2.0][: model.n_levels]), [model, data])
        assert report.margin > 1e-4, "draw another problem"
        assert report.ok, str(report)

    def test_gradients_through_the_objective_agree_with_differences(self, model, data):
        objective = Objective(Energy(), model, InMemory.of(data))
        x = objective.start
        step = 1e-6 * np.random.default_rng(3).standard_normal(len(x))
        difference = objective(x + step).value - objective(x - step).value
        np.testing.assert_allclose(difference, 2 * objective(x).gradient @ step, rtol=1e-4, atol=1e-12)

    def test_gradients_in_another_backend_are_the_same(self, model, data):
        value, gradients = Energy().value_and_grad(model, data)
        moved = model.to(torch.empty(0))
        moved_value, moved_gradients = Energy().value_and_grad(moved, torch.tensor(data.array))
        np.testing.assert_allclose(moved_value, value)
        for dA, expected in zip(moved_gradients, gradients, strict=True):
            assert isinstance(dA, torch.Tensor)
            assert_close(dA, expected, rtol=1e-9)

    def test_gradients_of_zero_are_zero(self, model, data):
        tape = model.solve(data)
        for A, dA in zip(model.factors, model.pullback(tape, model.no_gradients(tape)), strict=True):
            np.testing.assert_array_equal(to_numpy(dA), np.zeros(A.shape))

    def test_data_of_another_shape_are_refused(self, model, data):
        with pytest.raises(ValueError, match="X must have shape"):
            model.check_input(hntf.as_data(np.ones((N, *(d + 1 for d in data.shape[1:])))))
