"""Multiplicative updates of a whole network: every factor is multiplied by the negative over the positive part of its gradient.

The parts are carried apart from the data up through the levels, whose derivatives are nonnegative. Factor by factor, with
nothing but products between the levels, each is an update of Lee and Seung, so that the cost does not rise.

References
----------
Ahn, Choi, Oh (2004), *A multiplicative up-propagation algorithm*, ICML.
Flenner, Hunter (2018), *A deep non-negative matrix factorization neural network*, preprint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hntf.arrays import Array, backend_of
from hntf.fitting.divergences import Frobenius
from hntf.fitting.joint import multiplier
from hntf.fitting.sweeps import SweepCallback, sweep_until
from hntf.hierarchies.pooled import Pooling, carried_up, decoded

CODE_SWEEPS = 300
"""Updates of the code of new samples."""

SMALLEST_EXPONENT = 1e-3
"""Root of a multiplicative step below which a factor stays as it is for a sweep."""


class Parts(NamedTuple):
    """What is trained: the factors, the code of the top and the factor of the labels."""

    factors: list[Array]
    S: Array
    label_factor: Array | None


class Propagated(NamedTuple):
    """A fit, and how it went."""

    parts: Parts
    cost: float
    n_iter: int
    converged: bool


class Network(NamedTuple):
    """What stays as it is in a fit.

    Attributes
    ----------
    data : Frobenius
        The term of the data.
    labels : Frobenius or None
        The term of the labels, if there are some.
    pooling : Pooling
    shares : list of arrays
        Of the components in their groups, level by level.
    """

    data: Frobenius
    labels: Frobenius | None
    pooling: Pooling
    shares: list[Array]


def up_propagation(
    network: Network,
    factors: Sequence[Array],
    S: Array,
    label_factor: Array | None,
    *,
    max_iter: int,
    tol: float,
    callback: SweepCallback | None = None,
) -> Propagated:
    """Update the code of the top, then every factor and that of the labels, until a sweep lowers the cost by less than `tol`."""
    at = Parts(list(factors), S, label_factor)

    def sweep() -> float:
        nonlocal at
        at = _with_new_code(network, at)
        for level in range(len(factors), 0, -1):
            at = _with_new_factor(network, at, level)
        if network.labels is not None:
            B = at.label_factor
            at = at._replace(label_factor=B * multiplier(*network.labels.split_gradient(at.S, B, 1)))
        return _cost(network, at)

    ended = sweep_until(sweep, max_iter=max_iter, tol=tol, callback=callback)
    return Propagated(at, *ended)


def propagated_code(network: Network, factors: Sequence[Array], S: Array) -> Array:
    """Return the code of the top for held factors, after many updates; each sample takes its own roots, and no note of others."""
    at = Parts(list(factors), S, None)
    costs = _costs_of_samples(network, at)
    exponents = 0 * costs + 1.0
    for _ in range(CODE_SWEEPS):
        moved = at._replace(S=at.S * multiplier(*_parts_of_code(network, at)) ** exponents[:, None])
        after = _costs_of_samples(network, moved)
        falls = after <= costs
        tl = backend_of(S)
        at = at._replace(S=tl.where(falls[:, None], moved.S, at.S))
        costs = tl.where(falls, after, costs)
        exponents = tl.where(falls, exponents, 0.5 * exponents)
    return at.S


def _costs_of_samples(network: Network, at: Parts) -> Array:
    """Return the cost of every sample, less what does not depend on its code."""
    first = decoded(at.factors, at.S, network.pooling, network.shares)[0]
    negative, positive = network.data.split_gradient(first, at.factors[0], 0)
    return ((0.5 * positive - negative) * first).sum(1)


def _cost(network: Network, at: Parts) -> float:
    first = decoded(at.factors, at.S, network.pooling, network.shares)[0]
    cost = network.data.value(first, at.factors[0])
    return cost if network.labels is None else cost + network.labels.value(at.S, at.label_factor)


def _with_new_code(network: Network, at: Parts) -> Parts:
    return _stepped(network, at, at.S, _parts_of_code(network, at), lambda S: at._replace(S=S))


def _parts_of_code(network: Network, at: Parts) -> tuple[Array, Array]:
    """Return the negative and the positive part of the gradient with respect to the code of the top."""
    codes = decoded(at.factors, at.S, network.pooling, network.shares)
    parts = network.data.split_gradient(codes[0], at.factors[0], 0)
    if len(at.factors) > 1:
        parts = tuple(
            carried_up(at.factors, codes, network.pooling, network.shares, part, len(at.factors))[1] for part in parts
        )
    if network.labels is not None:
        of_labels = network.labels.split_gradient(at.S, at.label_factor, 0)
        parts = tuple(a + b for a, b in zip(parts, of_labels, strict=True))
    return parts


def _with_new_factor(network: Network, at: Parts, level: int) -> Parts:
    factors = at.factors
    codes = decoded(factors, at.S, network.pooling, network.shares)
    if level == 1:
        parts = network.data.split_gradient(codes[0], factors[0], 1)
    else:
        parts = network.data.split_gradient(codes[0], factors[0], 0)
        parts = tuple(carried_up(factors, codes, network.pooling, network.shares, part, level)[0] for part in parts)
    return _stepped(
        network,
        at,
        factors[level - 1],
        parts,
        lambda A: at._replace(factors=[*factors[: level - 1], A, *factors[level:]]),
    )


def _stepped(
    network: Network, at: Parts, U: Array, parts: tuple[Array, Array], replaced: Callable[[Array], Parts]
) -> Parts:
    """Return the parts with `U` multiplied; through a nonlinear activation by a root of the ratio that lowers the cost."""
    if network.pooling.activation == "identity":
        return replaced(U * multiplier(*parts))
    before, exponent = _cost(network, at), 1.0
    while exponent > SMALLEST_EXPONENT:
        moved = replaced(U * multiplier(*parts) ** exponent)
        if _cost(network, moved) <= before:
            return moved
        exponent *= 0.5
    return at
