"""The layers as torch functions and modules: adaptation only, all mathematics is the core's.

- `functional`: `nnls`, with autograd, double backward and `torch.func.vmap`;
- `modules`: `NNLS`, an `nn.Module`.
"""

from hntf.torch.functional import nnls
from hntf.torch.modules import NNLS

__all__ = ["NNLS", "nnls"]
