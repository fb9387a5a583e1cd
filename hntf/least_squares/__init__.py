"""Exact nonnegative least squares for many right-hand sides at once.

Every problem of the library, `min_{S ≥ 0} ½‖X − M(S)‖²`, depends on the data through a Gram matrix `G` and the adjoint
`C = M*(X)` only. This folder solves it from `(G, C)`:

- `solver`: the core's entry; finds the support of every row, and chooses an implementation for the array it is given;
- `compiled`: Numba kernels over rows, for arrays in CPU memory; `threads` runs them on all cores;
- `portable`: the same contract, batched, in the functions of a TensorLy backend, for arrays anywhere;
- `on_support`: the solution on a known support, the one differentiable primitive, and its pullback;
- `gram`: products with one Gram matrix for all rows, or one a row;
- `certificate`: how optimal, how unique and how far from a kink a solution is;
- `nnls`: the public `nnls` and `nnls_gram`, with validation, scaling and refinement.
"""

from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.nnls import nnls, nnls_gram

__all__ = ["NNLSInfo", "nnls", "nnls_gram"]
