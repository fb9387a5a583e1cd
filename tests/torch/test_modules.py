"""Layers of networks: their shapes and gradients, their factors with and without a parametrization, and what they refuse."""

import copy

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

import hntf
from hntf.layers import NNLSLayer

LAYERS = {
    "dense": lambda **options: hntf.torch.NNLS(6, 3, **options),
    "CP": lambda **options: hntf.torch.CP((4, 3), 2, **options),
    "CP of order 4": lambda **options: hntf.torch.CP((3, 2, 2), 2, **options),
    "Tucker": lambda **options: hntf.torch.Tucker((4, 3), (2, 2), **options),
    "Tucker of two modes of three": lambda **options: hntf.torch.Tucker((4, 3, 2), (2, 2), modes=(1, 3), **options),
    "Tucker of the last mode": lambda **options: hntf.torch.Tucker((4, 3), (2,), modes=[2], **options),
}
CODES = {
    "dense": 3,
    "CP": 2,
    "CP of order 4": 2,
    "Tucker": 4,
    "Tucker of two modes of three": 2 * 3 * 2,
    "Tucker of the last mode": 4 * 2,
}


@pytest.fixture(params=list(LAYERS))
def name(request):
    return request.param


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def make(name, **options):
    return LAYERS[name](**{"dtype": torch.float64, **options})


def samples(layer, n=5):
    return torch.rand(n, *layer.in_shape, dtype=torch.float64)


def changed(layer):
    """Draw other factors, some of whose entries are negative."""
    return [torch.randn_like(U) for U in layer.factors]


def test_shapes(name):
    layer = make(name)
    X = samples(layer)
    S = layer(X)
    assert S.shape == (5, CODES[name]) == (5, layer.out_features)
    assert (S >= 0).all()
    assert layer.decode(S).shape == X.shape
    assert layer(X[:0]).shape == (0, CODES[name])


@pytest.mark.parametrize("penalties", [{}, {"l1": 0.05, "l2": 0.1}])
def test_codes_are_those_of_the_layer_of_the_core(name, penalties):
    layer = make(name, **penalties)
    X = samples(layer)
    core = layer.to_layer()
    assert isinstance(core, NNLSLayer)
    if "Tucker" in name and penalties:
        core = NNLSLayer(hntf.maps.Dense(layer.decode(torch.eye(layer.out_features).double()).flatten(1).mT.detach()),
                         **penalties)  # fmt: skip
        X = X.flatten(1)
    expected, _ = core.forward(X)
    torch.testing.assert_close(layer(X), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{}, {"l1": 0.05, "l2": 0.1, "nonnegative": True}])
def test_gradients(name, options):
    layer = make(name, **options)
    report = hntf.gradcheck(layer, samples(layer, 3))
    assert report.ok, str(report)
    assert report.n_at_kinks == 0
    assert report.n_judged == 3 * np.prod(layer.in_shape) + sum(U.numel() for U in layer.factors)


@pytest.mark.parametrize("name", ["dense", "CP", "Tucker of two modes of three"])
def test_second_derivatives(name):
    layer = make(name, l1=0.02)
    report = hntf.gradcheck(layer, samples(layer, 2), order=2)
    assert report.ok, str(report)


def test_decoding_is_the_map(name):
    layer = make(name)
    S = torch.rand(5, layer.out_features, dtype=torch.float64)
    core = layer.to_layer().map
    expected = core.apply(S.reshape(core.code_shape((5, *layer.in_shape))))
    torch.testing.assert_close(layer.decode(S), expected)


def test_data_of_the_layer_are_coded_exactly(name):
    layer = make(name)
    S = torch.rand(5, layer.out_features, dtype=torch.float64) + 0.1
    torch.testing.assert_close(layer(layer.decode(S)), S, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("backend", [np.asarray, torch.as_tensor])
@pytest.mark.parametrize("nonnegative", [False, True])
def test_factors_are_set(name, nonnegative, backend):
    layer = make(name, nonnegative=nonnegative)
    new = [U.abs().numpy() + 0.1 for U in changed(layer)]
    assert layer.set_factors_([backend(U) for U in new]) is layer
    for U, expected in zip(layer.factors, new, strict=True):
        np.testing.assert_allclose(U.detach().numpy(), expected, rtol=1e-12)
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())


def test_zeros_survive_the_parametrization(name):
    layer = make(name, nonnegative=True)
    layer.set_factors_([torch.zeros_like(U) for U in layer.factors])
    for U in layer.factors:
        np.testing.assert_allclose(U.detach().numpy(), 0.0, atol=1e-11)
    layer.decode(torch.ones(1, layer.out_features, dtype=torch.float64)).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in layer.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("value", [1e-12, 1e-6, 1e-3, 1.0, 30.0, 1e3, 1e6])
def test_the_parametrization_inverts_itself(dtype, value):
    A = torch.tensor([[value]], dtype=dtype)
    parametrization = hntf.torch.Nonnegative()
    torch.testing.assert_close(parametrization(parametrization.right_inverse(A)), A)


def test_projection_sets_negative_entries_to_zero(name):
    layer = make(name)
    new = changed(layer)
    layer.set_factors_(new)
    layer.project_()
    for U, drawn in zip(layer.factors, new, strict=True):
        assert (drawn < 0).any()
        torch.testing.assert_close(U.detach(), drawn.clamp(min=0))


def test_projection_goes_through_a_parametrization():
    """A parametrization that lets entries be negative; `Nonnegative` itself has nothing to project."""

    class Signed(torch.nn.Module):
        def forward(self, P):
            return P - 2.0

        def right_inverse(self, A):
            return A + 2.0

    layer = make("dense")
    parametrize.register_parametrization(layer, "A", Signed())
    with torch.no_grad():
        layer.parametrizations.A.original.copy_(torch.rand(6, 3) * 4)
    before = layer.A.detach().clone()
    assert (before < 0).any()
    layer.project_()
    torch.testing.assert_close(layer.A.detach(), before.clamp(min=0))


def test_a_parametrization_that_cannot_be_projected_is_named():
    layer = make("dense")
    torch.nn.utils.parametrizations.orthogonal(layer, "A")
    with pytest.raises(ValueError, match="A must have a parametrization that keeps nonnegative entries"):
        layer.project_()


def test_projection_leaves_nonnegative_factors(name):
    layer = make(name, nonnegative=True)
    before = [U.detach().clone() for U in layer.factors]
    layer.set_factors_([-U for U in before])
    for U in layer.factors:
        np.testing.assert_allclose(U.detach().numpy(), 0.0, atol=1e-11)
    layer.set_factors_(before)
    layer.project_()
    for U, expected in zip(layer.factors, before, strict=True):
        torch.testing.assert_close(U.detach(), expected)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_optimizers_move_the_factors(name, nonnegative):
    layer = make(name, nonnegative=nonnegative)
    X = samples(layer, 10)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.02)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = (X - layer.decode(layer(X))).square().sum()
        loss.backward()
        optimizer.step()
        if not nonnegative:
            layer.project_()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all((U >= 0).all() for U in layer.factors)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_state_goes_round(name, nonnegative, tmp_path):
    layer, other = make(name, nonnegative=nonnegative), make(name, nonnegative=nonnegative)
    X = samples(layer)
    assert not torch.equal(layer(X), other(X))
    torch.save(layer.state_dict(), tmp_path / "state.pt")
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(layer(X), other(X))
    assert torch.equal(copy.deepcopy(layer)(X), layer(X))


def test_a_start_has_columns_of_unit_norm(name):
    layer = make(name)
    before = [U.detach().clone() for U in layer.factors]
    layer.reset_parameters()
    for U, old in zip(layer.factors, before, strict=True):
        assert not torch.equal(U, old)
        torch.testing.assert_close(U.detach().norm(dim=0), torch.ones(U.shape[1], dtype=U.dtype))


def test_dtypes_and_devices(name):
    layer = LAYERS[name]()
    X = samples(layer).float()
    assert all(U.dtype == torch.float32 for U in layer.factors)
    assert layer(X).dtype == layer.decode(layer(X)).dtype == torch.float32
    double = copy.deepcopy(layer).double()
    torch.testing.assert_close(double(X.double()).float(), layer(X), rtol=1e-3, atol=1e-5)
    assert layer.to_layer().map.factors[0].dtype == torch.float64
    assert LAYERS[name](device="meta").factors[0].device.type == "meta"


def test_the_printed_layer_names_its_parameters(name):
    layer = make(name, l1=0.1)
    assert f"in_shape={layer.in_shape}, out_features={CODES[name]}, l1=0.1, l2=0.0" in repr(layer)


def test_a_network_learns():
    torch.manual_seed(0)
    X = torch.rand(40, 12)
    network = torch.nn.Sequential(hntf.torch.NNLS(12, 6), hntf.torch.NNLS(6, 3), torch.nn.Linear(3, 1))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = (network(X) - X.mean(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for layer in network[:2]:
            layer.project_()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert all((layer.A >= 0).all() for layer in network[:2])
    assert "in_shape=(12,), out_features=6" in repr(network)


def test_leading_dimensions_of_the_dense_layer():
    layer = make("dense")
    X = torch.rand(2, 4, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(X), layer(X.reshape(-1, 6)).reshape(2, 4, 5, 3))
    torch.testing.assert_close(layer.decode(layer(X)), layer(X) @ layer.A.mT)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: hntf.torch.NNLS(0, 2), ValueError, "in_features must be at least 1"),
        (lambda: hntf.torch.NNLS(3, 2.5), TypeError, "k must be an integer"),
        (lambda: hntf.torch.NNLS(3, 2, l1=-1.0), ValueError, "l1 must be at least 0"),
        (lambda: hntf.torch.NNLS(3, 2, nonnegative=1), TypeError, "nonnegative must be"),
        (lambda: hntf.torch.CP(5, 2), TypeError, "feature_shape must be a sequence"),
        (lambda: hntf.torch.CP((), 2), TypeError, "feature_shape must be a sequence"),
        (lambda: hntf.torch.CP((3, 0), 2), ValueError, "each entry of feature_shape must be at least 1"),
        (lambda: hntf.torch.Tucker((4, 3), (2,)), ValueError, "modes must be increasing modes from 1 to 2"),
        (lambda: hntf.torch.Tucker((4, 3), (2,), modes=[0]), ValueError, "modes must be increasing modes"),
        (lambda: hntf.torch.Tucker((4, 3), (2, 2), modes=[2, 1]), ValueError, "modes must be increasing modes"),
        (lambda: hntf.torch.NNLS(3, 2).set_factors_([np.ones((2, 2))]), ValueError, "shapes of the layer"),
        (lambda: hntf.torch.NNLS(3, 2).set_factors_([]), ValueError, "factors"),
        (lambda: hntf.torch.NNLS(3, 2)(torch.ones(2, 4)), ValueError, "X must have 3 features"),
        (lambda: hntf.torch.CP((3, 2), 2)(torch.ones(2, 3, 3)), ValueError, "X must have"),
        (lambda: hntf.torch.CP((3, 2), 2)(torch.ones(2, 2, 3)), ValueError, "X must have"),
        (lambda: hntf.torch.Tucker((3, 2), (2, 1))(torch.ones(2, 3, 3)), ValueError, "X must have"),
        (lambda: hntf.torch.Tucker((3, 2), (2, 1))(torch.ones(2, 3, 2).long()), TypeError, "floating-point"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_zeros_of_a_parametrized_factor_can_be_trained_in_every_precision(dtype):
    linear = torch.nn.Linear(4, 3).to(dtype)
    torch.nn.utils.parametrize.register_parametrization(linear, "weight", hntf.torch.Nonnegative())
    linear.weight = torch.zeros(3, 4, dtype=dtype)
    assert bool((linear.weight > 0).all())
    assert linear.weight.max() < 1e-4
    linear.weight.sum().backward()
    assert bool((linear.parametrizations.weight.original.grad > 0).all())


@pytest.mark.parametrize("modes", [None, (2,)])
def test_a_tucker_layer_with_penalties_as_a_layer_without_torch(modes):
    torch.manual_seed(0)
    module = hntf.torch.Tucker((5, 4), (2,) if modes else (3, 2), modes, l1=0.01, l2=0.2).double()
    X = torch.rand(6, 5, 4, dtype=torch.float64)
    S, tape = module.to_layer().forward(X)
    torch.testing.assert_close(S.reshape(6, -1), module(X), rtol=0, atol=1e-13)
    _, dfactors = module.to_layer().backward(tape, torch.ones_like(S))
    module(X).sum().backward()
    for dA, A in zip(dfactors, module.factors, strict=True):
        torch.testing.assert_close(dA, A.grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("module", [hntf.torch.NNLS(6, 3), hntf.torch.CP((3, 2), 2), hntf.torch.Tucker((3, 2), (2, 2))])
def test_autocast_changes_nothing(module):
    torch.manual_seed(0)
    X = torch.rand(5, *module.in_shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        S = module(X)
    assert S.dtype == torch.float32
    torch.testing.assert_close(S, module(X), rtol=0, atol=0)


SIZES = [1e-250, 1e-155, 1e-78, 1e-10, 1e100, 1e200]


@pytest.mark.parametrize("size", SIZES)
def test_factors_of_any_size(name, size):
    layer = make(name)
    X, factors = samples(layer), [U.detach().clone() for U in layer.factors]
    expected = layer(X)
    layer.set_factors_([U * size ** (1 / len(factors)) for U in factors])
    torch.testing.assert_close(layer(X) * size, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_columns_of_any_size(name, size):
    layer = make(name)
    X = samples(layer)
    expected = layer.decode(layer(X))
    first, *others = [U.detach().clone() for U in layer.factors]
    first[:, 0] *= size
    layer.set_factors_([first, *others])
    torch.testing.assert_close(layer.decode(layer(X)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_codes_that_do_not_fit_are_given_in_a_wider_type(name, dtype):
    layer = make(name, dtype=dtype)
    layer.set_factors_([U.detach() * 1e-3 for U in layer.factors])
    double = make(name).set_factors_([U.detach() for U in layer.factors])
    X = samples(layer).to(dtype)
    X = X * (torch.finfo(dtype).max / 2)
    S = layer(X)
    assert S.dtype != dtype
    torch.testing.assert_close(S.double(), double(X.double()), rtol=1e-6, atol=0.0)


def test_computations_are_in_double_precision(name):
    layer = make(name, dtype=torch.float32)
    double = make(name).set_factors_([U.detach() for U in layer.factors])
    X = samples(layer).float()
    assert torch.equal(layer(X), double(X.double()).float())


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
@pytest.mark.parametrize("sparse", [torch.Tensor.to_sparse, torch.Tensor.to_sparse_csr])
def test_sparse_samples_are_refused_by_name(name, sparse):
    layer = make(name)
    with pytest.raises(TypeError, match=r"X must be a dense tensor.*to_dense"):
        layer(sparse(samples(layer).flatten(1)))


def test_hidden_entries_of_the_dense_layer():
    generator = torch.Generator().manual_seed(0)
    layer, X = hntf.torch.NNLS(6, 2), torch.rand(5, 6, generator=generator)
    mask = torch.rand(5, 6, generator=generator) < 0.7
    codes = layer(X.masked_fill(~mask, torch.nan), weights=mask)
    torch.testing.assert_close(codes, hntf.torch.nnls(X, layer.A, weights=mask), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(codes.sum(), layer.A)
    assert gradient.isfinite().all()


OF_TENSORS = [name for name in LAYERS if name != "dense"]


def as_dense(layer):
    """Return the dictionary of a layer whose samples are flattened."""
    return layer.decode(torch.eye(layer.out_features, dtype=torch.float64)).flatten(1).mT


@pytest.mark.parametrize("form", ["full", "features", "samples", "last mode", "one"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bool])
@pytest.mark.parametrize("name", OF_TENSORS)
def test_weighted_entries_of_a_tensor_layer(name, form, dtype):
    """Hidden entries may be anything; the codes and gradients are those of the dense layer with the same weights."""
    layer = make(name, l1=0.01, l2=0.05)
    X = samples(layer)
    shapes = {
        "full": X.shape,
        "features": X.shape[1:],
        "samples": (5, *[1] * (X.ndim - 1)),
        "last mode": X.shape[-1:],
        "one": (),
    }
    weights = (torch.rand(shapes[form]) < 0.8 if form != "one" else torch.ones(())).to(dtype)
    full = weights.expand(X.shape)
    hidden = X.masked_fill(full == 0, torch.nan)
    S = layer(hidden, weights=weights)
    expected = hntf.torch.nnls(X.flatten(1), as_dense(layer), l1=0.01, l2=0.05, weights=full.flatten(1))
    torch.testing.assert_close(S, expected, rtol=1e-9, atol=1e-12)
    parameters = list(layer.parameters())
    found, of_dense = (torch.autograd.grad(codes.square().sum(), parameters) for codes in (S, expected))
    for dU, dV in zip(found, of_dense, strict=True):
        torch.testing.assert_close(dU, dV, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", OF_TENSORS)
def test_samples_and_weights_may_be_flattened(name):
    layer = make(name)
    X = samples(layer)
    weights = torch.rand_like(X)
    assert torch.equal(layer(X.flatten(1), weights=weights.flatten(1)), layer(X, weights=weights))
    assert torch.equal(layer(X.flatten(1), weights=weights[0]), layer(X, weights=weights[0]))


def test_wrong_weights_of_a_tensor_layer_are_named():
    for layer in (hntf.torch.CP((4, 3), 2), hntf.torch.Tucker((4, 3), (2, 2))):
        with pytest.raises(ValueError, match="weights must have a shape that can be broadcast to"):
            layer(torch.ones(5, 4, 3), weights=torch.ones(5, 4))
        with pytest.raises(ValueError, match="weights must be at least 0 and finite"):
            layer(torch.ones(5, 4, 3), weights=-torch.ones(3))
        with pytest.raises(TypeError, match="weights must be a torch tensor"):
            layer(torch.ones(5, 4, 3), weights=np.ones(3))


class TestPenaltiesAsTensors:
    @pytest.mark.parametrize("per_component", [False, True])
    def test_codes_and_gradients_are_those_of_the_function(self, name, per_component):
        shape = (CODES[name],) if per_component else ()
        l1, l2 = (torch.nn.Parameter(size * torch.rand(shape, dtype=torch.float64)) for size in (0.05, 0.2))
        layer = make(name, l1=l1, l2=l2)
        assert {"l1", "l2"} <= dict(layer.named_parameters()).keys()
        X = samples(layer)
        expected = hntf.torch.nnls(X.flatten(1), as_dense(layer), l1=l1, l2=l2)
        torch.testing.assert_close(layer(X), expected, rtol=1e-9, atol=1e-12)
        report = hntf.gradcheck(layer, samples(layer, 3))
        assert report.ok, str(report)
        assert report.n_judged == 3 * np.prod(layer.in_shape) + sum(p.numel() for p in layer.parameters())

    @pytest.mark.parametrize("size", [1e-155, 1e-10, 1e100])
    def test_factors_of_any_size(self, name, size):
        l1 = torch.full((CODES[name],), 0.05, dtype=torch.float64)
        layer = make(name, l1=l1)
        X, factors = samples(layer), [U.detach().clone() for U in layer.factors]
        expected = layer(X)
        layer.set_factors_([U * size ** (1 / len(factors)) for U in factors])
        # The code is smaller by the size, and so is its penalty.
        layer.l1.mul_(size)
        torch.testing.assert_close(layer(X) * size, expected, rtol=1e-10, atol=1e-12)

    def test_one_that_is_not_trained_moves_with_the_layer(self, name):
        layer = make(name, l1=torch.tensor(0.1))
        assert [key for key, _ in layer.named_buffers()] == ["l1"]
        assert copy.deepcopy(layer).double().l1.dtype == torch.float64
        other = make(name, l1=torch.tensor(0.7))
        other.load_state_dict(layer.state_dict())
        assert other.l1 == layer.l1
        assert other.to_layer().l1 == pytest.approx(0.1)
        assert "l1=tensor of shape ()" in repr(other)

    @pytest.mark.parametrize("nonnegative", [False, True])
    def test_training_keeps_it_nonnegative(self, name, nonnegative):
        layer = make(name, l1=torch.nn.Parameter(torch.tensor(0.1, dtype=torch.float64)), nonnegative=nonnegative)
        X = samples(layer)
        optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
        # A smaller penalty gives larger codes.
        for _ in range(20):
            optimizer.zero_grad()
            (-layer(X).sum()).backward()
            optimizer.step()
            layer.project_()
        assert 0 <= layer.l1 < 0.1

    def test_what_is_no_penalty_is_named(self, name):
        with pytest.raises(ValueError, match="l1 must be at least 0"):
            make(name, l1=torch.tensor(-1.0))
        with pytest.raises(ValueError, match=rf"l2 must have a shape that can be broadcast to \({CODES[name]},\)"):
            make(name, l2=torch.ones(CODES[name] + 1))
        layer = make(name, l1=torch.linspace(0.1, 0.2, CODES[name]))
        with pytest.raises(ValueError, match="l1 must be the same for all components outside of torch"):
            layer.to_layer()


def test_a_search_from_a_support_finds_the_same_codes(name):
    layer = make(name)
    X = samples(layer)
    S = layer(X)
    torch.testing.assert_close(layer(X, support=S > 0), S)
    with pytest.raises(ValueError, match="support must have a shape"):
        layer(X, support=torch.ones(2, 2, 7, dtype=torch.bool))


@pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors")
def test_tensors_of_other_kinds_are_refused_by_name(name):
    layer, X = make(name), samples(make(name))
    with pytest.raises(TypeError, match="X must hold real floating-point numbers of two bytes or more"):
        layer(X.to(torch.float8_e4m3fn))
    with pytest.raises(TypeError, match="X must be a plain tensor, got a masked one"):
        layer(torch.masked.masked_tensor(X, X > 0.5))
