"""Labels as a second matrix that shares the code of the data: what `SSNMF` and `HierarchicalNMF` share."""

from __future__ import annotations

from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.data.weighted import WeightedData
from hntf.fitting.divergences import DIVERGENCES, Frobenius, KullbackLeibler
from hntf.fitting.joint import Joint
from hntf.losses.labels import LabelL2
from hntf.losses.targets import Labels
from hntf.validation import check_choice, check_number

LABEL_DIVERGENCES = {"squared": "frobenius", "kullback-leibler": "kullback-leibler"}
"""The losses of labels, by name."""


def check_label_terms(loss: str, weight: float, solver: str) -> None:
    """Raise `TypeError` or `ValueError` if the loss of labels, its weight or the solver with it are not allowed."""
    check_choice(loss, "supervision_loss", tuple(LABEL_DIVERGENCES))
    check_number(weight, "supervision_weight")
    if loss != "squared" and solver != "mu":
        raise ValueError(f"solver must be 'mu' with supervision_loss={loss!r}, got {solver!r}")


def label_data(labels: Labels) -> Data:
    """Return the labels as a matrix `(n, p)`, the unknown ones masked."""
    if bool((labels.known > 0).all()):
        return DenseData(labels.Y)
    return WeightedData(labels.Y, labels.known + 0 * labels.Y)


def label_term(labels: Labels, loss: str, weight: float, scale: float) -> Frobenius | KullbackLeibler:
    """Return the term of the labels, whose value for a model of zero is `weight` times `scale`, that of the data."""
    term = DIVERGENCES[LABEL_DIVERGENCES[loss]](label_data(labels))
    term.weight = weight * scale / term.scale
    return term


def first_classifier(S: Array, labels: Labels) -> Array:
    """Return the factor of the labels `(p, k)` to start from: that of least squares on the code."""
    return LabelL2.classifier(S, labels).T


def last_classifier(found: Joint, norms: Array, scale: float) -> Array:
    """Return the classifier `(k, p)` of a fit for codes that took the norms of the factor of the data, and lost its scale."""
    return found.factors[1].T / norms[:, None] * scale
