"""Products of factors whose codes are computed from the data at every level."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hntf.algebra import chain, decoded_code
from hntf.arrays import Array, identity_like
from hntf.costs.kullback_leibler import kullback_leibler_code
from hntf.costs.penalties import NO_PENALTIES, Penalties
from hntf.costs.squared import cp_squared_residual
from hntf.data import Data
from hntf.least_squares.solver import solve
from hntf.models.base import Model, product_profiles


class Product(Model):
    """`X ≈ S_l (A_1 … A_l)ᵀ` with factors of any sign and, at each level, the nonnegative code that reconstructs the data best.

    Parameters
    ----------
    matrices : list of arrays, `(k_{l−1}, k_l)`
        The factors `A_l`.
    divergence : {"frobenius", "kullback-leibler"}
        The cost that the codes minimise.
    penalties : Penalties
        The penalties on the code, which are added to the divergence of a model with one level.
    """

    def __init__(
        self, matrices: Sequence[Array], *, divergence: str = "frobenius", penalties: Penalties = NO_PENALTIES
    ) -> None:
        self.matrices = list(matrices)
        self.divergence = divergence
        self.penalties = penalties

    @property
    def n_levels(self) -> int:
        return len(self.matrices)

    @property
    def parameters(self) -> list[Array]:
        return self.matrices

    def mapped(self, function: Callable[[Array], Array]) -> Product:
        return Product(list(map(function, self.matrices)), divergence=self.divergence, penalties=self.penalties)

    def in_units(self, c: float) -> Product:
        # The squared error has the unit of the data squared, the divergence the unit of the data.
        l1, l2 = self.penalties.of_mode(0)
        l1, l2 = (l1, l2 / c) if self.divergence == "kullback-leibler" else (c * l1, l2)
        penalties = self.penalties._replace(code_l1=l1, code_l2=l2)
        return Product(self.matrices, divergence=self.divergence, penalties=penalties)

    def encode(self, X: Data, level: int) -> Array:
        A = chain(self.matrices[: level + 1])[-1]
        if self.divergence == "kullback-leibler":
            return kullback_leibler_code(X, A, self.penalties)
        return best_code(X, A)

    def decode(self, S: Array, level: int) -> Array:
        return S @ chain(self.matrices[: level + 1])[-1].T

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        return [
            cp_squared_residual(X, [decoded_code(S, self.matrices[1 : level + 1]), self.matrices[0]])
            for level, S in codes.items()
        ]

    def profiles(self, level: int, code: Array) -> list[Array]:
        return product_profiles(code, self.matrices[: level + 1])

    def memberships(self, level: int) -> Array:
        A = self.matrices[level]
        return A if level else identity_like(A.shape[1], A)


def best_code(X: Data, A: Array) -> Array:
    """Return `argmin_{S ≥ 0} ‖X − S Aᵀ‖` for a matrix of samples."""
    return solve(X.gram([None, A]), X.mttkrp([None, A], 0)).S
