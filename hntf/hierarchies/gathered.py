"""A CP decomposition whose components are gathered by nonnegative matrices, level by level (Multi-HNTF)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from hntf.arrays import Array, backend_of, identity_like
from hntf.data.protocol import split
from hntf.hierarchies.base import add
from hntf.hierarchies.cp_model import CPGradients, CPModel, CPTape
from hntf.hierarchies.products import chain, chain_pullback


class GatheredComponents(CPModel):
    r"""The model of Multi-HNTF: level l is `[[U_1 W_{1,1} ⋯ W_{1,l}, …, U_N W_{N,1} ⋯ W_{N,l}]]`, a CP of rank `k_l`.

    Parameters
    ----------
    base : list of arrays, `(d_i, k_0)`
        The `U_i`, one a mode.
    gathers : list of lists of arrays
        `[W_1, …, W_L]` of shapes `(k_0, k_1)`, `(k_1, k_2)`, …: one list that all modes share, or one a mode.
    train_base : bool
        Whether the `U_i` belong to the factors that are trained.

    References
    ----------
    Vendrow, Haddock, Needell (2022), *A generalized hierarchical nonnegative tensor decomposition*.
    """

    def __init__(self, base: Sequence[Array], gathers: Sequence[Sequence[Array]], *, train_base: bool = False) -> None:
        self.base = list(base)
        self.gathers = [list(gather) for gather in gathers]
        self.train_base = train_base

    @property
    def factors(self) -> list[Array]:
        return [*(self.base if self.train_base else []), *(W for gather in self.gathers for W in gather)]

    def with_factors(self, factors: Sequence[Array]) -> Self:
        remaining = iter(factors)
        base = [next(remaining) for _ in self.base] if self.train_base else self.base
        gathers = [[next(remaining) for _ in gather] for gather in self.gathers]
        return type(self)(base, gathers, train_base=self.train_base)

    def with_base(self, base: Sequence[Array]) -> Self:
        return type(self)(base, self.gathers, train_base=self.train_base)

    def factors_of(self, mode: int) -> list[Array]:
        return [self.base[mode], *self.gather(mode)]

    @property
    def n_levels(self) -> int:
        return 1 + len(self.gathers[0])

    def gather(self, mode: int) -> list[Array]:
        """Return `[W_{i,1}, …, W_{i,L}]` of a mode."""
        return self.gathers[mode % len(self.gathers)]

    def components(self, mode: int) -> list[Array]:
        return chain([self.base[mode], *self.gather(mode)])

    def memberships(self, tape: CPTape, mode: int) -> list[Array]:
        return chain([identity_like(self.base[0].shape[1], self.base[0]), *self.gather(mode)])

    def sample_gather(self, tape: CPTape, level: int) -> None:
        return None

    @property
    def level_ranks(self) -> tuple[int, ...]:
        return (self.base[0].shape[1], *(W.shape[1] for W in self.gathers[0]))

    def expand(self, start: CPTape | None) -> tuple[list[Array], None]:
        tl = backend_of(self.base[0])
        return [tl.concatenate(self.components(mode), axis=1) for mode in range(len(self.base))], None

    def pullback(self, tape: CPTape, gradients: CPGradients) -> list[Array]:
        d_base: list[Array] = []
        d_gathers: list[list[Array]] = [[] for _ in self.gathers]
        for mode, U in enumerate(self.base):
            products: list[Array | None] = [*split(gradients.factors[mode], tape.ranks)]
            if mode == 0:
                products = [add(a, b) for a, b in zip(products, gradients.codes, strict=True)]
            dU, *dW = chain_pullback([U, *self.gather(mode)], products)
            d_base.append(dU)
            sums = d_gathers[mode % len(self.gathers)]
            sums[:] = [a + b for a, b in zip(sums, dW, strict=True)] if sums else dW
        return [*(d_base if self.train_base else []), *(W for gather in d_gathers for W in gather)]
