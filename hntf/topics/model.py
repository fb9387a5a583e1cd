"""The topic model: documents in, a tree of topics out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.utils import ClassifierTags, InputTags
from sklearn.utils.validation import check_is_fitted

from hntf.costs.targets import is_unknown
from hntf.estimators.architecture import check_ranks
from hntf.estimators.base import Estimator
from hntf.estimators.neural_nmf import NeuralNMF
from hntf.estimators.results import arrays_in
from hntf.metrics.matching import unit
from hntf.selection.select import select_ranks
from hntf.tables import Table
from hntf.topics.classes import Classes, fitted_classes
from hntf.topics.documents import documents_of
from hntf.topics.over_time import shares_over_time
from hntf.topics.words import WORD, vectorizer_for, words_of
from hntf.trees import TopicTree
from hntf.validation import check_choice, check_number, level_index, warn_user

LARGE = 1_000_000
"""Number of stored entries above which the hierarchy is trained on batches, where that is left to the model."""

SAME = 0.5
"""The cosine of a topic before and after an update below which it is another one."""

NOTHING = 0.05
"""The norm of the model of a document, whose own norm is 1, below which the document is about none of the topics."""

BATCH = 1000
"""Number of documents in a batch of such a corpus."""

LABELLED_TOPICS = {"supervision_weight": 2.0, "supervision_level": 0}
"""How labels take part in the topics where they do: at a level with enough components to tell classes apart."""


class TopicModel(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    r"""Topics and supertopics of documents: scikit-learn's tf-idf and a hierarchy of topics in one estimator.

    Documents become `X` `(n, m)`, the weights of their words `(1 + log count) · idf`, of unit norm. `NeuralNMF` finds topics at
    several levels, `X ≈ S_l (A_1 ⋯ A_l)ᵀ`. With classes of documents, a linear classifier on words and topics together is
    fitted to those that are known.

    Parameters
    ----------
    n_topics : sequence of int, int or "auto"
        The number of topics of every level, finest first. With `"auto"`, `hntf.select_ranks` decides, which takes as long as some
        hundred fits.
    stop_words : "english", list of str or None
        Words to leave out.
    min_df, max_df : int, float or "auto"
        Words in fewer than `min_df`, or more than `max_df`, documents are left out: a number of documents, or a fraction if
        it is a float. `"auto"` is 5 and 0.3 from 500 documents, 2 and 0.5 from 50, else 1 and 1.0.
    ngram_range : (int, int)
        The lengths of the sequences of words that are counted.
    token_pattern : str
        What a word is; by default three letters or more.
    max_features : int, optional
        The largest number of words, the most frequent ones.
    label_topics : bool
        Whether known classes take part in the topics, too. This costs about three times the time, and helps if there are at
        least as many topics at the finest level as classes.
    model : estimator, optional
        Another estimator for the topics, for example `hntf.HierarchicalNMF()` or a `NeuralNMF` with parameters of yours; its
        `n_components` are set to `n_topics`.
    random_state : int, RandomState, Generator or None
        Seed or generator of the starts.
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    hierarchy_ : Estimator
        The fitted hierarchy, with everything that it can do: `components_`, `codes_`, `reconstruction_err_`, ….
    vectorizer_ : TfidfVectorizer
        The fitted vectorizer.
    words_ : array of str, `(m,)`
        The words.
    names_ : list of str
        The names of the documents of the fit.
    classifier_ : Classes
        The classifier; only set if classes were given.
    classes_ : array, `(p,)`
        The classes; only set if classes were given.

    Examples
    --------
    >>> from hntf.topics import TopicModel
    >>> fruit = ["red apples and green apples", "green pears", "pears and red apples"]
    >>> texts = [*fruit, "fast cars", "cars and fast trains", "trains"]
    >>> model = TopicModel((2,), random_state=0).fit(texts)
    >>> sorted(topic.words[0] for topic in model.tree().roots)
    ['apples', 'trains']
    >>> model.proportions(["green pears", "a train of fast cars", "nothing known"]).round(2)
    array([[0., 1.],
           [1., 0.],
           [0., 0.]])
    """

    def __init__(
        self,
        n_topics: int | Sequence[int] | str = (20, 8, 3),
        *,
        stop_words: str | list[str] | None = "english",
        min_df: int | float | str = "auto",
        max_df: int | float | str = "auto",
        ngram_range: tuple[int, int] = (1, 1),
        token_pattern: str = WORD,
        max_features: int | None = None,
        label_topics: bool = False,
        model: Any = None,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_topics = n_topics
        self.stop_words = stop_words
        self.min_df = min_df
        self.max_df = max_df
        self.ngram_range = ngram_range
        self.token_pattern = token_pattern
        self.max_features = max_features
        self.label_topics = label_topics
        self.model = model
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = ClassifierTags(poor_score=True)
        tags.input_tags = InputTags(string=True, two_d_array=False, one_d_array=True)
        return tags

    hierarchy_: Any
    vectorizer_: TfidfVectorizer
    names_: list[str]
    classifier_: Classes

    def fit(self, documents: Any, y: Any = None, *, names: Any = None) -> Self:
        """Find the topics of documents, and learn their classes where some are known.

        Parameters
        ----------
        documents : sequence of str, Series, or path of a directory
            The texts; a directory is read with all its text files.
        y : sequence, `(n,)`, optional
            The classes of the documents, with -1, NaN or None for unknown ones.
        names : sequence, optional
            The names of the documents; by default the index of a Series, the paths of files, or numbers.

        Raises
        ------
        TypeError, ValueError
            If a parameter or the documents are not as described, or no words are left.
        """
        given = documents_of(documents, names)
        classes = self._checked_classes(y, len(given.texts))
        self.vectorizer_ = vectorizer_for(len(given.texts), self._of_words())
        X = words_of(self.vectorizer_, given.texts, fit=True)
        self._fit(X, given.names, classes, self._estimator(X, classes))
        return self

    def weights_of_words(self, documents: Any) -> Any:
        """Return the weights of the words of documents that a fit to them would use, `(n, m)`, for example for `select_ranks`."""
        texts = documents_of(documents).texts
        return words_of(vectorizer_for(len(texts), self._of_words()), texts, fit=True)

    def _fit(self, X: Any, names: list[str], classes: np.ndarray | None, estimator: Any) -> None:
        """Fit the hierarchy and the classifier to the words of documents."""
        known = None if classes is None else np.array([label is not None for label in classes])
        self.hierarchy_ = estimator.fit(X, classes) if self.label_topics and classes is not None else estimator.fit(X)
        self.names_, self._X, self._y = names, X, classes
        for name in ("classifier_", "classes_"):
            self.__dict__.pop(name, None)
        if classes is not None and known is not None:
            labels = np.array([label for label, is_known in zip(classes.tolist(), known, strict=True) if is_known])
            self.classifier_ = fitted_classes(X[known], self._proportions(X[known]), labels)
            self.classes_ = self.classifier_.classes

    def _of_words(self) -> dict[str, Any]:
        names = ("stop_words", "min_df", "max_df", "ngram_range", "token_pattern", "max_features")
        return {"sublinear_tf": True, **{name: getattr(self, name) for name in names}}

    def _estimator(self, X: Any, classes: np.ndarray | None) -> Any:
        """Return the estimator of the topics."""
        if self.model is not None and not isinstance(self.model, Estimator):
            raise TypeError(f"model must be an estimator of hntf, got {type(self.model).__name__}")
        own = NeuralNMF(batch_size=BATCH if X.nnz > LARGE and not self.label_topics else None)
        estimator = own if self.model is None else clone(self.model)
        n_topics: Any = self.n_topics
        if isinstance(n_topics, str):
            check_choice(n_topics, "n_topics", ("auto",))
            found = select_ranks(X, model=estimator, random_state=self.random_state, verbose=self.verbose).best
            n_topics = found or (2,)
        parameters = {"n_components": n_topics, "random_state": self.random_state, "verbose": self.verbose}
        if self.label_topics and classes is not None and self.model is None:
            parameters |= LABELLED_TOPICS
        check_ranks(n_topics)
        return estimator.set_params(**parameters)

    def _checked_classes(self, y: Any, n: int) -> np.ndarray | None:
        if y is None:
            return None
        given = list(y)
        if len(given) != n or np.ndim(given[0]):
            raise ValueError(f"y must hold one class a document, {n}, got {len(given)} of shape {np.shape(given[0])}")
        plain = [label.item() if isinstance(label, np.generic) else label for label in given]
        classes = np.empty(n, dtype=object)
        classes[:] = [None if is_unknown(label) else label for label in plain]
        known = {label for label in classes.tolist() if label is not None}
        if len({isinstance(label, str) for label in known}) > 1:
            raise ValueError("y must hold classes of one kind, texts or numbers, got both")
        if len(known) < 2:
            raise ValueError(f"y must hold documents of at least two classes, got {len(known)} (-1 stands for unknown)")
        return classes

    # What a fitted model tells.

    @property
    def words_(self) -> np.ndarray:
        """The words."""
        check_is_fitted(self, "hierarchy_")
        return self.vectorizer_.get_feature_names_out()

    @property
    def codes_(self) -> list[np.ndarray]:
        """The codes of the documents of the fit at each level."""
        check_is_fitted(self, "hierarchy_")
        return self.hierarchy_.codes_

    @property
    def n_levels_(self) -> int:
        """The number of levels."""
        check_is_fitted(self, "hierarchy_")
        return self.hierarchy_.n_levels_

    def _words(self, documents: Any) -> Any:
        check_is_fitted(self, "hierarchy_")
        return words_of(self.vectorizer_, documents_of(documents).texts, fit=False)

    def transform(self, documents: Any, level: int | str = 0) -> Any:
        """Return how much of every topic of a level is in documents, `(n, k_l)`; `level="all"` puts all levels side by side."""
        X = self._words(documents)
        return self.hierarchy_.transform(X, level)

    def fit_transform(self, documents: Any, y: Any = None, **fit_params: Any) -> Any:
        """Fit to documents and return what `transform` returns for them."""
        return self.fit(documents, y, **fit_params).transform(documents)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the columns that `transform` returns at the finest level."""
        check_is_fitted(self, "hierarchy_")
        return np.array([f"topic{i}" for i in range(self.hierarchy_.model_.code_sizes[0])], dtype=object)

    def proportions(self, documents: Any, level: int | str = 0) -> np.ndarray:
        """Return the part of every document that each topic of a level carries, `(n, k_l)`, rows of sum 1.

        Codes say how often a topic occurs; a topic with many words carries more of a document. A document without any known word
        has a row of zeros.
        """
        X = self._words(documents)
        return self.hierarchy_.proportions(X, level)

    def tree(self, n_words: int = 8) -> TopicTree:
        """Return the tree of topics and supertopics, with their words, parents and documents."""
        check_is_fitted(self, "hierarchy_")
        names = self.names_ if len(self.names_) == len(self.codes_[0]) else None
        return self.hierarchy_.tree(self.words_, n_words=n_words, sample_names=names)

    def documents_of(self, topic: int, level: int = 0, n_documents: int = 10) -> list[tuple[str, float]]:
        """Return the names of the documents of the fit that a topic carries most of, with the part that it carries.

        They are ordered by the mass of the topic in them.
        """
        check_number(n_documents, "n_documents", low=1, integer=True)
        check_number(topic, "topic", low=-math.inf, integer=True)
        amounts = self._amounts(level)
        if not -amounts.shape[1] <= topic < amounts.shape[1]:
            raise ValueError(f"topic must be from 0 to {amounts.shape[1] - 1} at level {level}, got {topic}")
        totals = amounts.sum(axis=1)
        order = np.argsort(-amounts[:, topic], kind="stable")[:n_documents]
        return [(self.names_[i], float(amounts[i, topic] / totals[i])) for i in order if amounts[i, topic] > 0]

    def over_time(self, times: Any, level: int = -1, *, bins: int | None = None) -> Table:
        """Return the shares of the topics of a level in the documents of each period.

        Parameters
        ----------
        times : sequence of length n
            The times of the documents of the fit: numbers, dates, or texts that sort.
        level : int
            The level.
        bins : int, optional
            The number of periods of equal length; by default every distinct time is one.

        Returns
        -------
        Table
            One row a period; `to_pandas()` makes a DataFrame of it.
        """
        topics = self.tree().levels[level_index(level, self.n_levels_)]
        return shares_over_time(self._amounts(level), times, [topic.short_label for topic in topics], bins)

    def _amounts(self, level: int) -> np.ndarray:
        """Return the mass of every topic of a level in the documents of the fit."""
        level = level_index(level, self.n_levels_)
        if not len(self.codes_[level]):
            raise ValueError("the documents of the fit are not known: the model was saved without its codes")
        return self.codes_[level] * self.hierarchy_.components_[level].sum(axis=1)

    # Classes of documents.

    def _proportions(self, X: Any) -> np.ndarray:
        return self.hierarchy_.proportions(X, "all")

    def _check_classes(self, method: str) -> None:
        check_is_fitted(self, "hierarchy_")
        if not hasattr(self, "classifier_"):
            raise NotFittedError(f"{method} needs classes: the model was fitted without y")

    def decision_function(self, documents: Any) -> np.ndarray:
        """Return the scores of the classes, `(n, p)`; for two classes that of the second, `(n,)`."""
        self._check_classes("decision_function")
        X = self._words(documents)
        return self.classifier_.scores(X, self._proportions(X))

    def predict(self, documents: Any) -> np.ndarray:
        """Return the classes of documents, `(n,)`."""
        self._check_classes("predict")
        X = self._words(documents)
        return self.classifier_.predicted(X, self._proportions(X))

    def score(self, documents: Any, y: Any = None) -> float:
        """Return the accuracy on the documents whose class is known or, without `y`, the negative error of the finest level."""
        if y is None:
            check_is_fitted(self, "hierarchy_")
            X = self._words(documents)
            return -self.hierarchy_.reconstruction_error(X, self.hierarchy_.transform(X, 0), level=0)
        self._check_classes("score with y")
        known = [(i, label) for i, label in enumerate(np.asarray(y, dtype=object).tolist()) if not is_unknown(label)]
        if not known:
            raise ValueError("y must hold at least one known class, got none (-1 stands for unknown)")
        predicted = self.predict(documents).tolist()
        return float(np.mean([predicted[i] == label for i, label in known]))

    # What comes after the fit.

    def update(self, documents: Any, y: Any = None, *, names: Any = None) -> Self:
        """Go on with new documents beside those of the fit: the topics stay where they are and learn from all of them.

        The words are those of the fit; new ones are not counted. The fit starts from the topics that were found, so that a topic
        keeps its place in its level. Documents on another subject may turn a topic into another one, which a warning then says.

        Parameters
        ----------
        documents, y, names
            As in `fit`. Classes that were not known before may come along.
        """
        check_is_fitted(self, "hierarchy_")
        if not hasattr(self, "_X"):
            raise ValueError("update needs the documents of the fit: save the model with codes=True")
        given = documents_of(documents, names)
        X = words_of(self.vectorizer_, given.texts, fit=False)
        classes = self._y
        if y is not None or classes is not None:
            known = [None] * self._X.shape[0] if classes is None else list(classes)
            new = [None] * len(given.texts) if y is None else list(y)
            if len(new) != len(given.texts):
                raise ValueError(f"y must hold one class a new document, {len(given.texts)}, got {len(new)}")
            classes = self._checked_classes([*known, *new], self._X.shape[0] + len(given.texts))
        fitted = self.hierarchy_
        rows = len(arrays_in(fitted.factors_)[0])
        if rows == self._X.shape[0] != self._X.shape[1]:
            raise TypeError(
                f"update needs a method for matrices, whose start holds no samples, got {type(fitted).__name__}"
            )
        before, init = fitted.components_, fitted.get_params()["init"]
        estimator = clone(fitted).set_params(init=fitted)
        self._fit(scipy.sparse.vstack([self._X, X]).tocsr(), [*self.names_, *given.names], classes, estimator)
        self.hierarchy_.set_params(init=init)
        S, components = self.codes_[0][-len(given.texts) :], self.hierarchy_.components_[0]
        n_without = int((np.einsum("ij,jk,ik->i", S, components @ components.T, S) < NOTHING**2).sum())
        if n_without:
            warn_user(
                f"{n_without} of {len(given.texts)} new documents are about none of the topics: where these are many, fit anew "
                "with more topics"
            )
        for level, (old, new) in enumerate(zip(before, self.hierarchy_.components_, strict=True)):
            for topic in np.flatnonzero((unit(old.T) * unit(new.T)).sum(axis=0) < SAME):
                warn_user(
                    f"the new documents made topic {topic} of level {level} another one: it was about "
                    f"{', '.join(self.words_[np.argsort(-old[topic])[:4]])}, and is about "
                    f"{', '.join(self.words_[np.argsort(-new[topic])[:4]])}"
                )
        return self

    def save(self, path: str | Path, *, codes: bool = False) -> None:
        """Store the model in a file, for `hntf.load`.

        Parameters
        ----------
        path : str or Path
            The file.
        codes : bool
            Whether the words and codes of the documents of the fit, and their names, are stored: `update`, `over_time` and
            `documents_of` need them.
        """
        from hntf.topics.stored import save

        check_is_fitted(self, "hierarchy_")
        save(self, path, codes=codes)
