"""The Gram matrices of weighted data, one for every slice of a mode, `G_i = Σ_e w_ie k_e k_eᵀ`.

Here `k_e` is a row of the Khatri–Rao product of the other factors. The matrices are only formed to solve with them, in blocks of
slices; slices with equal weights, such as all complete samples, have one in common. Products with them, and what they pass back to
the factors, take two products with tensors of the size of the data.
"""

from __future__ import annotations

import numpy as np

from hntf.algebra import Factors
from hntf.arrays import Array
from hntf.data.entry_weights import EntryWeights
from hntf.least_squares.downdated import Downdates
from hntf.least_squares.gram_blocks import EqualRows, GramBlocks, OuterProducts


class WeightedGram(GramBlocks):
    """The Gram matrices of one mode of weighted data.

    Parameters
    ----------
    weights : EntryWeights
        The weights of the entries.
    factors : sequence of arrays
        The factors of all modes; that of `mode` is not used.
    mode : int
        The mode.
    """

    def __init__(self, weights: EntryWeights, factors: Factors, mode: int) -> None:
        self.weights = weights
        self.factors = [None if i == mode else U for i, U in enumerate(factors)]
        self.mode = mode

    @property
    def rank(self) -> int:
        return next(U.shape[1] for U in self.factors if U is not None)

    @property
    def n_rows(self) -> int:
        return self.weights.shape[self.mode]

    @property
    def equal_rows(self) -> EqualRows:
        return self.weights.equal_slices(self.mode)

    @property
    def parts(self) -> list[Array]:
        return [self.weights.largest * (U.T @ U) for U in self.factors if U is not None]

    @property
    def proportional_rows(self) -> tuple[EqualRows, np.ndarray]:
        return self.weights.proportional_slices(self.mode)

    def formed(self, rows: np.ndarray) -> Array:
        return self.weights.grams_of_slices(rows, self.factors, self.mode)

    @property
    def downdates(self) -> Downdates | None:
        return self.weights.downdates(self.factors, self.mode)

    def apply(self, S: Array) -> Array:
        return self.weights.products(self._with(S), self.factors, [self.mode])[0]

    def pullback(self, gradient: OuterProducts) -> list[Array]:
        """Return the gradients with respect to the factors of all other modes, in their order."""
        modes = [i for i, U in enumerate(self.factors) if U is not None]
        total = [0.0 * U for U in self.factors if U is not None]
        for c, V, S in gradient.terms:
            pairs = [(V, S)] if V is S else [(V, S), (S, V)]
            for left, right in pairs:
                # Each of the two takes the place of the factor of the mode, one in the model and one in the product with it.
                parts = self.weights.products(self._with(left), self._with(right), modes)
                scale = 2 * c / len(pairs)
                total = [a + scale * b for a, b in zip(total, parts, strict=True)]
        return total

    def _with(self, S: Array) -> list[Array]:
        return [S if U is None else U for U in self.factors]
