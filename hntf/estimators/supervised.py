"""Labels of samples: what an estimator that takes them shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils import ClassifierTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.data import Data
from hntf.estimators.base import level_index
from hntf.losses import CrossEntropy, LabelL2, LabelLoss, Loss, RunningLabels, Supervised
from hntf.losses.softmax import softmax
from hntf.losses.targets import Labels, as_labels, is_unknown
from hntf.validation import check_choice, check_number

LABEL_LOSSES: dict[str, type[LabelLoss]] = {"squared": LabelL2, "cross_entropy": CrossEntropy}


def shares(scores: Array) -> Array:
    """Return nonnegative scores `(n, p)` divided by the sum of their row; of a row of zeros, even ones."""
    sums = scores.sum(1)[:, None]
    empty = sums == 0
    return (scores + empty) / (sums + empty * scores.shape[1])


PROBABILITIES: dict[str, Callable[[Array], Array]] = {"cross_entropy": softmax, "kullback-leibler": shares}
"""How the scores of the label losses that speak of probabilities give them."""


def _has_probabilities(estimator: Any) -> bool:
    if estimator.supervision_loss not in PROBABILITIES:
        names = " or ".join(map(repr, PROBABILITIES))
        raise AttributeError(f"predict_proba needs supervision_loss={names}, got {estimator.supervision_loss!r}")
    return True


class ClassifierMixin:
    """For estimators whose codes tell labels: they set `classifier_` and `classes_` in `fit`."""

    supervision_level: int
    supervision_loss: str
    transform: Callable[..., Array]

    def _set_classifier(self, B: Array | None, classes: Any, prototype: Any) -> None:
        """Set the classifier and the classes, or forget those of an earlier fit."""
        if B is None:
            for name in ("classifier_", "classes_"):
                self.__dict__.pop(name, None)
            return
        self.classifier_ = cast_like(B, prototype)
        self.classes_ = classes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        # Transformers first; scikit-learn asks all that have probabilities for these.
        tags.classifier_tags = ClassifierTags()
        return tags

    def decision_function(self, X: Any, *, mask: Any = None, weights: Any = None) -> Array:
        """Return what the codes of samples say of each class, `S_l B`, `(n, p)`, from the features alone.

        `mask` and `weights` here and below are as in `fit`.
        """
        check_is_fitted(self, "classifier_")
        S = self.transform(X, level=self.supervision_level, mask=mask, weights=weights)
        return cast_like(as_float64(S) @ from_numpy(to_numpy(as_float64(self.classifier_)), S), S)

    def predict(self, X: Any, *, mask: Any = None, weights: Any = None) -> np.ndarray:
        """Return the class of each sample, `(n,)`, from the features alone; a class that `fit` never saw is never predicted."""
        scores = self.decision_function(X, mask=mask, weights=weights)
        return self.classes_[np.argmax(to_numpy(scores), axis=1)]

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the probability of each class, `(n, p)`: of `"cross_entropy"` `softmax(S_l B)`, of `"kullback-leibler"` shares."""
        scores = self.decision_function(X, mask=mask, weights=weights)
        return cast_like(PROBABILITIES[self.supervision_loss](as_float64(scores)), scores)

    def score(self, X: Any, y: Any, *, mask: Any = None, weights: Any = None) -> float:
        """Return the accuracy of `predict` on the samples whose class in `y`, `(n,)`, is known.

        A class that `fit` never saw counts as an error.
        """
        given = to_numpy(y) if is_torch(y) else np.asarray(y, dtype=object)
        labels = (given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given).tolist()
        predicted = self.predict(X, mask=mask, weights=weights)
        if len(labels) != len(predicted) or any(isinstance(label, list) for label in labels):
            raise ValueError(f"y must hold one class a sample, {len(predicted)}; got shape {np.shape(y)}")
        known = np.array([not is_unknown(label) for label in labels], dtype=bool)
        if not known.any():
            raise ValueError("y must hold at least one known label, got none (-1 stands for unknown)")
        correct = [guess == label for guess, label in zip(predicted.tolist(), labels, strict=True)]
        return float(np.mean(np.array(correct, dtype=bool)[known]))


class SupervisedMixin(ClassifierMixin):
    """For estimators whose codes are trained to tell labels; they call `_with_labels` and `_keep_classifier` in `fit`."""

    supervision_weight: float

    def _with_labels(
        self,
        loss: Loss,
        y: Any,
        data: Data,
        levels: int,
        label_mask: Any = None,
        *,
        classes: Any = None,
        running: bool = False,
    ) -> tuple[Loss, Labels | None]:
        """Return the loss with supervision, on batches `running`, and the labels; without labels, the loss itself and None."""
        check_number(self.supervision_weight, "supervision_weight")
        check_choice(self.supervision_loss, "supervision_loss", tuple(LABEL_LOSSES))
        level = level_index(self.supervision_level, levels, name="supervision_level")
        if classes is not None:
            classes = checked_classes(classes)
            y = np.full(data.shape[0], -1) if y is None else y
        labels = checked_labels(y, label_mask, data, classes=classes, some=classes is None)
        if labels is None:
            return loss, None
        kind = LABEL_LOSSES[self.supervision_loss]
        # Where no label is known yet, as if all samples had one.
        size = kind.size(labels) or kind.size(one_hot(labels)) or 1.0
        weight = self.supervision_weight * (data.norm_squared() or 1.0) / size
        label_loss = kind(weight, level)
        return Supervised(loss, RunningLabels(label_loss) if running else label_loss), labels

    def _keep_classifier(self, labels: Labels | None, codes: list[Array], prototype: Any) -> None:
        """Set the classifier and the classes, or forget those of an earlier fit."""
        if labels is None:
            self._set_classifier(None, None, prototype)
            return
        S = as_float64(codes[level_index(self.supervision_level, len(codes))])
        self._set_classifier(LABEL_LOSSES[self.supervision_loss].classifier(S, labels), labels.classes, prototype)


def checked_labels(y: Any, label_mask: Any, data: Data, *, classes: Any = None, some: bool = True) -> Labels | None:
    """Return the labels of the samples of `data`, None where there are none; `some` must be known."""
    if y is None:
        if label_mask is not None:
            raise ValueError("label_mask must be None where there is no y")
        return None
    reference = from_numpy(np.empty(0), data.prototype)
    return as_labels(y, data.shape[0], reference, mask=label_mask, classes=classes, some=some)


def checked_classes(classes: Any) -> np.ndarray:
    """Return the classes that a user named, sorted."""
    array = np.unique(np.asarray(classes))
    if array.size == 0 or any(map(is_unknown, array.tolist())):
        raise ValueError(f"classes must name at least one class, and not -1, which stands for unknown; got {classes!r}")
    return array


def one_hot(labels: Labels) -> Labels:
    """Return labels as if every sample had the first class."""
    Y = 0 * labels.Y
    Y[:, 0] = 1.0
    return labels._replace(Y=Y)
