"""Penalties on the sizes of codes and factors, and on the volume that the columns of a factor span."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hntf.algebra import add
from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.costs.base import Differentiable, Loss
from hntf.costs.targets import Labels
from hntf.validation import check_number, warn_user

LARGEST_LOG, BISECTIONS = 100.0, 60
"""Range, in logarithms, and number of bisections of the search for the scale between code and factor."""


def size(U: Array, l1: float, l2: float) -> float:
    """Return `l1 ΣU + ½ l2 ‖U‖²` of a nonnegative `U`."""
    return l1 * float(U.sum()) + 0.5 * l2 * float((U * U).sum())


class Penalties(NamedTuple):
    """The penalties `l1 ΣU + ½ l2 ‖U‖²` of the code and of the factor of the first matrix."""

    code_l1: float = 0.0
    code_l2: float = 0.0
    factor_l1: float = 0.0
    factor_l2: float = 0.0

    def of_mode(self, mode: int) -> tuple[float, float]:
        """Return `l1` and `l2` of the code (0) or of the factor (1)."""
        return (self.code_l1, self.code_l2) if mode == 0 else (self.factor_l1, self.factor_l2)

    def value(self, S: Array, A: Array) -> float:
        """Return the sum of the penalties."""
        total = 0.0
        for mode, U in enumerate((S, A)):
            total += size(U, *self.of_mode(mode))
        return total

    @property
    def are_balanced(self) -> bool:
        """Whether both the code and the factor are penalised, so that the scale between them matters."""
        return bool((self.code_l1 or self.code_l2) and (self.factor_l1 or self.factor_l2))

    def balanced(self, sums: Array, squares: Array, A: Array) -> Array:
        """Return `A` with every component scaled so that the penalties are least if the code is scaled inversely.

        `sums` and `squares` are those of the columns of the code.
        """
        code_sum, factor_sum = self.code_l1 * sums, self.factor_l1 * A.sum(0)
        code_square, factor_square = self.code_l2 * squares, self.factor_l2 * (A * A).sum(0)
        low, high = 0 * code_sum - LARGEST_LOG, 0 * code_sum + LARGEST_LOG
        tl = backend_of(A)
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            c = tl.exp(middle)
            rises = code_sum * c + code_square * c * c > factor_sum / c + factor_square / (c * c)
            low, high = tl.where(rises, low, middle), tl.where(rises, middle, high)
        return A / c


NO_PENALTIES = Penalties()


def warn_of_one_sided(penalties: Penalties, *, bounded_factors: bool = False) -> None:
    """Warn if only the code or only the factor is penalised: the other then grows without bound, and the penalty has no effect.

    `bounded_factors` means that the columns of the factors are constrained to sum to one.
    """
    of_code, of_factor = any(penalties[:2]), any(penalties[2:])
    if bounded_factors or of_code == of_factor:
        return
    given, other = ("code", "factor") if of_code else ("factor", "code")
    remedy = f"{other}_l1 or {other}_l2" + (" too, or simplex=True where it is taken" if of_code else " too")
    warn_user(
        f"the {given} alone has a penalty, so the cost has no minimum: the {given} can shrink to nothing while the {other} grows "
        f"without end; give {remedy}"
    )


class Penalised(Loss):
    r"""A loss with penalties, `loss + Σ_l (2 λ₁ΣS_l + λ₂‖S_l‖²) + Σ_l (2 μ₁ΣA_l + μ₂‖A_l‖² + ν log det(A_lᵀA_l + δI))`.

    If its layers have the penalties `l1 = λ₁`, `l2 = λ₂` as well, a hierarchy of one level minimises a single function over code
    and factor: twice the penalised least squares of `hntf.nnls`.

    Parameters
    ----------
    loss : Loss
        The loss to which the penalties are added.
    code_l1, code_l2, factor_l1, factor_l2 : float
        The penalties `λ₁`, `λ₂`, `μ₁`, `μ₂`, at least 0.
    volume : float
        The weight `ν` of the volume, at least 0: small volumes make the columns of a factor identifiable. It requires columns on
        the simplex or another constraint on their scale, otherwise they shrink.
    delta : float
        The constant `δ`, greater than 0.

    References
    ----------
    De Handschutter, Gillis (2023), *A consistent and flexible framework for deep matrix factorizations*, Pattern Recognit.
    Leplat, Ang, Gillis (2019), *Minimum-volume rank-deficient nonnegative matrix factorizations*, ICASSP.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(np.eye(2)))])
    >>> loss = hntf.losses.Penalised(hntf.losses.Energy(), code_l1=0.5, factor_l2=1.0)
    >>> loss.value_and_grad(hierarchy, np.array([[1.0, 3.0]]))[0]
    6.0
    """

    def __init__(
        self,
        loss: Loss,
        *,
        code_l1: float = 0.0,
        code_l2: float = 0.0,
        factor_l1: float = 0.0,
        factor_l2: float = 0.0,
        volume: float = 0.0,
        delta: float = 1e-2,
    ) -> None:
        for name, value in (("code_l1", code_l1), ("code_l2", code_l2), ("factor_l1", factor_l1),
                            ("factor_l2", factor_l2), ("volume", volume)):  # fmt: skip
            check_number(value, name)
        check_number(delta, "delta", strict=True)
        self.loss = loss
        self.code_l1, self.code_l2 = code_l1, code_l2
        self.factor_l1, self.factor_l2 = factor_l1, factor_l2
        self.volume, self.delta = volume, delta

    @property
    def steepness(self) -> float:
        """The steepness of the loss without penalties."""
        return self.loss.steepness

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return what the loss requires from a part."""
        return self.loss.of_part(model, tape, labels)

    @property
    def settles(self) -> bool:
        """Whether the loss does."""
        return self.loss.settles

    def settle(self, parts: Sequence[Any]) -> Any:
        """Return the result of `settle` of the loss."""
        return self.loss.settle(parts)

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part, including the penalties of its codes, and its gradient."""
        value, gradients = self.loss.evaluate(model, tape, labels, settled)
        if self.code_l1 or self.code_l2:
            for level, S in enumerate(model.codes(tape)):
                value += 2 * size(S, self.code_l1, self.code_l2)
                dS = 2 * self.code_l1 + 2 * self.code_l2 * S
                gradients.codes[level] = add(gradients.codes[level], dS)
        return value, gradients

    def of_factors(self, factors: Sequence[Array]) -> tuple[float, list[Array] | None]:
        """Return the penalties of the factors and of the volumes, and their gradients."""
        total, gradients = 0.0, []
        for A in factors:
            value, dA = 2 * size(A, self.factor_l1, self.factor_l2), 2 * self.factor_l1 + 2 * self.factor_l2 * A
            if self.volume:
                log_det, inverse = _log_det(A.T @ A, self.delta)
                value, dA = value + self.volume * log_det, dA + 2 * self.volume * (A @ inverse)
            total += value
            gradients.append(dA)
        return total, gradients


def _log_det(G: Array, delta: float) -> tuple[float, Array]:
    """Return `log det(G + δI)` and `(G + δI)⁻¹`."""
    values, vectors = np.linalg.eigh(to_numpy(G))
    values = np.maximum(values, 0.0) + delta
    return float(np.log(values).sum()), from_numpy((vectors / values) @ vectors.T, G)
