"""Bi-cross-validation of a matrix: rows and columns are held out together (Owen & Perry 2009, Ann. Appl. Stat. 3).

With the matrix in blocks `[A B; C D]`, the model of `D` predicts `A`: the codes of the held-out rows come from `B`, the profiles of
the held-out columns from `C`, both by least squares, nonnegative unless the profiles of the model may have any sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from hntf.least_squares import nnls
from hntf.selection.candidates import takes_signs
from hntf.selection.problem import Problem

SPLITS = 2


def bi_cross_validated_error(problem: Problem, rank: int, fold: int) -> float:
    """Return the squared error of a held-out block, relative to its squared norm; folds from 0 to 3."""
    X = problem.X
    rng = np.random.default_rng(problem.seed)
    rows, columns = (np.array_split(rng.permutation(d), SPLITS) for d in problem.shape)
    held_rows, held_columns = rows[fold // SPLITS], columns[fold % SPLITS]
    other_rows, other_columns = (
        np.concatenate([part for part in parts if part is not held])
        for parts, held in ((rows, held_rows), (columns, held_columns))
    )
    A = _dense(X[held_rows][:, held_columns])
    if rank == 0:
        D = X[other_rows][:, other_columns]
        model: Any = np.full(A.shape, D.mean())
    else:
        fitted = problem.fitted(rank, X[other_rows][:, other_columns])
        S_of_rows = fitted.transform(X[held_rows][:, other_columns])
        codes, C = fitted.codes_[0], X[other_rows][:, held_columns]
        profiles = np.linalg.lstsq(codes, _dense(C))[0] if takes_signs(problem.model) else nnls(codes, C)
        model = S_of_rows @ profiles
    norm_squared = float((A**2).sum())
    return float(((A - model) ** 2).sum()) / norm_squared if norm_squared else 0.0


def _dense(x: Any) -> np.ndarray:
    return x.toarray() if scipy.sparse.issparse(x) else np.asarray(x)
