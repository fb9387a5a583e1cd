"""What estimators ask of a part of the samples; the functions travel to where the part is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from hntf.arrays import Array, as_float64, backend_of, cast_like, from_numpy, in_backend_of, to_numpy
from hntf.costs import LabelLoss
from hntf.costs.labels import known_samples, newest
from hntf.costs.softmax import softmax
from hntf.fitting.parts import OfPart, Part
from hntf.models import Model


class Fitted:
    """A fitted model with the codes of its samples.

    Parameters
    ----------
    model : Model
        The model.
    codes : list of arrays, or function of a part, optional
        The codes of all levels where all samples are in memory, or those of a single level for a part; by default those that
        the model has for the samples to which it was fitted.
    """

    def __init__(self, model: Model, codes: Sequence[Array] | OfPart | None = None) -> None:
        self.model = model
        self.codes = codes
        self.key = uuid4().hex

    def of_part(self, part: Part) -> list[Array]:
        """Return the codes of all levels."""
        if self.key in part.memory:
            return part.memory[self.key]
        if self.codes is None:
            codes = self.model.codes_of_levels(part.data)
        else:
            codes = [self.codes(part)] if callable(self.codes) else list(self.codes)
        if part.stays:
            part.memory[self.key] = codes
        return codes


def squared_residuals_of(part: Part, fitted: Fitted) -> np.ndarray:
    """Return the squared errors of all levels."""
    return np.array(fitted.model.squared_residuals(part.data, dict(enumerate(fitted.of_part(part)))))


def fitted_code(part: Part, fitted: Fitted, level: int, scale: float, prototype: Any) -> Array:
    """Return the codes of a level as users see them."""
    return cast_like(fitted.of_part(part)[level] / scale, prototype)


def encoded(part: Part, model: Model, level: int | str, scale: float, prototype: Any) -> Array:
    """Return the codes of a level, or of all levels, from the features alone, as users see them."""
    if level == "all":
        S = backend_of(part.data.prototype).concatenate(model.encode_levels(part.data), axis=1)
    else:
        S = model.encode(part.data, level)  # type: ignore[arg-type]
    return cast_like(S / scale, prototype)


def proportions_of(part: Part, model: Model, levels: Sequence[int], prototype: Any) -> Array:
    """Return the part of each sample's model that every component carries, for some levels side by side."""
    found = []
    for level in levels:
        amounts = abs(model.encode(part.data, level) * model.unit_sums(level))
        totals = amounts.sum(1)[:, None]
        found.append(amounts / (totals + (totals == 0)))
    return cast_like(backend_of(found[0]).concatenate(found, axis=1), prototype)


def squared_residual_of(part: Part, S: Array, model: Model, level: int, scale: float) -> float:
    """Return the squared error of a level for codes as users have them."""
    (S,) = in_backend_of([as_float64(S) * scale], part.data.prototype)
    if part.data.is_expandable:
        return part.data.residual_norm_squared(lambda rows: model.decode(S[rows], level))
    return model.squared_residuals(part.data, {level: S})[0]


def squared_residuals_of_encoded(part: Part, model: Model) -> np.ndarray:
    """Return the squared errors of all levels for codes from the features alone."""
    return np.array(model.squared_residuals(part.data, dict(enumerate(model.encode_levels(part.data)))))


def scores_of(
    part: Part, model: Model, level: int, classifier: np.ndarray, scale: float, finish: Callable[[Array], Array]
) -> Array:
    """Return what a function makes of the scores `S_l B` of the classes, with codes from the features alone."""
    S = model.encode(part.data, level) / scale
    (B,) = in_backend_of([classifier], S)
    return finish(S @ B)


def decision_of(scores: Array, arguments: tuple[()], prototype: Any) -> Array:
    """Return the scores, for two classes that of the second minus that of the first."""
    return cast_like(scores[:, 1] - scores[:, 0] if scores.shape[1] == BINARY else scores, prototype)


def largest_class(scores: Array, arguments: tuple[np.ndarray], prototype: Any) -> np.ndarray:
    """Return the class with the largest score."""
    (classes,) = arguments
    return classes[np.argmax(to_numpy(scores), axis=1)]


def probabilities_of(scores: Array, arguments: tuple[str], prototype: Any) -> Array:
    """Return the probabilities of the classes for a loss of labels."""
    (loss,) = arguments
    return cast_like(PROBABILITIES[loss](scores), prototype)


def normalised(scores: Array) -> Array:
    """Return nonnegative scores `(n, p)` divided by their row sums; a row of zeros becomes uniform."""
    sums = scores.sum(1)[:, None]
    empty = sums == 0
    return (scores + empty) / (sums + empty * scores.shape[1])


BINARY = 2

PROBABILITIES: dict[str, Callable[[Array], Array]] = {"cross_entropy": softmax, "kullback-leibler": normalised}
"""How scores are turned into probabilities, for the label losses that allow it."""


def summary_of_codes(part: Part, model: Model, level: int, scale: float, kind: type[LabelLoss]) -> tuple[Any, Any]:
    """Return what the classifier on codes from the features alone requires, and the newest labelled samples of the part."""
    S, labels = model.encode(part.data, level) / scale, part.labels
    known = known_samples(S, labels)  # type: ignore[arg-type]
    return kind.summary(S, labels), None if known is None else newest(known)  # type: ignore[arg-type]


def fingerprint(part: Part) -> Array:
    """Return sums over samples that tell data sets apart, whose order does not matter.

    They are those of `X r` and `W r` for random `r` and the weights `W` of the entries, and with labels.
    """
    rng, prototype = np.random.default_rng(0), part.data.prototype
    vectors = [None, *(from_numpy(rng.random((d, 2)), prototype) for d in part.data.shape[1:])]
    products = part.data.mttkrp(vectors, 0)
    weights = part.data.weights_mttkrp(vectors, 0) + 0 * products  # one row for all samples without weights
    columns = [x for product in (products, weights) for x in (product.sum(0), (product * product).sum(0))]
    if part.labels is not None:
        columns += [(part.labels.Y.T @ products).reshape(-1), part.labels.Y.sum(0)]
    return backend_of(products).concatenate(columns)


def label_size(part: Part, kind: type[LabelLoss]) -> float:
    """Return the unit of the loss of the labels of a part."""
    return kind.size(part.labels)  # type: ignore[arg-type]


def label_size_of_one_each(part: Part, kind: type[LabelLoss]) -> float:
    """Return the unit of the loss if every sample of a part had one label."""
    labels: Any = part.labels
    Y = 0 * labels.Y
    Y[:, 0] = 1.0
    return kind.size(labels._replace(Y=Y))
