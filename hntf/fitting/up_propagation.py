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

from hntf.arrays import Array
from hntf.fitting.divergences import Frobenius
from hntf.fitting.joint import multiplied
from hntf.hierarchies.pooled import Pooling, carried_up, decoded


class Propagated(NamedTuple):
    """A fit: factors, the code of the top, the factor of the labels, and how it went."""

    factors: list[Array]
    S: Array
    label_factor: Array | None
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
    callback: Callable[[int, float], None] | None = None,
    train_factors: bool = True,
) -> Propagated:
    """Update the code of the top, then every factor and that of the labels, until a sweep lowers the cost by less than `tol`."""
    factors = list(factors)
    cost = float("inf")
    for sweep in range(1, max_iter + 1):
        S = _updated_code(network, factors, S, label_factor)
        for level in range(len(factors), 0, -1) if train_factors else ():
            factors[level - 1] = _updated_factor(network, factors, S, level)
        if network.labels is not None and train_factors:
            label_factor = multiplied(label_factor, *network.labels.split_gradient(S, label_factor, 1))
        first = decoded(factors, S, network.pooling, network.shares)[0]
        previous, cost = cost, network.data.value(first, factors[0])
        if network.labels is not None:
            cost += network.labels.value(S, label_factor)
        if callback is not None:
            callback(sweep, cost)
        if previous - cost <= tol * abs(cost):
            return Propagated(factors, S, label_factor, cost, sweep, True)
    return Propagated(factors, S, label_factor, cost, max_iter, False)


def _updated_code(network: Network, factors: Sequence[Array], S: Array, label_factor: Array | None) -> Array:
    codes = decoded(factors, S, network.pooling, network.shares)
    parts = network.data.split_gradient(codes[0], factors[0], 0)
    if len(factors) > 1:
        parts = tuple(
            carried_up(factors, codes, network.pooling, network.shares, part, len(factors))[1] for part in parts
        )
    if network.labels is not None:
        of_labels = network.labels.split_gradient(S, label_factor, 0)
        parts = tuple(a + b for a, b in zip(parts, of_labels, strict=True))
    return multiplied(S, *parts)


def _updated_factor(network: Network, factors: Sequence[Array], S: Array, level: int) -> Array:
    codes = decoded(factors, S, network.pooling, network.shares)
    if level == 1:
        return multiplied(factors[0], *network.data.split_gradient(codes[0], factors[0], 1))
    parts = network.data.split_gradient(codes[0], factors[0], 0)
    return multiplied(
        factors[level - 1],
        *(carried_up(factors, codes, network.pooling, network.shares, part, level)[0] for part in parts),
    )
