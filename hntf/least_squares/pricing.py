"""Numba kernels: which column enters the support of a row, by how much the cost falls along it.

All correlations of the columns with the residual are computed only where none of a few remembered candidates is promising any more.
"""

from __future__ import annotations

from hntf.least_squares.factorization import dot, fill
from hntf.least_squares.kernels import reordered_step

PRICED = 10
"""Number of columns that are remembered as candidates after all correlations have been computed."""

PROMISING = 0.5
"""Fraction of the largest correlation that a candidate must keep to enter before all correlations are computed again."""


@reordered_step
def _correlation(columns, f, j, residual):  # type: ignore[no-untyped-def]
    """Return the decrease of the cost per unit of any column `j`."""
    return dot(columns[j], residual) - f[j]


@reordered_step
def best_candidate(dictionary, row, residual, largest, noise):  # type: ignore[no-untyped-def]
    """Return the candidate with the largest decrease per norm, or −1 if none is promising."""
    columns, norms = dictionary.columns, dictionary.norms
    best, entering = max(PROMISING * largest, noise), -1
    for j in row.candidates:
        if j >= 0 and not row.blocked[j]:
            value = _correlation(columns, row.f, j, residual) / norms[j]
            if value > best:
                best, entering = value, j
    return entering


@reordered_step
def price_all(dictionary, row, residual, noise):  # type: ignore[no-untyped-def]
    """Return the column with the largest decrease per norm and that decrease, or −1 at the optimum; refill the candidates."""
    columns, norms, values, candidates = dictionary.columns, dictionary.norms, row.values, row.candidates
    largest, entering = noise, -1
    for j in range(len(values)):
        values[j] = 0.0
        if not row.blocked[j]:
            values[j] = _correlation(columns, row.f, j, residual) / norms[j]
            if values[j] > largest:
                largest, entering = values[j], j
    fill(candidates, PRICED, -1)
    found = 0
    for j in range(len(values)):
        if values[j] > PROMISING * largest and values[j] > noise and found < PRICED:
            candidates[found] = j
            found += 1
    return entering, largest
