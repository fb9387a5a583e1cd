"""Nonnegative least squares as a layer of a torch network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hntf.torch.functional import nnls
from hntf.validation import check_number


class NNLS(nn.Module):
    """The layer `S = argmin_{S ≥ 0} ½‖X − S Aᵀ‖² + l1 ΣS + ½ l2‖S‖²` with a trainable dictionary `A`.

    Parameters
    ----------
    in_features : int
        Number of features of a sample, `m`.
    k : int
        Number of components of a code.
    l1, l2 : float
        Sparsity and ridge penalties on the code, at least 0.
    device, dtype : optional
        Device and dtype of the dictionary.

    Attributes
    ----------
    A : Parameter, `(in_features, k)`
        The dictionary, initialised uniformly in `[0, 1]` with columns of unit norm. Training does not keep it nonnegative; for a
        nonnegative factorization call `project_` after every step.

    Examples
    --------
    >>> import torch, hntf
    >>> network = torch.nn.Sequential(hntf.torch.NNLS(30, 8), hntf.torch.NNLS(8, 3), torch.nn.Linear(3, 2))
    >>> network(torch.rand(5, 30)).shape
    torch.Size([5, 2])
    """

    def __init__(
        self,
        in_features: int,
        k: int,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        check_number(in_features, "in_features", low=1, integer=True)
        check_number(k, "k", low=1, integer=True)
        check_number(l1, "l1")
        check_number(l2, "l2")
        self.in_features, self.k, self.l1, self.l2 = in_features, k, l1, l2
        self.A = nn.Parameter(torch.empty(in_features, k, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw a new random dictionary."""
        self.A.uniform_()
        self.A.div_(torch.linalg.vector_norm(self.A, dim=0))

    @torch.no_grad()
    def project_(self) -> None:
        """Set negative entries of the dictionary to zero; call it after every step of the optimizer."""
        self.A.clamp_(min=0)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """Return the codes `(…, n, k)` of the samples `(…, n, in_features)`."""
        return nnls(X, self.A, l1=self.l1, l2=self.l2)

    def extra_repr(self) -> str:
        """Return the parameters of the layer for its printed representation."""
        return f"in_features={self.in_features}, k={self.k}, l1={self.l1}, l2={self.l2}"
