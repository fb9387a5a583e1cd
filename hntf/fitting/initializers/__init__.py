"""Nonnegative starting points for a hierarchy on a matrix, one per file, with the same signature.

Each function takes `(data, ranks, random_state)` and returns the factors `[A_1, …, A_L]`, with `A_l` of shape `(k_{l−1}, k_l)`.
The cost is not convex, and a good start matters more than a good optimizer.
"""

from collections.abc import Callable
from typing import Any

from hntf.fitting.initializers.levels import levels
from hntf.fitting.initializers.nndsvd import nndsvd, nndsvda, nndsvdar
from hntf.fitting.initializers.random import random
from hntf.fitting.initializers.sequential import sequential

INITIALIZERS: dict[str, Callable[..., list[Any]]] = {
    "levels": levels,
    "sequential": sequential,
    "nndsvd": nndsvd,
    "nndsvda": nndsvda,
    "nndsvdar": nndsvdar,
    "random": random,
}

__all__ = ["INITIALIZERS"]
