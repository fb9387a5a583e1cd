"""Labels of samples: what an estimator that takes them shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.data import Data
from hntf.estimators.base import level_index
from hntf.losses import LabelL2, Loss, Supervised
from hntf.losses.labels import classifier
from hntf.losses.targets import Labels, as_labels, is_unknown
from hntf.validation import check_number


class SupervisedMixin:
    """For estimators whose codes can be trained to tell labels; they call `_with_labels` and `_keep_classifier` in `fit`."""

    supervision_weight: float
    supervision_level: int
    transform: Callable[..., Array]

    def _with_labels(self, loss: Loss, y: Any, data: Data, levels: int) -> tuple[Loss, Labels | None]:
        """Return the loss with supervision, and the labels; without labels, the loss itself and None."""
        check_number(self.supervision_weight, "supervision_weight")
        level = level_index(self.supervision_level, levels, name="supervision_level")
        if y is None:
            return loss, None
        labels = as_labels(y, data.shape[0], from_numpy(np.empty(0), data.prototype))
        size = float((labels.Y * labels.Y).sum()) or 1.0
        weight = 2 * self.supervision_weight * (data.norm_squared() or 1.0) / size
        return Supervised(loss, LabelL2(weight, level)), labels

    def _keep_classifier(self, labels: Labels | None, codes: list[Array], prototype: Any) -> None:
        """Set the classifier and the classes, or forget those of an earlier fit."""
        if labels is None:
            for name in ("classifier_", "classes_"):
                self.__dict__.pop(name, None)
            return
        S = as_float64(codes[level_index(self.supervision_level, len(codes))])
        self.classifier_ = cast_like(classifier(S, labels), prototype)
        self.classes_ = labels.classes

    def decision_function(self, X: Any) -> Array:
        """Return what the codes of samples say of each class, `S_l B`, `(n, p)`, from the features alone."""
        check_is_fitted(self, "classifier_")
        S = self.transform(X, level=self.supervision_level)
        return cast_like(as_float64(S) @ from_numpy(to_numpy(as_float64(self.classifier_)), S), S)

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each sample, `(n,)`, from the features alone."""
        scores = self.decision_function(X)
        return self.classes_[np.argmax(to_numpy(scores), axis=1)]

    def score(self, X: Any, y: Any) -> float:
        """Return the accuracy of `predict` on the samples whose class in `y`, `(n,)`, is known."""
        labels = (to_numpy(y) if is_torch(y) else np.asarray(y, dtype=object)).tolist()
        known = np.array([not is_unknown(label) for label in labels], dtype=bool)
        correct = self.predict(X) == np.array([label if ok else None for label, ok in zip(labels, known, strict=True)])
        return float(np.mean(correct[known]))
