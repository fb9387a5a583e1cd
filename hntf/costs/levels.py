"""Losses that sum errors over levels: of the data at all levels or the last one, or of the layers on their own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.costs.base import Differentiable, Loss
from hntf.costs.targets import Labels
from hntf.validation import check_number


class Energy(Loss):
    r"""The weighted sum over levels of the reconstruction errors, `Σ_l w_l ‖X − M_1(S_l (A_2 … A_l)ᵀ)‖²`.

    For matrices level l contributes `w_l ‖X − S_l (A_1 … A_l)ᵀ‖²`: the data-centric loss of deep matrix factorization.

    Parameters
    ----------
    weights : sequence of float, one per level, optional
        The weights `w_l`, at least 0; all 1 by default.

    References
    ----------
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, Sampl. Theory Signal Process. Data Anal.; there columns are samples.
    De Handschutter, Gillis (2023), *A consistent and flexible framework for deep matrix factorizations*, Pattern Recognit.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> layers = [hntf.layers.NNLSLayer(hntf.maps.Dense(A)) for A in (np.eye(2), np.ones((2, 1)))]
    >>> value, gradients = hntf.losses.Energy().value_and_grad(hntf.Hierarchy(layers), np.array([[1.0, 3.0]]))
    >>> value
    2.0
    >>> [g.shape for g in gradients]
    [(2, 2), (2, 1)]
    """

    def __init__(self, weights: Sequence[float] | None = None) -> None:
        if weights is not None:
            for weight in weights:
                check_number(weight, "each of weights")
        self.weights = None if weights is None else [float(weight) for weight in weights]

    @property
    def steepness(self) -> float:
        """The largest weight of a level, at least 1."""
        return max(1.0, *(self.weights or [1.0]))

    def level_weights(self, levels: int) -> list[float]:
        """Return one weight per level."""
        if self.weights is None:
            return [1.0] * levels
        if len(self.weights) != levels:
            raise ValueError(f"weights must have one entry per level, {levels}; got {len(self.weights)}")
        return self.weights

    def check_no_labels(self, labels: Labels | None) -> None:
        """Raise `ValueError` if there are labels."""
        if labels is not None:
            raise ValueError(f"y must be None: {type(self).__name__} is a loss without labels")

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part and its gradient with respect to the results of the forward pass."""
        self.check_no_labels(labels)
        return model.squared_errors(tape, self.level_weights(model.n_levels))


class Reconstruction(Energy):
    r"""The reconstruction error of the last level, `‖X − S_L (A_1 … A_L)ᵀ‖²` for matrices.

    References
    ----------
    Gao, Haddock, Molitor, Needell, Sadovnik, Will, Zhang (2019), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, CAMSAP; there columns are samples.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> layers = [hntf.layers.NNLSLayer(hntf.maps.Dense(np.array([[1.0], [1.0]])))]
    >>> hntf.losses.Reconstruction().value_and_grad(hntf.Hierarchy(layers), np.array([[1.0, 3.0]]))[0]
    2.0
    """

    def __init__(self) -> None:
        super().__init__()

    def level_weights(self, levels: int) -> list[float]:
        """Return 0 for all levels but the last."""
        return [0.0] * (levels - 1) + [1.0]


class LayerCentric(Energy):
    r"""The weighted sum of the errors of the layers on their own inputs, `Σ_l w_l ‖S_{l−1} − M_l(S_l)‖²`, `S_0 = X`.

    It depends on the scale of the codes in between: constrain the columns of the factors to the simplex or penalise the factors,
    otherwise the codes shrink to zero. It applies to a `Hierarchy`.

    Parameters
    ----------
    weights : sequence of float, one per level, optional
        The weights `w_l`, at least 0; all 1 by default.

    References
    ----------
    De Handschutter, Gillis (2023), *A consistent and flexible framework for deep matrix factorizations*, Pattern Recognit.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> layers = [hntf.layers.NNLSLayer(hntf.maps.Dense(A)) for A in (np.eye(2), np.ones((2, 1)))]
    >>> hntf.losses.LayerCentric([5.0, 1.0]).value_and_grad(hntf.Hierarchy(layers), np.array([[1.0, 3.0]]))[0]
    2.0
    """

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part and its gradient with respect to the results of the forward pass."""
        self.check_no_labels(labels)
        return model.layer_errors(tape, self.level_weights(model.n_levels))


FLOOR = 1e-2
"""Relative error below which a level counts as fitted exactly, so that its weight remains bounded."""


def balanced_weights(errors: Sequence[float]) -> list[float]:
    """Return weights with which every level counts by its error relative to its best single-level error.

    The weights are proportional to `1 / e_l²` for these errors, which are at least `FLOOR`. They are scaled so that the sum of
    the weighted errors equals that with equal weights if every level reaches its best error.
    """
    squares = np.maximum(np.asarray(errors, dtype=np.float64), FLOOR) ** 2
    return (squares.mean() / squares).tolist()
