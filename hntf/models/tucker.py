"""One Tucker decomposition; the code of a sample is its row of the factor of the samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from hntf.algebra import unfold
from hntf.arrays import Array, identity_like
from hntf.data import Data, DenseData
from hntf.layers import NNLSLayer
from hntf.least_squares.gram import squared_error_in_gram_form
from hntf.least_squares.solver import solve
from hntf.maps import Dense, ModeProduct
from hntf.models.base import Model


class Tucker(Model):
    """`X ≈ G ×_1 U_1 ⋯ ×_N U_N`, where the code of a sample is its row of `U_1`.

    Sample i is the sum over the slices a of the core, expanded by the other factors, times `U_1[i, a]`.

    Parameters
    ----------
    core : array, `(r_1, …, r_N)`
        The core.
    factors : list of arrays, `(d_i, r_i)`
        One factor per mode, samples first.
    """

    def __init__(self, core: Array, factors: Sequence[Array]) -> None:
        self.core = core
        self.factors = list(factors)

    @property
    def n_levels(self) -> int:
        return 1

    @property
    def parameters(self) -> list[Array]:
        return self.factors

    def mapped(self, function: Callable[[Array], Array]) -> Tucker:
        return Tucker(function(self.core), list(map(function, self.factors)))

    def in_units(self, c: float) -> Tucker:
        # The factor of the samples carries the unit, as the codes do in all models.
        return Tucker(self.core, [c * self.factors[0], *self.factors[1:]])

    def slices(self) -> Array:
        """Return the slices of the core, expanded by the factors of the other modes, `(r_1, d_2, …, d_N)`."""
        modes = range(1, len(self.factors))
        return ModeProduct(self.factors[1:], modes).apply(self.core)

    def encode(self, X: Data, level: int) -> Array:
        if not X.is_expandable:
            C = X.mode_product_pullback(self.factors, self.core, 0)
            return solve(X.tucker_gram(self.core, self.factors, 0), C).S
        slices = self.slices()
        return NNLSLayer(Dense(slices.reshape(len(slices), -1).T)).solve(X.as_matrix()).S

    def codes_of_levels(self, X: Data) -> list[Array]:
        return [self.factors[0]]

    def decode(self, S: Array, level: int) -> Array:
        slices = self.slices()
        return (S @ slices.reshape(len(slices), -1)).reshape(-1, *slices.shape[1:])

    def squared_residuals(self, X: Data, codes: Mapping[int, Array]) -> list[float]:
        # With the codes of other samples it is another decomposition with the same core.
        factors = [codes[0], *self.factors[1:]]
        code = self.core.reshape(len(self.core), -1)
        product = ModeProduct(factors, range(len(factors)))
        if X.is_expandable:
            return [product.residual_norm_squared(X, code)]
        return [max(0.0, squared_error_in_gram_form(X.norm_squared(), product.gram(X), product.adjoint(X), code))]

    def profiles(self, level: int, code: Array) -> list[Array]:
        sums = [None, *(U.sum(0)[:, None] for U in self.factors[1:])]
        profiles = [code.T]
        for mode, U in enumerate(self.factors[1:], start=1):
            others = [None if i == mode else s for i, s in enumerate(sums)]
            summed = DenseData(self.core).multi_mode_dot(others, skip=0)
            profiles.append(unfold(summed, 0).reshape(len(self.core), -1) @ U.T)
        return profiles

    def memberships(self, level: int) -> Array:
        return identity_like(len(self.core), self.core)

    def tucker_factors(self, level: int, code: Array) -> tuple[Array, list[Array]]:
        return self.core, [code, *self.factors[1:]]
