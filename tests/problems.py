"""Random problems that the tests draw, and naive formulas that they hold results against."""

import itertools

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from hntf.models.stack import dense_hierarchy

seeds = st.integers(0, 2**32 - 1)

few = settings(max_examples=max(1, settings().max_examples // 5))
"""For checks that take long a problem: differences of every entry, whole fits."""


def least_squares(seed, m, k, n, *, kind="dense"):
    """Draw `A` `(m, k)` and `B` `(m, n)`; `kind` names what is hard about them."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, k)) + (0.0 if kind == "signed" else 0.8)
    if kind == "duplicate":
        A = A[:, rng.integers(0, max(1, k // 2), k)]
    if kind == "zero":
        A[:, rng.random(k) < 0.4] = 0.0
    if kind == "scaled":
        A = A * 10.0 ** rng.uniform(-6, 6, k)
    B = A @ np.maximum(rng.standard_normal((k, n)), 0) / np.maximum(np.abs(A).max(0), 1e-12).max()
    B = B + (0.0 if kind == "exact" else 0.5) * rng.standard_normal((m, n))
    if kind == "integer":
        # Small integers tie often: degenerate complementarity.
        A, B = rng.integers(0, 3, (m, k)).astype(float), rng.integers(-1, 3, (m, n)).astype(float)
    return A, B


KINDS = ["dense", "signed", "duplicate", "zero", "scaled", "exact", "integer"]


def brute_force_residual(A, b):
    """Return the smallest `‖A x − b‖` over `x ≥ 0` by trying every support."""
    best = np.linalg.norm(b)
    for size in range(1, A.shape[1] + 1):
        for support in itertools.combinations(range(A.shape[1]), size):
            x = np.linalg.lstsq(A[:, support], b, rcond=None)[0]
            if np.all(x >= -1e-12):
                best = min(best, np.linalg.norm(A[:, support] @ x - b))
    return best


def hierarchy(rng, m, ranks, backend=np.asarray):
    """Draw a hierarchy of dense levels with positive factors."""
    dimensions = [m, *ranks]
    return dense_hierarchy([backend(rng.uniform(0.1, 1.0, (d, k))) for d, k in zip(dimensions, ranks, strict=False)])


def naive_level_errors(X, factors, codes, weights=1.0):
    """Return `‖√W ∘ (X − S_l (A_1 … A_l)ᵀ)‖²` of every level from the residuals."""
    product, errors = np.eye(X.shape[1]), []
    for A, S in zip(factors, codes, strict=True):
        product = product @ A
        errors.append(np.sum(weights * (X - S @ product.T) ** 2))
    return np.array(errors)
