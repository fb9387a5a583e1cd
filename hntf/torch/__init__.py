"""Nonnegative least squares as a torch function and a torch module; adapters to the solvers and models of the package.

- `functional`: `nnls`, and `gram_form`: `nnls_gram`, which broadcast their arguments; `checks` of these; `equal_weights`, samples
  that are solved together; `scaling`, by powers of two; `information`, the certificate of a solution; `reading`, what can be read
  of tensors that are traced or transformed;
- `primitive`: what is differentiated, with double backward, forward mode and `torch.func.vmap`;
- `operators`: the primitive as operators for `torch.compile` and `torch.export`;
- `layer`: what layers of networks have in common; `modules`: `NNLS`, `CP` and `Tucker`; `parametrization`: nonnegative factors;
- `hierarchy`: `Hierarchy`, a stack of them to and from estimators, and the losses `energy` and `label_l2`.
"""

import torch as _torch

from hntf.arrays import backend_of as _backend_of
from hntf.torch import operators as _operators  # noqa: F401  (registers them)
from hntf.torch.functional import nnls
from hntf.torch.gram_form import nnls_gram
from hntf.torch.hierarchy import Hierarchy, energy, label_l2
from hntf.torch.modules import CP, NNLS, Tucker
from hntf.torch.parametrization import Nonnegative

# A compiler cannot import what it traces.
_backend_of(_torch.empty(0))

__all__ = ["CP", "NNLS", "Hierarchy", "Nonnegative", "Tucker", "energy", "label_l2", "nnls", "nnls_gram"]
