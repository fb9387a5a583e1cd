"""A loss as a function of one flat vector of factors, which is all that an optimizer sees."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array, backend_of
from hntf.data import Data
from hntf.fitting.scaling import on_simplex, on_simplex_pullback
from hntf.fitting.stopping import Evaluation
from hntf.hierarchies import Model
from hntf.losses import Loss
from hntf.losses.targets import Labels


def flattened(factors: list[Array]) -> Array:
    """Return factors as one vector."""
    return backend_of(factors[0]).concatenate([factor.reshape(-1) for factor in factors])


class Objective:
    """`x ↦ loss(factors) / ‖X‖²` and its gradient; every evaluation starts its support searches from the last one's.

    Parameters
    ----------
    loss : Loss
    model : Model
        Its factors are the starting point.
    data : Data
    labels : Labels, optional
    simplex : bool
        Whether the model's factors are what is left of `x` when their columns are brought to sum one.
    """

    def __init__(
        self, loss: Loss, model: Model, data: Data, labels: Labels | None = None, *, simplex: bool = False
    ) -> None:
        self.loss = loss
        self.model = model
        self.data = data
        self.labels = labels
        self.simplex = simplex
        self.scale = 1.0 / (data.norm_squared() or 1.0)
        self.tape: Any = None
        self.n_evaluations = 0

    @property
    def start(self) -> Array:
        """The starting point."""
        return flattened(self.model.factors)

    def split(self, x: Array) -> list[Array]:
        """Return the vector `x` as matrices of the shapes of the factors."""
        factors, start = [], 0
        for factor in self.model.factors:
            size = factor.shape[0] * factor.shape[1]
            factors.append(x[start : start + size].reshape(factor.shape))
            start += size
        return factors

    def model_at(self, x: Array) -> Model:
        """Return the model whose factors are the vector `x`, or lie on the simplex below it."""
        factors = self.split(x)
        return self.model.with_factors([on_simplex(U)[0] for U in factors] if self.simplex else factors)

    def __call__(self, x: Array) -> Evaluation:
        """Evaluate at the vector `x`."""
        model = self.model_at(x)
        self.tape = model.solve(self.data, self.tape)
        value, dfactors = self.loss.factor_gradients(model, self.tape, self.labels)
        if self.simplex:
            sums = [on_simplex(U)[1] for U in self.split(x)]
            dfactors = list(map(on_simplex_pullback, model.factors, sums, dfactors))
        self.n_evaluations += 1
        return Evaluation(x, self.scale * value, self.scale * flattened(dfactors))
