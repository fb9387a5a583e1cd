"""Problems for the differentiable functions, and the options that they are drawn with."""

import torch

from hntf.torch import nnls

N, M, K = 4, 5, 3

OPTIONS = {
    "no penalty": {},
    "l1, a scalar": {"l1": ()},
    "l1 of each component": {"l1": (K,)},
    "l1 of each sample": {"l1": (N, 1)},
    "l1 of each entry": {"l1": (N, K)},
    "l2, a scalar": {"l2": ()},
    "l2 of each component": {"l2": (K,)},
    "l2 of each sample": {"l2": (N, 1)},
    "weights": {"weights": (N, M)},
    "weights of features": {"weights": (M,)},
    "weights of samples": {"weights": (N, 1)},
    "all": {"l1": (K,), "l2": (N, 1), "weights": (N, M)},
}
"""Shapes of the options."""


def draw(seed, *shapes, low=0.0, high=1.0):
    """Draw float64 tensors that require a gradient."""
    generator = torch.Generator().manual_seed(seed % 2**31)
    tensors = [low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [x.requires_grad_() for x in tensors]


def detached(*tensors):
    return [x.detach() for x in tensors]


def options(name, seed=10):
    """Draw the options of a name: small penalties, and weights around 1."""
    ranges = {"weights": {"low": 0.5, "high": 1.5}}
    small = {"low": 0.01, "high": 0.1}
    return {
        key: draw(seed + i, shape, **ranges.get(key, small))[0] for i, (key, shape) in enumerate(OPTIONS[name].items())
    }


def assert_smooth(X, A, **given):
    """No derivative is taken at a kink, and some but not all components are in use."""
    _, info = nnls(X, A, **given, return_info=True)
    assert info.margin > 1e-3
    assert 0 < info.support.double().mean() < 1
