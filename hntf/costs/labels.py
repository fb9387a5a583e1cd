"""Losses of labels that are predicted from the codes of the samples."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import Any, NamedTuple

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.costs.base import Differentiable, Loss
from hntf.costs.softmax import cross_entropy, softmax_classifier
from hntf.costs.targets import Labels, concatenated
from hntf.least_squares.solver import solve
from hntf.validation import check_number

MEMORY = 1000
"""Number of labelled samples to whose codes a running classifier is fitted; all of the newest batch if it has more."""


class LabelSums(NamedTuple):
    """The normal equations of a classifier for a part of the samples, with columns divided by their largest entries, and these."""

    G: Array
    C: Array
    largest: Array


class LabelLoss(Loss):
    """A loss of the labels that a classifier `B` `(k_l, p)` predicts from the codes of a level, with the scores `S_l B`.

    The classifier is solved for exactly at every evaluation, so that it requires no start; the gradient with respect to the code
    is the one at the best `B`.

    Parameters
    ----------
    weight : float
        The weight `λ`, at least 0.
    level : int
        Index of the level whose codes are used, from 0; -1 is the last.
    """

    def __init__(self, weight: float = 1.0, level: int = -1) -> None:
        check_number(weight, "weight")
        self.weight = float(weight)
        self.level = level

    @classmethod
    def classifier(cls, S: Array, labels: Labels) -> Array:
        """Return the best `B`, `(k, p)`, for codes of any scale."""
        return cls.classifier_of([cls.summary(S, labels)])

    @staticmethod
    @abstractmethod
    def summary(S: Array, labels: Labels) -> Any:
        """Return what the classifier requires from a part of the samples."""

    @staticmethod
    @abstractmethod
    def classifier_of(summaries: Sequence[Any]) -> Array:
        """Return the best `B`, `(k, p)`, for the summaries of all parts, with codes of any scale."""

    @staticmethod
    @abstractmethod
    def loss_of_scores(scores: Array, labels: Labels) -> tuple[float, Array]:
        """Return the loss of the scores `S B`, `(n, p)`, and its gradient."""

    @staticmethod
    @abstractmethod
    def size(labels: Labels) -> float:
        """Return the unit of the loss: its value for scores of zero."""

    @property
    def settles(self) -> bool:
        """The classifier is that of all parts."""
        return True

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return the summary of the part for the classifier."""
        if labels is None:
            raise ValueError(f"y must be given: {type(self).__name__} is a loss of labels")
        S = self.code(model, tape)
        if len(S) != len(labels.Y):
            raise ValueError(
                f"y must have one row a code, {len(S)}, got {len(labels.Y)}: a loss of labels needs a model with a code a sample"
            )
        return self.summary(S, labels)

    def settle(self, parts: Sequence[Any]) -> Array:
        """Return the best classifier for the codes of all parts."""
        return self.classifier_of(parts)

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value of a part for the classifier from `settle`, and its gradient."""
        value, dscores = self.loss_of_scores(self.code(model, tape) @ settled, labels)  # type: ignore[arg-type]
        gradients = model.no_gradients(tape)
        gradients.codes[self.level] = self.weight * (dscores @ settled.T)
        return self.weight * value, gradients

    def code(self, model: Differentiable, tape: Any) -> Array:
        """Return the code of the level."""
        if not -model.n_levels <= self.level < model.n_levels:
            raise ValueError(f"level must be from {-model.n_levels} to {model.n_levels - 1}, got {self.level}")
        return model.codes(tape)[self.level]


class LabelL2(LabelLoss):
    r"""The squared error of labels predicted from the codes of a level, `½λ min_{B ≥ 0} ‖L∘(Y − S_l B)‖²`.

    `L` masks unknown labels.

    Parameters
    ----------
    weight : float
        The weight `λ`, at least 0.
    level : int
        Index of the level whose codes are used, from 0; -1 is the last.

    References
    ----------
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    Golub, Pereyra (1973), *The differentiation of pseudo-inverses and nonlinear least squares problems whose variables
    separate*, SIAM J. Numer. Anal.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(np.eye(2)))])
    >>> loss = hntf.losses.LabelL2()
    >>> loss.value_and_grad(hierarchy, np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), y=[0, 1, -1])[0]
    0.0
    """

    @staticmethod
    def summary(S: Array, labels: Labels) -> LabelSums:
        """Return the normal equations, with a Gram matrix for every column of labels where their masks differ."""
        tl = backend_of(S)
        largest = tl.max(S, axis=0) if len(S) else 0 * tl.sum(S, axis=0)
        S = S / (largest + (largest == 0))
        if labels.known.shape[1] == 1:
            known = labels.known * S
            return LabelSums(known.T @ known, labels.Y.T @ known, largest)
        return LabelSums(S.T @ (labels.known.T[:, :, None] * S), labels.Y.T @ S, largest)

    @staticmethod
    def classifier_of(summaries: Sequence[LabelSums]) -> Array:
        """Return `argmin_{B ≥ 0} ‖L∘(Y − S B)‖`, `(k, p)`, solved for codes whose columns have one as their largest entry."""
        tl = backend_of(summaries[0].C)
        largest = tl.max(tl.stack([each.largest for each in summaries]), axis=0)
        largest = largest + (largest == 0)
        ratios = [each.largest / largest for each in summaries]
        G = reduce(add, [r * each.G * r[:, None] for r, each in zip(ratios, summaries, strict=True)])
        C = reduce(add, [r * each.C for r, each in zip(ratios, summaries, strict=True)])
        return solve(G, C).S.T / largest[:, None]

    @staticmethod
    def loss_of_scores(scores: Array, labels: Labels) -> tuple[float, Array]:
        """Return `½‖L∘(Y − S B)‖²` and its gradient."""
        residual = labels.known * scores - labels.Y
        return 0.5 * float((residual * residual).sum()), residual

    @staticmethod
    def size(labels: Labels) -> float:
        """Return `½‖L∘Y‖²`."""
        return 0.5 * float((labels.Y * labels.Y).sum())


class CrossEntropy(LabelLoss):
    r"""The cross-entropy of labels and the softmax of scores from the codes of a level, `λ min_B −Σ L∘Y∘log softmax(S_l B)`.

    `L` masks unknown labels. If the codes separate the classes, the best `B` would be infinite; therefore `½ρ‖S_l B‖²`, summed
    over the labelled samples, is added with `ρ = 0.01`. This term does not depend on the scale of the codes.

    Parameters
    ----------
    weight : float
        The weight `λ`, at least 0.
    level : int
        Index of the level whose codes are used, from 0; -1 is the last.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> hierarchy = hntf.Hierarchy([hntf.layers.NNLSLayer(hntf.maps.Dense(np.eye(2)))])
    >>> loss = hntf.losses.CrossEntropy()
    >>> value, _ = loss.value_and_grad(hierarchy, np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 3.0]]), y=[0, 1, -1])
    >>> round(value, 3)
    0.116
    """

    @staticmethod
    def summary(S: Array, labels: Labels) -> tuple[Array, Labels]:
        """Return the codes and labels of the labelled samples themselves: the classifier is found by iteration."""
        return known_samples(S, labels) or (S[:0], labels.take(slice(0, 0)))

    @staticmethod
    def classifier_of(summaries: Sequence[tuple[Array, Labels]]) -> Array:
        """Return the best `B`, `(k, p)`, found for codes whose columns have one as their largest entry."""
        S, labels = concatenated(summaries)
        largest = backend_of(S).max(S, axis=0)
        largest = largest + (largest == 0)
        return softmax_classifier(S / largest, labels) / largest[:, None]

    @staticmethod
    def loss_of_scores(scores: Array, labels: Labels) -> tuple[float, Array]:
        """Return the regularised cross-entropy of scores `(n, p)` and its gradient."""
        return cross_entropy(scores, labels)

    @staticmethod
    def size(labels: Labels) -> float:
        """Return `Σ L∘Y log p`, the cross-entropy of a uniform prediction."""
        return float(labels.Y.sum()) * math.log(max(labels.Y.shape[1], 2))


class RunningLabels(Loss):
    """A loss of labels on successive batches: its classifier is the best one for the codes of the last labelled samples.

    Averaging the classifiers of batches would fail if some batches lack classes.

    Parameters
    ----------
    loss : LabelLoss
        The loss of the labels.
    memory : tuple, optional
        Codes and labels of labelled samples from an earlier training, from which to continue.
    """

    def __init__(self, loss: LabelLoss, memory: tuple[Array, Labels] | None = None) -> None:
        self.loss = loss
        self.classifier: Array | None = None
        self.memory = memory

    def state(self) -> dict[str, Array] | None:
        """Return the memory as arrays, None if there is none."""
        return (
            None if self.memory is None else {"S": self.memory[0], "Y": self.memory[1].Y, "known": self.memory[1].known}
        )

    def restore(self, state: Any, labels: Labels) -> None:
        """Go on with a saved memory of samples with such labels.

        Raises
        ------
        ValueError
            If it is none.
        """
        if state is None:
            self.memory = self.classifier = None
            return
        S, Y, known = (np.asarray(state[name], np.float64) for name in ("S", "Y", "known"))
        widths = (Y.shape[1:], known.shape[1:]) == (labels.Y.shape[1:], labels.known.shape[1:])
        if not (
            S.ndim == 2
            and len(S) == len(Y) == len(known)
            and widths
            and all(np.isfinite(x).all() for x in (S, Y, known))
        ):
            raise ValueError("it holds no codes with their labels")
        S, Y, known = (from_numpy(x, labels.Y) for x in (S, Y, known))
        self.memory = S, Labels(Y, known, labels.classes)
        self.classifier = self.loss.classifier(*self.memory)

    @property
    def settles(self) -> bool:
        """The classifier is that of all parts."""
        return True

    def of_part(self, model: Differentiable, tape: Any, labels: Labels | None) -> Any:
        """Return the codes of the labelled samples at the level and their labels, None if there are none."""
        return None if labels is None else known_samples(self.loss.code(model, tape), labels)

    def settle(self, parts: Sequence[Any]) -> Array | None:
        """Add a batch to the memory, drop the oldest samples, and return the classifier; None before the first label."""
        known = [part for part in parts if part is not None]
        if known:
            size = max(MEMORY, sum(len(S) for S, _ in known))
            self.memory = newest(concatenated(known if self.memory is None else [self.memory, *known]), size)
            self.classifier = self.loss.classifier(*self.memory)
        return self.classifier

    def evaluate(
        self, model: Differentiable, tape: Any, labels: Labels | None = None, settled: Any = None
    ) -> tuple[float, Any]:
        """Return the value on a batch and its gradient; zero if no label is known yet."""
        if labels is None or settled is None:
            return 0.0, model.no_gradients(tape)
        return self.loss.evaluate(model, tape, labels, settled)


def known_samples(S: Array, labels: Labels) -> tuple[Array, Labels] | None:
    """Return the codes and the labels of the samples with a known label, None if there are none."""
    rows = np.flatnonzero((to_numpy(labels.known) > 0).any(axis=1))
    return (S[rows], labels.take(rows)) if len(rows) else None


def newest(samples: tuple[Array, Labels], size: int = MEMORY) -> tuple[Array, Labels]:
    """Return the last `size` samples, by default as many as a running classifier remembers."""
    S, labels = samples
    return S[-size:], Labels(labels.Y[-size:], labels.known[-size:], labels.classes)
