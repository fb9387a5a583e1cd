"""A loss as a function of one flat vector of factors, which is all that an optimizer sees."""

from __future__ import annotations

from hntf.arrays import Array, backend_of
from hntf.data import Data
from hntf.fitting.stopping import Evaluation
from hntf.hierarchy import Hierarchy
from hntf.layers import LayerTape
from hntf.losses import Loss


class Objective:
    """`x ↦ loss(factors) / ‖X‖²` and its gradient; every evaluation starts its support searches from the last one's.

    Parameters
    ----------
    loss : Loss
    hierarchy : Hierarchy
        Its factors are the starting point.
    data : Data
    """

    def __init__(self, loss: Loss, hierarchy: Hierarchy, data: Data) -> None:
        self.loss = loss
        self.hierarchy = hierarchy
        self.data = data
        self.scale = 1.0 / (data.norm_squared() or 1.0)
        self.tape: list[LayerTape] | None = None
        self.n_evaluations = 0

    @property
    def start(self) -> Array:
        """The starting point."""
        return self.flatten(self.hierarchy.factors)

    def flatten(self, factors: list[Array]) -> Array:
        """Return the factors as one vector."""
        return backend_of(factors[0]).concatenate([factor.reshape(-1) for factor in factors])

    def hierarchy_at(self, x: Array) -> Hierarchy:
        """Return the hierarchy whose factors are the vector `x`."""
        factors, start = [], 0
        for factor in self.hierarchy.factors:
            size = factor.shape[0] * factor.shape[1]
            factors.append(x[start : start + size].reshape(factor.shape))
            start += size
        return self.hierarchy.with_factors(factors)

    def __call__(self, x: Array) -> Evaluation:
        """Evaluate at the vector `x`."""
        hierarchy = self.hierarchy_at(x)
        supports = None if self.tape is None else [level.support for level in self.tape]
        self.tape = hierarchy.solve(self.data, supports)
        value, gradients = self.loss.evaluate(hierarchy, self.tape)
        _, dfactors = hierarchy.pullback(self.tape, gradients)
        self.n_evaluations += 1
        return Evaluation(x, self.scale * value, self.scale * self.flatten(dfactors))
