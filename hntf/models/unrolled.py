"""Multiplicative updates of a code, unrolled as layers whose dictionaries are trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

from hntf.arrays import Array, identity_like
from hntf.costs.squared import cp_squared_residual
from hntf.data import Data
from hntf.least_squares.gram import apply_gram, squared_error_in_gram_form, symmetric_outer
from hntf.models.base import Trainable, product_profiles
from hntf.validation import check_number, check_real_array, check_same_home


class Step(NamedTuple):
    """The record of one update: the code before it, numerator and denominator of the update, and the ratio of data to model."""

    S: Array
    numerator: Array
    denominator: Array
    ratio: Any


class UnrolledTape(NamedTuple):
    """The record of a forward pass: the data, the updates and the last code."""

    X: Data
    steps: list[Step]
    S: Array


@dataclass
class UnrolledGradients:
    """The gradient with respect to the last code, and the direct gradient with respect to the last dictionary."""

    codes: list[Array | None]
    last_factor: Array | None = None


class Unrolled(Trainable):
    r"""`K` multiplicative updates of the code of a matrix, with trained dictionaries, `X ≈ S⁽ᴷ⁾ A⁽ᴷ⁾ᵀ`.

    `S⁽ᵗ⁺¹⁾ = S⁽ᵗ⁾∘( (X∘X̂ₜ^{β−2}) A⁽ᵗ⁾ ) / ( X̂ₜ^{β−1} A⁽ᵗ⁾ + μ )`, `X̂ₜ = S⁽ᵗ⁾A⁽ᵗ⁾ᵀ`, starting from constant codes proportional
    to the sum of the sample. The first `K − C` updates use the first dictionary, each of the others its own, and the last
    dictionary reconstructs the data.

    Parameters
    ----------
    factors : list of arrays, `(m, k)`
        The first dictionary and those of the last `C` updates.
    n_steps : int
        Number of updates `K`, at least the number of dictionaries minus one.
    beta : {1, 2}
        Whether the updates are those of the Kullback–Leibler divergence (1) or of the squared error (2).
    sparsity : float
        The sparsity penalty `μ`, at least 0.

    References
    ----------
    Le Roux, Hershey, Weninger (2015), *Deep NMF for speech separation*, ICASSP.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> model = hntf.hierarchies.Unrolled([np.ones((2, 1)), np.ones((2, 1))], n_steps=3)
    >>> value, gradients = hntf.losses.Reconstruction().value_and_grad(model, np.array([[1.0, 3.0]]))
    >>> round(value, 6), len(gradients)
    (2.0, 2)
    """

    def __init__(self, factors: Sequence[Array], *, n_steps: int, beta: int = 2, sparsity: float = 0.0) -> None:
        self.dictionaries = [check_real_array(A, f"factors[{i}]", orders=(2,)) for i, A in enumerate(factors)]
        check_same_home({f"factors[{i}]": A for i, A in enumerate(self.dictionaries)})
        check_number(n_steps, "n_steps", low=max(1, len(self.dictionaries) - 1), integer=True)
        check_number(sparsity, "sparsity")
        if beta not in (1, 2):
            raise ValueError(f"beta must be 1 or 2, got {beta!r}")
        self.n_steps, self.beta, self.sparsity = n_steps, beta, sparsity

    @property
    def factors(self) -> list[Array]:
        return self.dictionaries

    def with_factors(self, factors: Sequence[Array]) -> Unrolled:
        model = copy(self)
        model.dictionaries = list(factors)
        return model

    def mapped(self, function: Callable[[Array], Array]) -> Unrolled:
        return self.with_factors(list(map(function, self.dictionaries)))

    def in_units(self, c: float) -> Unrolled:
        model = copy(self)
        model.sparsity = self.sparsity * (c if self.beta == 2 else 1.0)
        return model

    @property
    def parameters(self) -> list[Array]:
        return self.dictionaries

    def encode(self, X: Data, level: int) -> Array:
        return self.solve(X).S

    def decode(self, S: Array, level: int) -> Array:
        return S @ self.dictionaries[-1].T

    def profiles(self, level: int, code: Array) -> list[Array]:
        return product_profiles(code, self.dictionaries[-1:])

    def memberships(self, level: int) -> Array:
        A = self.dictionaries[-1]
        return identity_like(A.shape[1], A)

    @property
    def n_levels(self) -> int:
        return 1

    def check_input(self, X: Data) -> None:
        check_same_home({"X": X.prototype, "the factors": self.dictionaries[0]})
        if len(X.shape) != 2 or X.shape[1] != len(self.dictionaries[0]):
            raise ValueError(f"X must have shape (n, {len(self.dictionaries[0])}), got {tuple(X.shape)}")

    def _dictionary(self, step: int) -> int:
        """Return the index of the dictionary that an update, counted from 0, uses."""
        return max(0, step - (self.n_steps - len(self.dictionaries)))

    def solve(self, X: Data, start: Any = None) -> UnrolledTape:
        """Run the forward pass; `start` is not used, because there are no support searches."""
        A = self.dictionaries[0]
        sums = X.mttkrp([None, 0 * A[:, :1] + 1], 0)
        # These are the codes for constant dictionaries; they do not depend on the factors.
        S = sums / (len(A) * A.shape[1]) + 0 * A[:1]
        steps = []
        for t in range(self.n_steps):
            A = self.dictionaries[self._dictionary(t)]
            if self.beta == 2:
                ratio = None
                numerator, positive = X.mttkrp([None, A], 0), apply_gram(X.gram([None, A]), S)
            else:
                ratio = X.ratio([S, A])
                numerator, positive = ratio.mttkrp([None, A], 0), X.weights_mttkrp([S, A], 0) + 0 * S
            denominator = positive + self.sparsity
            denominator = denominator + (denominator == 0)
            steps.append(Step(S, numerator, denominator, ratio))
            S = S * numerator / denominator
        return UnrolledTape(X, steps, S)

    def codes(self, tape: UnrolledTape) -> list[Array]:
        return [tape.S]

    def no_gradients(self, tape: UnrolledTape) -> UnrolledGradients:
        return UnrolledGradients([None])

    def squared_errors(self, tape: UnrolledTape, weights: Sequence[float]) -> tuple[float, UnrolledGradients]:
        X, S, A = tape.X, tape.S, self.dictionaries[-1]
        (weight,) = weights
        G, C = X.gram([S, A], 0), X.mttkrp([S, A], 0)
        value = squared_error_in_gram_form(X.norm_squared(), G, C, S)
        dA = apply_gram(X.gram([S, A], 1), A) - X.mttkrp([S, A], 1)
        return weight * value, UnrolledGradients([2 * weight * (apply_gram(G, S) - C)], 2 * weight * dA)

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        return [cp_squared_residual(X, [codes[0], self.dictionaries[-1]])]

    def pullback(self, tape: UnrolledTape, gradients: UnrolledGradients) -> list[Array]:
        X = tape.X
        dfactors = [0 * A for A in self.dictionaries]
        if gradients.last_factor is not None:
            dfactors[-1] = dfactors[-1] + gradients.last_factor
        dS = gradients.codes[0]
        if dS is None:
            return dfactors
        for t in reversed(range(self.n_steps)):
            index = self._dictionary(t)
            S, numerator, denominator, ratio = tape.steps[t]
            A = self.dictionaries[index]
            d_numerator = dS * S / denominator
            d_denominator = -d_numerator * numerator / denominator
            dS = dS * numerator / denominator
            if self.beta == 2:
                dA, below = _quadratic_pullback(X, S, A, d_numerator, d_denominator)
            else:
                dA, below = _ratio_pullback(X, S, A, ratio, d_numerator, d_denominator)
            dS = dS + below
            dfactors[index] = dfactors[index] + dA
        return dfactors


def _quadratic_pullback(X: Data, S: Array, A: Array, d_numerator: Array, d_denominator: Array) -> tuple[Array, Array]:
    """Return the gradients of the dictionary and of the code through `X A` and `S AᵀA`."""
    G = X.gram([None, A])
    (dA,) = X.gram_pullback([None, A], symmetric_outer(d_denominator, S, G))
    return dA + X.mttkrp([d_numerator, None], 1), apply_gram(G, d_denominator)


def _ratio_pullback(
    X: Data, S: Array, A: Array, ratio: Data, d_numerator: Array, d_denominator: Array
) -> tuple[Array, Array]:
    """Return the gradients of the dictionary and of the code through `(X/X̂) A` and the sums `W A`."""
    # dX̂ = −(d_numerator Aᵀ)∘X / X̂², at the entries of X.
    d_model = X.ratio_gradient(ratio, [S, A], d_numerator)
    dA = ratio.mttkrp([d_numerator, None], 1) + d_model.mttkrp([S, None], 1)
    return dA + X.weights_mttkrp([d_denominator, A], 1), d_model.mttkrp([None, A], 0)
