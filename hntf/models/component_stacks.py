"""A CP decomposition with a stack of NNLS layers on its components in every mode (Neural NCPD).

The stacks of all modes have the same ranks. Above the first level, which has the dimension of its mode, their factors are
therefore stored in one array `(N, k_{l−1}, k_l)`, and each level is one nonnegative least-squares problem with one Gram matrix
per mode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
from operator import mul
from typing import Any, NamedTuple, Self

from hntf.algebra import add, chain, chain_pullback
from hntf.arrays import Array, backend_of, identity_like
from hntf.least_squares.on_support import solve_on_support
from hntf.least_squares.solver import solve
from hntf.models.cp import CPGradients, CPModel, CPTape


class LevelTape(NamedTuple):
    """The forward pass of one level: Gram matrices `(N, k_l, k_l)`, codes and their support `(N, k_0, k_l)`."""

    G: Array
    S: Array
    support: Array


class StackTape(NamedTuple):
    """The forward pass of all levels, with the codes of levels l, …, 1 that the code of each level l reconstructs.

    `first_codes` holds the reconstructed codes of level 1 from all levels, stacked: `(N, L k_0, k_1)`.
    """

    levels: list[LevelTape]
    decoded: list[list[Array]]
    first_codes: Array | None


class ComponentStacks(CPModel):
    r"""The model of Neural NCPD: level 0 is `[[U_1, …, U_N]]`, and in every mode the components `U_iᵀ` are the data of a hierarchy.

    With its codes `S_{i,0} = U_iᵀ`, `S_{i,l} = q(S_{i,l−1}, A_{i,l})`, `(k_0, k_l)`, level l approximates the data by `[[Û_1,
    …, Û_N]]`, `Û_i = A_{i,1} ⋯ A_{i,l} S_{i,l}ᵀ`.

    Parameters
    ----------
    base : list of arrays, `(d_i, k_0)`
        The factors `U_i` of the base, one per mode.
    stacks : list of lists of arrays
        For every mode the factors `[A_{i,1}, …, A_{i,L}]`, of shapes `(d_i, k_1)`, `(k_1, k_2)`, …
    train_base : bool
        Whether the `U_i` are trained as well.
    unit : float
        The `U_i` are trained as `U_i / unit`: a fit is faster if all its variables have the same magnitude.

    Attributes
    ----------
    factors : list of arrays
        The `U_i / unit` if they are trained, then the factors of the stacks, mode by mode.

    References
    ----------
    Vendrow, Haddock, Needell (2021), *Neural nonnegative CP decomposition for hierarchical tensor analysis*.
    """

    def __init__(
        self, base: Sequence[Array], stacks: Sequence[Sequence[Array]], *, train_base: bool = True, unit: float = 1.0
    ) -> None:
        self.base = list(base)
        self.stacks = [list(stack) for stack in stacks]
        self.train_base = train_base
        self.unit = unit

    @property
    def factors(self) -> list[Array]:
        base = [U / self.unit for U in self.base] if self.train_base else []
        return [*base, *(A for stack in self.stacks for A in stack)]

    def with_factors(self, factors: Sequence[Array]) -> Self:
        remaining = iter(factors)
        base = [self.unit * next(remaining) for _ in self.base] if self.train_base else self.base
        stacks = [[next(remaining) for _ in stack] for stack in self.stacks]
        return type(self)(base, stacks, train_base=self.train_base, unit=self.unit)

    def mapped(self, function: Callable[[Array], Array]) -> Self:
        stacks = [list(map(function, stack)) for stack in self.stacks]
        return type(self)(list(map(function, self.base)), stacks, train_base=self.train_base, unit=self.unit)

    def in_units(self, c: float) -> Self:
        # Scale both the base and the first factor of the samples, so that the codes of the samples carry the unit at every level.
        samples, *others = self.stacks
        stacks = [[*(c * A for A in samples[:1]), *samples[1:]], *others]
        base = [c * self.base[0], *self.base[1:]]
        return type(self)(base, stacks, train_base=self.train_base, unit=self.unit)

    @property
    def parameters(self) -> list[Any]:
        return [self.base, *map(list, zip(*self.stacks, strict=True))]

    @property
    def n_levels(self) -> int:
        return 1 + len(self.stacks[0])

    def components(self, mode: int) -> list[Array]:
        return [self.base[mode], *chain(self.stacks[mode])]

    def code_of_base(self, level: int, mode: int) -> Array:
        """Return the codes of the components of the base at a level above it, `(k_0, k_l)`."""
        return self._expanded[1].levels[level - 1].S[mode]

    def memberships(self, level: int) -> list[Array]:
        modes = range(len(self.base))
        if level == 0:
            return [identity_like(self.base[0].shape[1], self.base[0])] * len(self.base)
        if level == 1:
            return [self.code_of_base(1, mode) for mode in modes]
        return [self.stacks[mode][level - 1] for mode in modes]

    def code_gather(self, level: int) -> Array | None:
        return self.code_of_base(level, 0) if level > 0 else None

    def masses(self, level: int, code: Array, mode: int | None) -> Array:
        factors, at = self.levels[level], mode or 0
        others = reduce(mul, [U.sum(0) for i, U in enumerate(factors) if i != at])
        topics = self.components(at)[level].sum(0)
        return topics * others if level == 0 else topics * (others @ self.code_of_base(level, at))

    def gathered_masses(self, level: int, code: Array, mode: int | None) -> Array:
        membership = self.memberships(level)[mode or 0]
        topics = self.components(mode or 0)[level].sum(0)
        if level == 1:
            return membership * topics
        return membership * (self.masses(level, code, mode) / (topics + (topics == 0)))

    @cached_property
    def _upper(self) -> list[Array]:
        """Return the factors of levels 2, …, L, with all modes in one array."""
        tl = backend_of(self.base[0])
        return [tl.stack(list(A)) for A in list(zip(*self.stacks, strict=True))[1:]]

    @property
    def level_ranks(self) -> tuple[int, ...]:
        return (self.base[0].shape[1],) * self.n_levels

    def expand(self, start: CPTape | None) -> tuple[list[Array], StackTape]:
        if self.n_levels == 1:
            return list(self.base), StackTape([], [], None)
        tl = backend_of(self.base[0])
        first, upper = [stack[0] for stack in self.stacks], self._upper
        G = tl.stack([A.T @ A for A in first])
        C = tl.stack([U.T @ A for U, A in zip(self.base, first, strict=True)])
        levels = [_solve_level(G, C, start, 0)]
        for level, A in enumerate(upper, start=1):
            levels.append(_solve_level(A.mT @ A, levels[-1].S @ A, start, level))
        decoded = []
        for level, record in enumerate(levels):
            codes = [record.S]
            for A in reversed(upper[:level]):
                codes.append(codes[-1] @ A.mT)
            decoded.append(codes)
        first_codes = tl.concatenate([codes[-1] for codes in decoded], axis=1)
        factors = [tl.concatenate([U, A @ Z.T], axis=1) for U, A, Z in zip(self.base, first, first_codes, strict=True)]
        return factors, StackTape(levels, decoded, first_codes)

    def pullback(self, tape: CPTape, gradients: CPGradients) -> list[Array]:
        if self.n_levels == 1:
            return self._with_codes(gradients.factors, [[] for _ in self.stacks], gradients)
        tl = backend_of(self.base[0])
        first, upper = [stack[0] for stack in self.stacks], self._upper
        levels, decoded, first_codes = tape.inner
        k = tape.ranks[0]
        d_base, above = [d[:, :k] for d in gradients.factors], [d[:, k:] for d in gradients.factors]
        d_first = [d @ Z for d, Z in zip(above, first_codes, strict=True)]
        d_first_codes = tl.stack([d.T @ A for d, A in zip(above, first, strict=True)])
        d_upper: list[Any] = [None] * len(upper)
        d_codes: list[Array] = []
        for level, codes in enumerate(decoded):
            gradient = d_first_codes[:, level * k : (level + 1) * k]
            for i, code in zip(range(level), reversed(codes[:-1]), strict=True):
                d_upper[i] = add(d_upper[i], gradient.mT @ code)
                gradient = gradient @ upper[i]
            d_codes.append(gradient)
        dS = None
        for level in reversed(range(len(levels))):
            V, twice_dG = _level_pullback(levels[level], add(d_codes[level], dS))
            if level > 0:
                A = upper[level - 1]
                d_upper[level - 1] = add(d_upper[level - 1], levels[level - 1].S.mT @ V + A @ twice_dG)
                dS = V @ A.mT
        d_base = [dU + A @ v.T for dU, A, v in zip(d_base, first, V, strict=True)]
        d_first = [d + U @ v + A @ g for d, U, v, A, g in zip(d_first, self.base, V, first, twice_dG, strict=True)]
        return self._with_codes(d_base, [[d, *(D[mode] for D in d_upper)] for mode, d in enumerate(d_first)], gradients)

    def _with_codes(self, d_base: list[Array], d_stacks: list[list[Array]], gradients: CPGradients) -> list[Array]:
        """Return the gradients in the order of `factors`, with those from the codes of the samples added."""
        of_base, *above = gradients.codes
        d_base = [add(d_base[0], of_base), *d_base[1:]]
        if any(d is not None for d in above):
            through_codes = chain_pullback(self.stacks[0], above)
            d_stacks = [[a + b for a, b in zip(d_stacks[0], through_codes, strict=True)], *d_stacks[1:]]
        return [*(self.unit * d for d in d_base if self.train_base), *(d for stack in d_stacks for d in stack)]


def _solve_level(G: Array, C: Array, start: CPTape | None, level: int) -> LevelTape:
    rows = C.reshape(-1, C.shape[-1])
    warm = None if start is None else start.inner.levels[level].support
    S, support, *_ = solve(G, rows, warm)
    return LevelTape(G, S.reshape(C.shape), support)


def _level_pullback(level: LevelTape, dS: Array) -> tuple[Array, Array]:
    """Return the gradient with respect to the `C` of a level, and twice the gradient with respect to `G`, for every mode."""
    V = solve_on_support(level.G, dS.reshape(-1, dS.shape[-1]), level.support).reshape(dS.shape)
    product = V.mT @ level.S
    return V, -(product + product.mT)
