"""Nonnegative least squares as a torch function and a torch module; adapters only, without mathematics of their own.

- `functional`: `nnls` and `nnls_gram`, which check and broadcast their arguments;
- `primitive`: what is differentiated, with double backward, forward mode and `torch.func.vmap`;
- `operators`: the primitive as operators for `torch.compile` and `torch.export`;
- `modules`: `NNLS`, an `nn.Module`.
"""

from hntf.torch import operators as _operators  # noqa: F401  (registers them)
from hntf.torch.functional import nnls, nnls_gram
from hntf.torch.modules import NNLS

__all__ = ["NNLS", "nnls", "nnls_gram"]
