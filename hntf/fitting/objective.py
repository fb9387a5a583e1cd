"""A loss as a function of one flat vector of factors, as optimizers require it: a sum over parts of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import uuid4

from hntf.arrays import Array, backend_of
from hntf.costs import Loss
from hntf.fitting.parts import Part, Parts
from hntf.fitting.scaling import on_simplex, on_simplex_pullback
from hntf.models import Trainable


class Evaluation(NamedTuple):
    """A point, with the value and the gradient of the objective there."""

    x: Array
    value: float
    gradient: Array


def relative_projected_gradient(at: Evaluation) -> float:
    """Return `‖x‖ ‖∇⁺f(x)‖` for a loss relative to `‖X‖²`; it does not depend on the units and is zero at a minimum.

    `∇⁺f` is the projected gradient, without the components along which descent would leave the bound `x ≥ 0`.
    """
    projected = at.gradient * ((at.x > 0) | (at.gradient < 0))
    size = float(at.x @ at.x) or 1.0
    return (float(projected @ projected) * size) ** 0.5


def flattened(factors: Sequence[Array]) -> Array:
    """Return factors as one vector."""
    return backend_of(factors[0]).concatenate([factor.reshape(-1) for factor in factors])


class Objective:
    """`x ↦ loss(factors) / ‖X‖²` and its gradient; every evaluation starts its support searches from the last supports.

    Parameters
    ----------
    loss : Loss
        The loss.
    model : Trainable
        The model, whose factors are the starting point.
    parts : Parts
        The samples. The cost that depends on the factors alone is added once, however many parts there are.
    simplex : bool
        Whether the factors of the model are `x` with its columns scaled to sum to one.
    fraction : float
        The fraction of all samples that the parts hold, by which the cost that depends on the factors alone is multiplied.
    """

    def __init__(
        self, loss: Loss, model: Trainable, parts: Parts, *, simplex: bool = False, fraction: float = 1.0
    ) -> None:
        self.loss = loss
        self.model = model
        self.parts = parts
        self.simplex = simplex
        self.fraction = fraction
        self.scale = 1.0 / (parts.norm_squared or 1.0)
        self.n_evaluations = 0
        self._key = uuid4().hex

    @property
    def steepness(self) -> float:
        """The steepness of the loss."""
        return self.loss.steepness

    @property
    def start(self) -> Array:
        """The starting point."""
        return flattened(self.model.factors)

    def model_at(self, x: Array) -> Trainable:
        """Return the model with the factors in the vector `x`, scaled to the simplex if required."""
        return model_at(x, self.model, simplex=self.simplex)

    def __call__(self, x: Array) -> Evaluation:
        """Return the value and the gradient at the vector `x`."""
        model = self.model_at(x)
        value, dfactors = self.value_and_grad(model)
        value, dfactors = self.loss.with_cost_of_factors(model.factors, value, dfactors, self.fraction)
        if self.simplex:
            sums = [on_simplex(U)[1] for U in split(x, self.model.factors)]
            dfactors = list(map(on_simplex_pullback, model.factors, sums, dfactors))
        self.n_evaluations += 1
        return Evaluation(x, self.scale * value, self.scale * flattened(dfactors))

    def forget(self) -> None:
        """Drop what the parts remember of the last evaluation."""
        self.parts.forget(self._key)

    def value_and_grad(self, model: Trainable) -> tuple[float, list[Array]]:
        """Return the value of a model and its gradients with respect to the factors, summed over the parts."""
        settled = None
        if self.loss.settles:
            settled = self.loss.settle(self.parts.each(forward, self._key, model, self.loss))
        return self.parts.total(backward, self._key, model, self.loss, settled)


def split(x: Array, factors: Sequence[Array]) -> list[Array]:
    """Return the vector `x` as matrices of the shapes of some factors."""
    parts, start = [], 0
    for factor in factors:
        size = factor.shape[0] * factor.shape[1]
        parts.append(x[start : start + size].reshape(factor.shape))
        start += size
    return parts


def model_at(x: Array, model: Trainable, *, simplex: bool) -> Trainable:
    """Return a model with the factors in the vector `x`, scaled to the simplex if required."""
    factors = split(x, model.factors)
    return model.with_factors([on_simplex(U)[0] for U in factors] if simplex else factors)


def forward(part: Part, key: str, model: Trainable, loss: Loss) -> Any:
    """Run the forward pass on a part, and return what the loss requires from it before it can be evaluated."""
    tape = model.solve(part.data, part.memory.get(key))
    part.memory[key] = tape if part.stays else model.warm_start(tape)
    return loss.of_part(model, tape, part.labels)


def backward(part: Part, key: str, model: Trainable, loss: Loss, settled: Any) -> tuple[float, list[Array]]:
    """Return the value of the loss on a part and its gradients; the forward pass is that of `forward` if it is remembered."""
    tape = part.memory.get(key)
    if not (loss.settles and part.stays):
        tape = model.solve(part.data, tape)
    # The tapes of two evaluations would be too much to keep.
    part.memory[key] = model.warm_start(tape)
    value, gradients = loss.evaluate(model, tape, part.labels, settled)
    return value, model.pullback(tape, gradients)
