"""The information on solutions of torch functions, in the user's units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hntf.least_squares.certificate import NNLSInfo, Rows
from hntf.least_squares.gram import apply_gram, column_norms, row_grams
from hntf.least_squares.rooted_problems import bounded_below
from hntf.torch.primitive import Solved


def info_of(
    solved: Solved,
    G: Tensor,
    C: Tensor,
    shape: tuple[int, ...],
    of_columns: Tensor | None = None,
    sizes: Tensor | None = None,
    exponents: tuple[Tensor, Tensor] | None = None,
) -> NNLSInfo:
    """Return the information on a solution of problems in Gram form.

    The columns of its dictionary are those of the user, times powers of two with the exponents `of_columns`.
    `sizes` are bounds of the norms of the samples, if penalties make the right-hand sides larger; `exponents` those of the samples
    and weights, if they are in other units, too.
    """
    k = G.shape[-1]
    grams = row_grams(G.detach().reshape(-1, k, k), C.numel() // k)
    rows, S, support = (x.detach().reshape(-1, k) for x in (C, solved.S, solved.support))
    Y = apply_gram(grams, S) - rows
    rows = rows if sizes is None else bounded_below(rows, column_norms(grams), sizes)
    of_scale = 0 if of_columns is None else of_columns.expand(solved.S.shape).reshape(-1, k).int()
    of_data, of_weights = (0, 0) if exponents is None else (x.int() for x in exponents)
    problem = Rows(grams, rows, S, support, Y, of_scale - of_data, -of_scale - of_data - of_weights)
    n_iter: Any = solved.n_iter if torch.compiler.is_compiling() else int(solved.n_iter)
    # The support itself is kept for the backward pass.
    return NNLSInfo(solved.support.reshape(shape).clone(), n_iter, [problem])
