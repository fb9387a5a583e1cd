"""Labels as a second matrix with the same code as the data, for the methods that update factors in turn."""

from __future__ import annotations

from hntf.arrays import Array
from hntf.costs.kullback_leibler import DIVERGENCES, KullbackLeibler
from hntf.costs.labels import LabelL2
from hntf.costs.squared import Frobenius
from hntf.costs.targets import Labels
from hntf.data import Data, DenseData
from hntf.data.given_weights import entry_weights
from hntf.data.weighted import WeightedData

LABEL_DIVERGENCES = {"squared": "frobenius", "kullback-leibler": "kullback-leibler"}
"""The losses of labels, by name."""


def label_data(labels: Labels) -> Data:
    """Return the labels as a matrix `(n, p)` in which unknown labels are masked."""
    if bool((labels.known > 0).all()):
        return DenseData(labels.Y)
    return WeightedData(DenseData(labels.Y), entry_weights(labels.known + 0 * labels.Y))


def label_term(labels: Labels, loss: str, weight: float, scale: float) -> Frobenius | KullbackLeibler:
    """Return the term of the labels; for a model of zero its value is `weight` times `scale`, the scale of the data term."""
    term = DIVERGENCES[LABEL_DIVERGENCES[loss]](label_data(labels))
    term.weight = weight * scale / term.scale
    return term


def first_classifier(S: Array, labels: Labels) -> Array:
    """Return the starting factor of the labels, `(p, k)`, by least squares on the code."""
    return LabelL2.classifier(S, labels).T
