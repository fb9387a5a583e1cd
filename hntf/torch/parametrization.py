"""A parametrization of nonnegative factors."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

SMALLEST = 1e-12
"""The value by which zero is represented, or the smallest normal number: a parametrized entry is positive."""


class Nonnegative(nn.Module):
    """The parametrization `A = log(1 + exp(P))` of a nonnegative factor by a parameter `P` of any sign.

    For `torch.nn.utils.parametrize.register_parametrization`. The factor is assigned through `right_inverse`, zeros as 1e-12,
    in half precision as 6e-5.

    Examples
    --------
    >>> import torch, hntf
    >>> layer = hntf.torch.NNLS(4, 2, nonnegative=True)
    >>> torch.nn.utils.parametrize.is_parametrized(layer, "A"), bool((layer.A > 0).all())
    (True, True)
    """

    def forward(self, P: Tensor) -> Tensor:
        """Return the factor."""
        return softplus(P)

    def right_inverse(self, A: Tensor) -> Tensor:
        """Return the parameter of a nonnegative factor."""
        positive = A.double().clamp(min=max(SMALLEST, torch.finfo(A.dtype).smallest_normal))
        return (positive + torch.log(-torch.expm1(-positive))).to(A.dtype)
