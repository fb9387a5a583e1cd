"""Exact nonnegative least squares for many right-hand sides at once.

Every problem of the library, `min_{S ≥ 0} ½‖X − M(S)‖²`, depends on the data through a Gram matrix `G` and the adjoint
`C = M*(X)` only. This folder solves it from `(G, C)`:

- `solver`: the entry point; finds the support of every row, with the implementation that fits the array;
- `compiled`: Numba kernels over rows, for arrays in CPU memory;
- `active_set`: the kernel for the rows that pivoting does not settle: degenerate, singular and ill-conditioned ones;
- `portable`: the same functions, batched, on a TensorLy backend, for arrays on any device;
- `on_support`: the solution on a known support, which is the differentiable primitive, and its pullback;
- `gram`: products with one Gram matrix for all rows, or one per row;
- `certificate`: measures of the optimality and uniqueness of a solution and of its distance from a kink;
- `kinks`: the margin to the nearest kink, and a recorder of the supports that a computation meets;
- `scaled_problem`: the conversion of `A` and `B` with weights and penalties to `(G, C)`, and refinement against `A`;
- `nnls`, `nnls_gram`: the public functions, which validate their arguments.
"""

from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.nnls import nnls
from hntf.least_squares.nnls_gram import nnls_gram

__all__ = ["NNLSInfo", "nnls", "nnls_gram"]
