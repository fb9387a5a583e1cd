"""Base class of the estimators that take labels; scikit-learn regards them as classifiers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import ClassifierTags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from hntf.arrays import Array, as_float64, cast_like, from_numpy, is_torch, to_numpy
from hntf.costs import CrossEntropy, LabelL2, LabelLoss, Loss, RunningLabels, Supervised
from hntf.costs.label_terms import LABEL_DIVERGENCES
from hntf.costs.labels import newest
from hntf.costs.targets import Labels, as_labels, concatenated, is_unknown
from hntf.estimators.base import Estimator
from hntf.estimators.checks import with_checkpoint
from hntf.estimators.inputs import Input, numbered_over_ranks
from hntf.estimators.of_part import (
    BINARY,
    PROBABILITIES,
    decision_of,
    label_size,
    label_size_of_one_each,
    largest_class,
    probabilities_of,
    scores_of,
    summary_of_codes,
)
from hntf.fitting.interruption import interruptible
from hntf.fitting.parts.ranks import summed_over_ranks
from hntf.validation import check_choice, check_number, level_index, warn_user

LABEL_LOSSES: dict[str, type[LabelLoss]] = {"squared": LabelL2, "cross_entropy": CrossEntropy}
"""The losses of labels for methods that are trained by gradients; each one defines its classifier."""


def _has_probabilities(estimator: Any) -> bool:
    if estimator.supervision_loss not in PROBABILITIES:
        names = " or ".join(map(repr, PROBABILITIES))
        raise AttributeError(f"predict_proba needs supervision_loss={names}, got {estimator.supervision_loss!r}")
    return True


class Classifier(Estimator):
    """Base of the estimators that predict labels from codes.

    The classifier is fitted to the codes that the labelled training samples have from their features alone, because new samples
    have no labels.

    Attributes
    ----------
    classifier_ : array, `(k_l, p)`
        The linear classifier of the labels on the codes; only set if labels were given.
    classes_ : array, `(p,)`
        The class labels; only set if labels were given.
    """

    supervision_weight: float
    supervision_level: int = -1
    supervision_loss: str = "squared"
    _classifier_level: int
    """The level to whose codes the classifier was fitted."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        mask: Any = None,
        weights: Any = None,
        label_mask: Any = None,
        checkpoint: str | Path | None = None,
        every: int = 10,
    ) -> Self:
        """Fit all levels to the data, and to the labels of the samples if there are labels.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)` or `(n, d_2, …, d_N)`
            Samples along mode 0. Must be nonnegative, except for the methods that take data of any sign. A sparse matrix is never
            made dense; a torch tensor is fitted on its device.
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, with -1, NaN or None for unknown ones; or a nonnegative matrix of soft or multiple labels, with a row of
            NaN for a sample whose labels are unknown.
        mask : bool array, "nan", or a tuple of these, optional
            True where an entry is observed; `"nan"` masks the entries that are NaN. What is masked is never looked at. A mask has
            the shape of `X`, `(n,)` for each sample, or an axis of length 1 where it is the same for a whole mode; for a
            sparse `X` also a sparse matrix, or `"stored"` for its stored entries.
        weights : array, optional
            Nonnegative weights of the entries in the cost, of a shape as for `mask`; for a sparse `X` also a sparse matrix.
        label_mask : bool array, `(n,)` or the shape of a matrix `y`, optional
            True where a label is known. Labels that are -1, NaN or None are unknown whatever the mask.
        checkpoint : str or Path, optional
            A file in which the state of the fit is kept, so that the same call goes on from there after it was cut off. Methods
            that keep no such state say so.
        every : int
            Number of iterations after which the checkpoint is written.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If a parameter, `X` or `y` is not as described; the message names it.
        """
        given = self._validated(X, mask=mask, weights=weights, reset=True, together=True)
        with interruptible():
            given.parts.check_labels_are_given(y is not None)
            labels = checked_labels(y, label_mask, given)
            self._fit(with_checkpoint(self, given, labels, checkpoint, every), labels)
        return self

    def _supervised_level(self, n_levels: int) -> int:
        """Return the index of the level with labels, after checking the supervision parameters."""
        check_number(self.supervision_weight, "supervision_weight")
        return level_index(self.supervision_level, n_levels, name="supervision_level")

    def _with_labels(
        self, loss: Loss, given: Input, n_levels: int, *, running: bool = False, memory: Any = None
    ) -> Loss:
        """Return the loss plus that of the labels, if any; `running` is for batches, `memory` continues an earlier classifier."""
        check_choice(self.supervision_loss, "supervision_loss", tuple(LABEL_LOSSES))
        level = self._supervised_level(n_levels)
        if given.parts.labels is None:
            return loss
        kind = LABEL_LOSSES[self.supervision_loss]
        # If no label is known yet, use the value for one label per sample.
        size = given.parts.total(label_size, kind) or given.parts.total(label_size_of_one_each, kind) or 1.0
        weight = self.supervision_weight * (given.parts.norm_squared or 1.0) / size
        label_loss = kind(weight, level)
        return Supervised(loss, RunningLabels(label_loss, memory) if running else label_loss)

    def _keep_classifier(self, given: Input) -> Any:
        """Fit the classifier to the codes of the labelled samples, or delete an earlier one if there are no labels.

        The codes are computed from the features alone. Return the newest of them with their labels, or None if there are none.
        """
        if given.parts.labels is None:
            self._set_classifier(None, None, given.prototype)
            return None
        level = level_index(self.supervision_level, self.n_levels_)
        kind = LABEL_LOSSES.get(self.supervision_loss, LabelL2)
        found = given.parts.each(summary_of_codes, self._model_for(given), level, given.scale, kind)
        B = kind.classifier_of([summary for summary, _ in found])
        self._set_classifier(B, given.parts.labels.classes, given.prototype)
        known = [samples for _, samples in found if samples is not None]
        return newest(concatenated(known)) if known else None

    def _set_classifier(self, B: Array | None, classes: Any, prototype: Any) -> None:
        """Set the classifier and the classes, or delete those of an earlier fit."""
        if B is None:
            for name in ("classifier_", "classes_"):
                self.__dict__.pop(name, None)
            return
        self.classifier_ = cast_like(B, prototype)
        self.classes_ = classes
        self._classifier_level = level_index(self.supervision_level, self.n_levels_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        # A linear classifier without intercept on nonnegative codes fails on scikit-learn's test data with two features.
        tags.classifier_tags = ClassifierTags(poor_score=True)
        return tags

    def _check_classifier(self, method: str) -> None:
        check_is_fitted(self, "model_")
        if not hasattr(self, "classifier_"):
            raise NotFittedError(f"{method} needs labels: {type(self).__name__} was fitted without y")

    def _scores(
        self,
        X: Any,
        mask: Any,
        weights: Any,
        finish: Callable[..., Array],
        *arguments: Any,
        columns: int | None,
        dtype: Any = None,
    ) -> Any:
        """Return what `finish` returns for the scores of the classes, `S_l B`, `(n, p)`."""
        given = self._validated(X, mask=mask, weights=weights)
        classifier = to_numpy(as_float64(self.classifier_))
        finish = partial(finish, arguments=arguments, prototype=given.prototype)
        of_scores = (self._model_for(given), self._classifier_level, classifier, given.scale, finish)
        return given.parts.rows(scores_of, *of_scores, columns=columns, dtype=dtype)

    def decision_function(self, X: Any, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the scores of the classes, computed from the features alone.

        Parameters
        ----------
        X, mask, weights
            As in `transform`.

        Returns
        -------
        array, `(n, p)` or `(n,)`
            `S_l B`. For two classes, as in scikit-learn, the score of the second minus that of the first.
        """
        self._check_classifier("decision_function")
        p = len(self.classes_)
        return self._scores(X, mask, weights, decision_of, columns=None if p == BINARY else p)

    def predict(self, X: Any, *, mask: Any = None, weights: Any = None) -> np.ndarray:
        """Return the predicted classes, `(n,)`, computed from the features alone; classes unseen in `fit` are never predicted."""
        self._check_classifier("predict")
        return self._scores(X, mask, weights, largest_class, self.classes_, columns=None, dtype=self.classes_.dtype)

    @available_if(_has_probabilities)
    def predict_proba(self, X: Any, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the probabilities of the classes, `(n, p)`, computed from the features alone.

        With `supervision_loss="cross_entropy"` they are `softmax(S_l B)`, with `"kullback-leibler"` the scores `S_l B` divided by
        their sum.
        """
        self._check_classifier("predict_proba")
        return self._scores(X, mask, weights, probabilities_of, self.supervision_loss, columns=len(self.classes_))

    def score(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> float:
        """Return the accuracy of the predictions or, without labels, the negative reconstruction error: larger is better.

        Parameters
        ----------
        X, mask, weights
            As in `transform`.
        y : array, `(n,)`, optional
            The true classes, -1 where unknown.

        Returns
        -------
        float
            The accuracy of `predict` on the samples whose class is known; a class that was unseen in `fit` counts as an error.
            Without `y`, the negative relative error of the reconstruction at the output level.
        """
        if y is None:
            return super().score(X, mask=mask, weights=weights)
        self._check_classifier("score with y")
        given = to_numpy(y) if is_torch(y) else np.asarray(y, dtype=object)
        labels = (given[:, 0] if given.ndim == 2 and given.shape[1] == 1 else given).tolist()
        mask = numbered_over_ranks(X, mask)
        predicted = np.asarray(self.predict(X, mask=mask, weights=weights))
        if len(labels) != len(predicted) or any(isinstance(label, list) for label in labels):
            raise ValueError(f"y must hold one class a sample, {len(predicted)}; got shape {np.shape(y)}")
        known = np.array([not is_unknown(label) for label in labels], dtype=bool)
        pairs = zip(predicted[known].tolist(), itertools.compress(labels, known), strict=True)
        right = [bool(guess == label) for guess, label in pairs]
        n_right, n_known = summed_over_ranks([float(sum(right)), float(len(right))])
        if not n_known:
            raise ValueError("y must hold at least one known label, got none (-1 stands for unknown)")
        return n_right / n_known


def check_label_terms(loss: str, solver: str) -> None:
    """Raise `ValueError` if the solver does not support the loss of the labels."""
    check_choice(loss, "supervision_loss", tuple(LABEL_DIVERGENCES))
    if loss != "squared" and solver != "mu":
        raise ValueError(f"solver must be 'mu' with supervision_loss={loss!r}, got {solver!r}")


def checked_labels(y: Any, label_mask: Any, given: Input, *, classes: Any = None, some: bool = True) -> Labels | None:
    """Return the checked labels of the samples, None without `y`; with `some` at least one must be known."""
    if y is None:
        if label_mask is not None:
            raise ValueError("label_mask must be None where there is no y")
        return None
    reference = from_numpy(np.empty(0), given.parts.prototype)
    n_here = given.parts.n_here
    # On ranks, one that has no known label leaves them to the others.
    some = some and n_here == given.shape[0]
    labels = as_labels(y, n_here, reference, mask=label_mask, classes=classes, some=some)
    shape = tuple(y.shape) if hasattr(y, "shape") else np.asarray(y, dtype=object).shape
    of_classes = len(shape) == 1 or shape[1] == 1
    if of_classes and labels.classes.dtype.kind == "f" and type_of_target(labels.classes) == "continuous":
        raise ValueError(
            f"Unknown label type: y must hold classes, got numbers such as {labels.classes[0]} that are not whole"
        )
    if of_classes and len(labels.classes) == 1 and classes is None:
        warn_user(
            f"y holds one known class alone, {labels.classes[0]!r}; -1 stands for an unknown label, not for a class"
        )
    return labels


def checked_classes(classes: Any) -> np.ndarray:
    """Return the user's classes, checked and sorted."""
    array = np.unique(np.asarray(classes))
    if array.size == 0 or any(map(is_unknown, array.tolist())):
        raise ValueError(f"classes must name at least one class, and not -1, which stands for unknown; got {classes!r}")
    return array
