"""Functions read the values of tensors inside the transforms of `torch.func`, of those that are transformed and of all others."""

import numpy as np
import pytest
import torch
from torch.func import functional_call, grad, hessian, jacfwd, jvp, vmap

import hntf
from hntf.torch import CP, NNLS, Hierarchy, Tucker, energy, label_l2, nnls, nnls_gram

M, K = 12, 4
GENERATOR = torch.Generator().manual_seed(0)


def draw(*shape):
    return torch.rand(*shape, generator=GENERATOR, dtype=torch.float64)


X, MANY, A, C = draw(5, M), draw(600, M), draw(M, K), draw(3, K)
PATTERN = (torch.arange(M) % 3 > 0).expand(600, M)  # the same for all samples, which are one problem then
LABELS = torch.eye(5, dtype=torch.float64)[:, :2]

OF_DICTIONARY = {
    "nnls": lambda A: nnls(X, A),
    "nnls of samples in single precision": lambda A: nnls(X.float(), A).double(),
    "nnls with penalties": lambda A: nnls(X, A, l1=0.05, l2=0.1, return_info=True)[0],
    "nnls with a mask": lambda A: nnls(X, A, weights=X > 0.2),
    "nnls of samples with the same weights": lambda A: nnls(MANY, A, weights=PATTERN, l1=0.05, return_info=True)[0],
    "nnls from a support": lambda A: nnls(X, A, support=torch.ones(5, K, dtype=torch.bool)),
    "nnls_gram": lambda A: nnls_gram(A.mT @ A, X @ A),
    "nnls_gram of other right-hand sides": lambda A: nnls_gram(A.mT @ A, C),
    "label_l2": lambda A: label_l2(nnls(X, A), LABELS),
    "label_l2 of some": lambda A: label_l2(nnls(X, A), LABELS, torch.arange(5) < 3),
}


@pytest.fixture(params=OF_DICTIONARY)
def function(request):
    return lambda A: OF_DICTIONARY[request.param](A).square().sum()


def assert_close(x, y):
    torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


def test_gradients_in_transforms(function):
    expected = torch.autograd.functional.jacobian(function, A)
    assert_close(grad(function)(A), expected)
    assert_close(jacfwd(function)(A), expected)
    assert_close(vmap(grad(function))(torch.stack([A, 2 * A]))[0], expected)
    _, directional = jvp(function, (A,), (A,))
    assert_close(directional, (expected * A).sum())


def test_second_derivatives_in_transforms(function):
    expected = torch.autograd.functional.hessian(function, A)
    assert_close(hessian(function)(A), expected)


def test_what_no_transform_touches(function):
    """The function is a constant in them."""
    value = function(A)
    scaled = lambda z: z * function(A)  # noqa: E731
    assert_close(grad(scaled)(torch.tensor(1.0, dtype=torch.float64)), value)
    assert_close(vmap(scaled)(torch.ones(3, dtype=torch.float64)), value.expand(3))
    assert_close(jacfwd(grad(lambda z: z * scaled(z)))(torch.ones((), dtype=torch.float64)), 2 * value)


LAYERS = {
    "NNLS": NNLS(M, 3),
    "CP": CP((4, 3), 3),
    "Tucker": Tucker((4, 3), (2, 2)),
    "Hierarchy": Hierarchy([Tucker((4, 3), (2, 2)), NNLS(4, 2)]),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mask", [None, X > 0.2])
@pytest.mark.parametrize("name", LAYERS)
def test_parameters_of_modules(name, mask, dtype):
    module = LAYERS[name].to(dtype)
    samples = X.to(dtype) if name == "NNLS" else X.to(dtype).unflatten(1, (4, 3))
    mask = mask if mask is None or name == "NNLS" else mask.unflatten(1, (4, 3))
    parameters = {key: value.detach() for key, value in module.named_parameters()}

    def loss(parameters):
        if name == "Hierarchy":
            codes = functional_call(module, parameters, (samples, mask))
            return sum(S.square().sum() for S in codes)
        return functional_call(module, parameters, (samples, mask)).square().sum()

    expected = torch.autograd.grad(loss(dict(module.named_parameters())), list(module.parameters()))
    found = grad(loss)(parameters)
    for key, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(found[key], gradient)
    assert all(x.isfinite().all() for x in jacfwd(loss)(parameters).values())


def test_values_are_checked_in_transforms():
    for transform in (grad, jacfwd):
        with pytest.raises(ValueError, match="weights must be at least 0"):
            transform(lambda A: nnls(X, A, weights=-torch.ones(M)).sum())(A)
        with pytest.raises(ValueError, match="Y must hold finite entries"):
            transform(lambda S: label_l2(S, LABELS * torch.nan))(draw(5, 3))


def test_the_core_may_be_called_inside_a_transform():
    """What it returns is a constant there."""
    S = torch.as_tensor(hntf.nnls(A, X.mT)).clone()
    torch.testing.assert_close(
        grad(lambda z: z * hntf.nnls(A, X.mT).sum())(torch.ones((), dtype=torch.float64)), S.sum()
    )
    with pytest.raises(TypeError, match="requires a gradient"):
        grad(lambda A: hntf.nnls(A, X.mT).sum())(A)
    assert np.isfinite(energy(LAYERS["Hierarchy"].double(), X.unflatten(1, (4, 3))).item())
