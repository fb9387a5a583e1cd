"""Penalties on the sizes of codes and factors, and on the volume that the columns of a factor span."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.arrays import Array, from_numpy, to_numpy
from hntf.hierarchies import Model
from hntf.hierarchies.base import add
from hntf.losses.base import Loss
from hntf.losses.targets import Labels
from hntf.validation import check_number


class Penalised(Loss):
    r"""A loss with penalties, `loss + Σ_l (2 λ₁ΣS_l + λ₂‖S_l‖²) + Σ_l (2 μ₁ΣA_l + μ₂‖A_l‖² + ν log det(A_lᵀA_l + δI))`.

    With the penalties `l1 = λ₁`, `l2 = λ₂` in its layers too, a hierarchy of one level minimises one function over code and factor:
    twice the penalised least squares of `hntf.nnls`.

    Parameters
    ----------
    loss : Loss
    code_l1, code_l2, factor_l1, factor_l2 : float
        `λ₁`, `λ₂`, `μ₁`, `μ₂`, at least 0.
    volume : float
        `ν`, at least 0: small volumes make the columns of a factor identifiable. It wants columns on the simplex, or penalised:
        else they shrink.
    delta : float
        `δ`, greater than 0.

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

    def for_share(self, share: float) -> Penalised:
        """Return the loss of a batch that is this share of the samples."""
        return Penalised(
            self.loss,
            code_l1=self.code_l1,
            code_l2=self.code_l2,
            factor_l1=share * self.factor_l1,
            factor_l2=share * self.factor_l2,
            volume=share * self.volume,
            delta=self.delta,
        )

    def evaluate(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, Any]:
        """Return the value but for what depends on the factors alone, and its gradient."""
        value, gradients = self.loss.evaluate(model, tape, labels)
        if self.code_l1 or self.code_l2:
            for level, S in enumerate(model.codes(tape)):
                size, dS = _sizes(S, self.code_l1, self.code_l2)
                value += size
                gradients.codes[level] = add(gradients.codes[level], dS)
        return value, gradients

    def factor_gradients(self, model: Model, tape: Any, labels: Labels | None = None) -> tuple[float, list[Array]]:
        """Return the value and its gradients with respect to the factors, in the order of `model.factors`."""
        value, dfactors = super().factor_gradients(model, tape, labels)
        for i, A in enumerate(model.factors):
            size, dA = _sizes(A, self.factor_l1, self.factor_l2)
            if self.volume:
                log_det, inverse = _log_det(A.T @ A, self.delta)
                size, dA = size + self.volume * log_det, dA + 2 * self.volume * (A @ inverse)
            value += size
            dfactors[i] = dfactors[i] + dA
        return value, dfactors


def _sizes(U: Array, l1: float, l2: float) -> tuple[float, Array]:
    """Return `2 λ₁ΣU + λ₂‖U‖²` for a nonnegative `U`, and its gradient."""
    return 2 * l1 * float(U.sum()) + l2 * float((U * U).sum()), 2 * l1 + 2 * l2 * U


def _log_det(G: Array, delta: float) -> tuple[float, Array]:
    """Return `log det(G + δI)` and `(G + δI)⁻¹`."""
    values, vectors = np.linalg.eigh(to_numpy(G))
    values = np.maximum(values, 0.0) + delta
    return float(np.log(values).sum()), from_numpy((vectors / values) @ vectors.T, G)
