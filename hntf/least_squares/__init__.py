"""Exact nonnegative least squares for many right-hand sides at once.

Every problem of the library, `min_{S ≥ 0} ½‖X − M(S)‖²`, depends on the data through a Gram matrix `G` and the adjoint
`C = M*(X)` only. This folder solves it from `(G, C)`:

- `solver`: the core's entry; finds the support of every row, and chooses an implementation for the array it is given;
- `compiled`: Numba kernels over rows, for arrays in CPU memory;
- `active_set`: the kernel that settles what pivoting leaves over: degenerate, singular and ill-conditioned rows;
- `portable`: the same contract, batched, in the functions of a TensorLy backend, for arrays anywhere;
- `on_support`: the solution on a known support, the one differentiable primitive, and its pullback;
- `gram`: products with one Gram matrix for all rows, or one a row;
- `certificate`: how optimal, how unique and how far from a kink a solution is;
- `kinks`: the margin to the nearest kink, and a recorder of the kinks that a computation meets;
- `scaled_problem`: from `A` and `B` with weights and penalties to `(G, C)`, and refinement against `A`;
- `nnls`, `nnls_gram`: the public functions, with validation.
"""

from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.nnls import nnls
from hntf.least_squares.nnls_gram import nnls_gram

__all__ = ["NNLSInfo", "nnls", "nnls_gram"]
