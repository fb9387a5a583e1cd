"""Which tensors have entries that can be read, for checks of values, and how they are read.

A tensor may have none yet (`is_traced`: compilers, tracers, shapes alone), or be wrapped by a transform of `torch.func`, whose
entries lie below (`unwrapped`, `unmapped`). Inside a transform, torch wraps whatever it computes; a view of NumPy is as before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from hntf.arrays import host_view


def is_traced(x: Tensor) -> bool:
    """Tell whether only the shapes of the results are asked for: by a compiler or tracer, or for tensors without entries."""
    return torch.compiler.is_compiling() or x.is_meta or isinstance(x, FakeTensor) or get_proxy_mode() is not None


def is_concrete(x: Tensor) -> bool:
    """Tell whether the entries of a tensor can be read as they are: it is neither traced nor transformed, and has some."""
    return is_readable(x) and not torch._C._functorch.is_functorch_wrapped_tensor(x)


def is_readable(x: Tensor) -> bool:
    """Tell whether the entries of a tensor can be read, if need be from outside the transforms that it is in; see `unmapped`."""
    # Compilers cannot follow the loop that unwraps.
    return not (torch.compiler.is_compiling() or is_traced(unwrapped(x)))


def unwrapped(x: Tensor) -> Tensor:
    """Return a tensor with all entries that it has in the transforms that it is in, as they lie in memory."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        x = torch._C._functorch.get_unwrapped(x)
    return x


def unmapped(x: Tensor) -> Tensor:
    """Return a tensor with all entries that it has in the transforms that it is in; what is mapped comes first."""
    mapped = []
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        mapped.append(torch._C._functorch.maybe_get_bdim(x))
        x = torch._C._functorch.get_unwrapped(x)
    for axis in reversed([axis for axis in mapped if axis >= 0]):
        x = x.movedim(axis, 0)
    return x


def is_finite(x: Tensor) -> bool:
    """Tell whether all entries are finite: in CPU memory by NumPy, without waking the threads of torch, otherwise on the device."""
    view = None if x.dtype == torch.bfloat16 else host_view(x)
    return bool((torch.isfinite(x) if view is None else np.isfinite(view)).all())
