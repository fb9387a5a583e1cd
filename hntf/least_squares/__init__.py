"""Exact nonnegative least squares for many right-hand sides at once.

Every problem of the library, `min_{S ≥ 0} ½‖X − M(S)‖²`, depends on the data through a Gram matrix `G` and the adjoint
`C = M*(X)`. This folder solves it from `(G, C)`, and, where these are not accurate enough, from a square root of `G`.

The public functions, which validate their arguments: `nnls`, `nnls_gram`. `scaled_problem` converts the first to the second.

The search for the supports:

- `solver`: the entry point, with the implementation that fits the array;
- `compiled`: kernels over rows, for arrays in CPU memory; `systems` are those on the supports of eight rows, `elimination`
  solves them, and `lanes` handles eight numbers as one;
- `square_root`: problems in square-root form; `active_set` are their kernels, for degenerate, singular and ill-conditioned rows;
- `portable`: the same batched, on a TensorLy backend, for arrays on any device; `pivoting` is its search;
- `hals`: a few cheap sweeps instead of the exact solution.

Gram matrices:

- `gram`: one for all rows or one for each, and the interface of structured ones;
- `kronecker`, with `arrangement` and `matrix_free`: a Kronecker product; `row_grams`: one for each problem of a code tensor;
- `gram_blocks`: one for each row, formed in blocks; `downdated`: those that are a shared one less a few terms.

After the search:

- `on_support`: the solution on a known support, which is the differentiable primitive, and its pullback;
- `certificate`: the optimality and uniqueness of a solution;
- `kinks`: its distance from the nearest kink, and a recorder of supports.
"""

from hntf.least_squares.certificate import NNLSInfo
from hntf.least_squares.nnls import nnls
from hntf.least_squares.nnls_gram import nnls_gram

__all__ = ["NNLSInfo", "nnls", "nnls_gram"]
