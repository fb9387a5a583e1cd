"""Classes of documents from their words and their topics together.

Words tell classes apart where many documents are labelled, topics where few are, since they were learned from all documents. The
classifier is a linear support vector machine on the words beside the square roots of the proportions of all topics; the weight of
the topics is chosen by cross-validation where there are labels enough.
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import LinearSVC

WEIGHTS = (1.0, 0.5, 0.25, 0.0)
"""The weights of topics beside words that are tried, the first one where there are too few labels to choose."""

FEWEST = 100
"""Number of labelled documents from which on the weight is chosen by cross-validation."""

N_FOLDS = 5


class Classes(NamedTuple):
    """A linear classifier of documents.

    Attributes
    ----------
    classes : array, `(p,)`
        The classes.
    coefficients : array, `(p, m + k)`, for two classes `(1, m + k)`
        The weights of the words and of the topics of all levels.
    intercept : array, `(p,)` or `(1,)`
        The intercepts.
    topic_weight : float
        The weight of the topics beside the words.
    """

    classes: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    topic_weight: float

    def scores(self, X: Any, proportions: np.ndarray) -> np.ndarray:
        """Return the scores of the classes, `(n, p)`, for two classes that of the second, `(n,)`."""
        scores = features(X, proportions, self.topic_weight) @ self.coefficients.T + self.intercept
        return scores[:, 0] if len(self.classes) == 2 else scores

    def predicted(self, X: Any, proportions: np.ndarray) -> np.ndarray:
        """Return the class of every document."""
        scores = self.scores(X, proportions)
        return self.classes[(scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)]


def fitted_classes(X: Any, proportions: np.ndarray, y: np.ndarray) -> Classes:
    """Return the classifier of documents with known classes, of which there are at least two."""
    counts = Counter(y.tolist())
    folds = min(N_FOLDS, max(counts.values()))
    weight = WEIGHTS[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer members than there are folds
        warnings.simplefilter("ignore", ConvergenceWarning)
        if len(y) >= FEWEST and folds > 1:
            splits = StratifiedKFold(folds, shuffle=True, random_state=0)
            found = [
                cross_val_score(LinearSVC(random_state=0), features(X, proportions, each), y, cv=splits).mean()
                for each in WEIGHTS
            ]
            weight = WEIGHTS[int(np.argmax(found))]
        svm = LinearSVC(random_state=0).fit(features(X, proportions, weight), y)
    return Classes(svm.classes_, svm.coef_, svm.intercept_, weight)


def features(X: Any, proportions: np.ndarray, weight: float) -> Any:
    """Return the words and the weighted square roots of the proportions of topics side by side, `(n, m + k)`."""
    return scipy.sparse.hstack([X, scipy.sparse.csr_array(weight * np.sqrt(proportions))]).tocsr()
