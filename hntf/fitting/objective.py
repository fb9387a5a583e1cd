"""A loss as a function of one flat vector of factors, which is all that an optimizer sees."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array, backend_of
from hntf.data import Data
from hntf.fitting.stopping import Evaluation
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels


class Objective:
    """`x ↦ loss(factors) / ‖X‖²` and its gradient; every evaluation starts its support searches from the last one's.

    Parameters
    ----------
    loss : Loss
    model : Model
        Its factors are the starting point.
    data : Data
    labels : Labels, optional
    """

    def __init__(self, loss: Loss, model: Model, data: Data, labels: Labels | None = None) -> None:
        self.loss = loss
        self.model = model
        self.data = data
        self.labels = labels
        self.scale = 1.0 / (data.norm_squared() or 1.0)
        self.tape: Any = None
        self.n_evaluations = 0

    @property
    def start(self) -> Array:
        """The starting point."""
        return self.flatten(self.model.factors)

    def flatten(self, factors: list[Array]) -> Array:
        """Return the factors as one vector."""
        return backend_of(factors[0]).concatenate([factor.reshape(-1) for factor in factors])

    def model_at(self, x: Array) -> Model:
        """Return the model whose factors are the vector `x`."""
        factors, start = [], 0
        for factor in self.model.factors:
            size = factor.shape[0] * factor.shape[1]
            factors.append(x[start : start + size].reshape(factor.shape))
            start += size
        return self.model.with_factors(factors)

    def __call__(self, x: Array) -> Evaluation:
        """Evaluate at the vector `x`."""
        model = self.model_at(x)
        self.tape = model.solve(self.data, self.tape)
        value, gradients = self.loss.evaluate(model, self.tape, self.labels)
        dfactors = model.pullback(self.tape, gradients)
        self.n_evaluations += 1
        return Evaluation(x, self.scale * value, self.scale * self.flatten(dfactors))
