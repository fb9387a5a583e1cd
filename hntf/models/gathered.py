"""A CP decomposition whose components are gathered by nonnegative matrices, level by level (Multi-HNTF)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from hntf.algebra import add, chain, chain_pullback, split_columns
from hntf.arrays import Array, backend_of, identity_like
from hntf.models.cp import CPGradients, CPModel, CPTape


class GatheredComponents(CPModel):
    r"""The model of Multi-HNTF: level l is `[[U_1 W_{1,1} ⋯ W_{1,l}, …, U_N W_{N,1} ⋯ W_{N,l}]]`, a CP of rank `k_l`.

    Without matrices it is a CP decomposition.

    Parameters
    ----------
    base : list of arrays, `(d_i, k_0)`
        The factors `U_i` of the base, one per mode.
    gathers : list of lists of arrays
        `[W_1, …, W_L]` of shapes `(k_0, k_1)`, `(k_1, k_2)`, …: one list for all modes, or one list per mode.
    train_base : bool
        Whether the `U_i` are trained as well.

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

    def mapped(self, function: Callable[[Array], Array]) -> Self:
        gathers = [list(map(function, gather)) for gather in self.gathers]
        return type(self)(list(map(function, self.base)), gathers, train_base=self.train_base)

    def in_units(self, c: float) -> Self:
        return type(self)([c * self.base[0], *self.base[1:]], self.gathers, train_base=self.train_base)

    @property
    def parameters(self) -> list[Any]:
        return [
            self.base,
            *([self.gather(mode)[i] for mode in range(len(self.base))] for i in range(self.n_levels - 1)),
        ]

    @property
    def n_levels(self) -> int:
        return 1 + len(self.gathers[0])

    def gather(self, mode: int) -> list[Array]:
        """Return `[W_{i,1}, …, W_{i,L}]` of a mode."""
        return self.gathers[mode % len(self.gathers)]

    def components(self, mode: int) -> list[Array]:
        return chain([self.base[mode], *self.gather(mode)])

    def memberships(self, level: int) -> Any:
        if level == 0:
            identity = identity_like(self.base[0].shape[1], self.base[0])
            return identity if len(self.gathers) == 1 else [identity] * len(self.gathers)
        matrices = [gather[level - 1] for gather in self.gathers]
        return matrices[0] if len(matrices) == 1 else matrices

    def gathered_masses(self, level: int, code: Array, mode: int | None) -> Array:
        # The contribution of a finer component to the outer product of the coarser one, up to its own size.
        matrices = [gather[level - 1] for gather in self.gathers]
        return matrices[(mode or 0) % len(matrices)] ** len(self.base) * self.masses(level, code, mode)

    def code_gather(self, level: int) -> None:
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
            products: list[Array | None] = [*split_columns(gradients.factors[mode], tape.ranks)]
            if mode == 0:
                products = [add(a, b) for a, b in zip(products, gradients.codes, strict=True)]
            dU, *dW = chain_pullback([U, *self.gather(mode)], products)
            d_base.append(dU)
            sums = d_gathers[mode % len(self.gathers)]
            sums[:] = [a + b for a, b in zip(sums, dW, strict=True)] if sums else dW
        return [*(d_base if self.train_base else []), *(W for gather in d_gathers for W in gather)]
