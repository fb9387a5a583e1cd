"""Matrices with a common code, `X_t ≈ S A_tᵀ`, fitted by updates of one factor after the other.

With one matrix this is nonnegative matrix factorization; with the labels as a second one it is semi-supervised. Every matrix is a
term of the cost with a divergence of its own: half the squared error, or Kullback–Leibler. Multiplicative updates support both
divergences; exact least squares and HALS require squared errors.

The code belongs to the parts of the samples: a part updates its code and returns what the updates of the factors require from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from operator import add
from typing import Any, NamedTuple
from uuid import uuid4

from hntf.algebra import times_weight
from hntf.arrays import Array
from hntf.costs.kullback_leibler import DIVERGENCES, KullbackLeibler
from hntf.costs.label_terms import label_data
from hntf.costs.multiplicative import multiplicative_update, multiplier
from hntf.costs.penalties import NO_PENALTIES, Penalties
from hntf.costs.squared import Frobenius
from hntf.data import Data
from hntf.fitting.loop import EXACT, Sweeps
from hntf.fitting.parts import InMemory, OfPart, Part, Parts
from hntf.fitting.updates.alternating import UPDATES, remember, with_random_columns
from hntf.least_squares.gram import with_ridge
from hntf.least_squares.gram_blocks import sum_of_grams
from hntf.models.pooled import FILL
from hntf.models.product import best_code

Term = Frobenius | KullbackLeibler

SOLVERS = ("anls", "hals", "mu")


class TermOf(NamedTuple):
    """A term of the cost, of the data of a part or of its labels.

    Attributes
    ----------
    divergence : {"frobenius", "kullback-leibler"}
        Its divergence.
    weight : float
        Its weight.
    of_labels : bool
        Whether it is one of the labels.
    """

    divergence: str
    weight: float = 1.0
    of_labels: bool = False

    def of(self, part: Part) -> Term:
        """Return the term for a part."""
        data: Data = label_data(part.labels) if self.of_labels else part.data  # type: ignore[arg-type]
        return DIVERGENCES[self.divergence](data, self.weight)


class Joint(NamedTuple):
    """What is fitted, and how: the terms, the solver and the penalties of the code and of the first factor."""

    terms: tuple[TermOf, ...]
    solver: str = "anls"
    penalties: Penalties = NO_PENALTIES

    @property
    def is_exact(self) -> bool:
        """Whether the updates are nonnegative least squares."""
        return self.solver != "mu"


class Codes:
    """What a part remembers: its code, the support of the code, and its terms if the data stay in memory."""

    def __init__(self, S: Array, terms: Sequence[Term] | None) -> None:
        self.S = S
        self.support: Array | None = None
        self.terms = terms
        self.sweep = 0


class JointUpdates(Sweeps):
    """Updates of the code and of the factor of every matrix in turn.

    Parameters
    ----------
    parts : Parts
        The samples with their labels.
    joint : Joint
        The terms, the solver and the penalties.
    factors : sequence of arrays, `(m_t, k)`
        The factors to start from; multiplicative updates require positive ones, because zeros stay zero. Except for exact
        updates, the code starts from the best one for the first factor.
    n_screened : int
        Number of iterations that were spent on screening the start.
    sizes : sequence of float, optional
        The sizes of the terms, if they are known.

    References
    ----------
    Lee, Seung (2001), *Algorithms for non-negative matrix factorization*, NIPS.
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    """

    def __init__(
        self,
        parts: Parts,
        joint: Joint,
        factors: Sequence[Array],
        *,
        n_screened: int = 0,
        sizes: Sequence[float] | None = None,
    ) -> None:
        self.parts = parts
        self.joint = joint
        self.factors = list(factors)
        self.n_screened = n_screened
        self.key = uuid4().hex
        self._sizes = parts.total(sizes_of_terms, joint) if sizes is None else sizes
        self.scale = self._sizes[0] or 1.0
        self._before, self._n_sweeps = self.factors, 0
        self._supports: list[Array | None] = [None] * len(self.factors)
        self._dead: Array = 0 * self.factors[0][0]

    @classmethod
    def of_terms(
        cls,
        terms: Sequence[Term],
        S: Array,
        factors: Sequence[Array],
        *,
        solver: str,
        penalties: Penalties = NO_PENALTIES,
    ) -> JointUpdates:
        """Return the updates for matrices in memory, starting from a code."""
        of = tuple(TermOf(name_of(term), term.weight, i > 0) for i, term in enumerate(terms))
        updates = cls(
            InMemory.of(terms[0].X), Joint(of, solver, penalties), factors, sizes=[term.size for term in terms]
        )
        updates.parts.each(remember, updates.key, Codes(S, terms))
        return updates

    @property
    def S(self) -> Array:  # noqa: N802
        """The code, for parts whose codes are arrays."""
        return self.parts.rows(self.codes(1.0), columns=self.factors[0].shape[1])

    def codes(self, scale: Array) -> OfPart:
        """Return a function of a part that returns its code, times a scale for every component."""
        return partial(scaled_code, at=self._at, scale=scale)

    kept = ("cost", "previous", "factors", "_dead", "_before", "_n_sweeps")
    nonnegative = ("factors", "_before")

    def state(self) -> dict[str, Any]:
        if self.joint.solver != "anls":
            raise TypeError(f"checkpoint must be None with solver={self.joint.solver!r}, which depends on the codes")
        return super().state()

    @property
    def _at(self) -> CodeUpdate:
        return CodeUpdate(self.key, self.joint, self._before, self._n_sweeps)

    def forget(self) -> None:
        self.parts.forget(self.key)

    def sweep(self) -> float:
        joint, factors = self.joint, list(self.factors)
        dead = None
        if joint.is_exact and not any(joint.penalties) and self.cost > EXACT * self.scale:
            dead = self._dead + ((factors[0] * factors[0]).sum(0) == 0)
            factors[:1] = with_random_columns(factors[:1], dead)
        at = CodeUpdate(self.key, joint, list(factors), self._n_sweeps + 1)
        squares, cost, equations = self.parts.total(update_code, at, dead)
        for i, term in enumerate(joint.terms):
            penalties = joint.penalties if i == 0 else NO_PENALTIES
            factors[i] = self._updated(i, equations[i], factors[i], *penalties.of_mode(1))
            cost += penalties.value(0 * factors[i][:0], factors[i])
            if term.divergence == "frobenius":
                G, C = equations[i]
                cost += term.weight * Frobenius.from_equations(self._sizes[i], G, C, factors[i])
        if any(term.divergence != "frobenius" for term in joint.terms):
            cost += self.parts.total(divergence_of_part, at, factors)
        self._dead, self.factors, self._before = (squares == 0) * 1.0, factors, at.factors
        self._n_sweeps += 1
        return cost

    def _updated(self, i: int, equations: Any, A: Array, l1: float, l2: float) -> Array:
        """Return a factor after its update; the weight of its term, which may be zero, does not matter for it."""
        if not self.joint.is_exact:
            term = self.joint.terms[i]
            one, other = equations
            negative, positive = DIVERGENCES[term.divergence].split(one, other, A, term.weight)
            return A * multiplier(negative, positive + 0 * A + l1 + l2 * A)
        G, C = equations
        A, self._supports[i] = UPDATES[self.joint.solver](with_ridge(G, l2), C - l1 if l1 else C, A, self._supports[i])
        return A


def name_of(term: Term) -> str:
    """Return the name of the divergence of a term."""
    return next(name for name, kind in DIVERGENCES.items() if isinstance(term, kind))


def sizes_of_terms(part: Part, joint: Joint) -> list[float]:
    """Return the sizes of the terms of a part."""
    return [term.of(part).size for term in joint.terms]


def start_of_code(part: Part, joint: Joint, A: Array) -> Array:
    """Return the code from which the updates of a part start: none for exact ones, which do not depend on it."""
    if joint.solver == "anls":
        return A[:0]
    S = best_code(part.data, A)
    if joint.is_exact:
        return S
    # Zeros would stay zero; every sample is filled for itself, so that the parts do not matter.
    means = S.mean(1)[:, None]
    return S + (S == 0) * (FILL * means + (means == 0))


class CodeUpdate(NamedTuple):
    """How the code of a part was found.

    Attributes
    ----------
    key : str
        The key of its memory.
    joint : Joint
        What is fitted.
    factors : list of arrays
        The factors.
    sweep : int
        The number of the sweep.
    """

    key: str
    joint: Joint
    factors: list[Array]
    sweep: int

    def of(self, part: Part) -> Codes:
        """Return what a part remembers, or finds again if it was lost or is older."""
        return part.of_sweep(self.key, self.sweep, lambda: update_code(part, self, None))


def update_code(part: Part, at: CodeUpdate, dead: Array | None) -> tuple[Array, float, list[Any]]:
    """Update the code of a part; return the squares of its columns, its penalty, and what the updates of the factors require."""
    key, joint, factors, sweep = at
    codes = part.memory.get(key)
    terms = (None if codes is None else codes.terms) or [term.of(part) for term in joint.terms]
    if codes is None:
        codes = part.memory[key] = Codes(start_of_code(part, joint, factors[0]), terms if part.stays else None)
    codes.sweep = sweep
    S, (l1, l2) = codes.S, joint.penalties.of_mode(0)
    if dead is not None and len(S):
        (S,) = with_random_columns([S], dead)
    if joint.is_exact:
        of_code = [term.normal_equations(S, A, 0) for term, A in zip(terms, factors, strict=True)]
        G = with_ridge(sum_of_grams([(term.weight, G) for term, (G, _) in zip(terms, of_code, strict=True)]), l2)
        C = reduce(add, [times_weight(term.weight, C) for term, (_, C) in zip(terms, of_code, strict=True)])
        S, codes.support = UPDATES[joint.solver](G, C - l1 if l1 else C, S, codes.support)
    else:
        S = multiplicative_update(terms, S, factors, 0, l1, l2)
    codes.S = S
    penalty = joint.penalties._replace(factor_l1=0.0, factor_l2=0.0).value(S, factors[0])
    equations = [term.equations(S, A) for term, A in zip(terms, factors, strict=True)]
    return (S * S).sum(0), penalty, [(part.returned(G), C) for G, C in equations]


def divergence_of_part(part: Part, at: CodeUpdate, factors: Sequence[Array]) -> float:
    """Return the value of the terms of a part that are divergences of Kullback and Leibler."""
    codes = at.of(part)
    terms = codes.terms or [term.of(part) for term in at.joint.terms]
    pairs = zip(terms, factors, strict=True)
    return sum(term.value(codes.S, A) for term, A in pairs if isinstance(term, KullbackLeibler))


def scaled_code(part: Part, at: CodeUpdate, scale: Any) -> Array:
    """Return the code of a part with scaled columns."""
    return at.of(part).S * scale
