"""Nonnegative least squares as a torch function and a torch module; adapters only, without mathematics of their own.

- `functional`: `nnls`, which supports autograd, double backward and `torch.func.vmap`;
- `modules`: `NNLS`, an `nn.Module`.
"""

from hntf.torch.functional import nnls
from hntf.torch.modules import NNLS

__all__ = ["NNLS", "nnls"]
