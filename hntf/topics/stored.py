"""A topic model in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse

from hntf.estimators.stored import STORED_FORMAT, estimator_of, new_estimator, plain_parameters, state_of
from hntf.storage import write
from hntf.topics.classes import Classes
from hntf.topics.model import TopicModel
from hntf.topics.words import fitted_vectorizer


def save(model: TopicModel, path: str | Path, *, codes: bool) -> None:
    """Write a fitted topic model."""
    X: Any = getattr(model, "_X", None)
    y, kept = getattr(model, "_y", None), codes and X is not None
    state = {
        "class": "TopicModel",
        "parameters": plain_parameters(model, but=("model",)),
        "method": None if model.model is None else [type(model.model).__name__, plain_parameters(model.model)],
        "hierarchy": state_of(model.hierarchy_, codes=codes),
        "words": model.words_,
        "idf": np.asarray(model.vectorizer_.idf_),
        "names": list(model.names_) if codes else [],
        "documents": [X.data, X.indices, X.indptr, list(X.shape)] if kept else None,
        "labels": y if kept and y is not None else None,
        "classifier": tuple(model.classifier_) if hasattr(model, "classifier_") else None,
    }
    write(path, state, STORED_FORMAT)


def topic_model_of(state: dict[str, Any]) -> TopicModel:
    """Return the topic model of a state; raise one of `hntf.storage.REFUSED` if it is none."""
    model = TopicModel(**state["parameters"])
    if state.get("method") is not None:
        name, parameters = state["method"]
        model.model = new_estimator(name, parameters)
    hierarchy = estimator_of(state["hierarchy"])
    words, idf = state["words"], state["idf"]
    m = hierarchy.n_features_in_
    if len(words) != m or idf.shape != (m,) or not np.isfinite(idf).all() or len(set(words.tolist())) != m:
        raise ValueError("its words are not those of its topics")
    n = len(hierarchy.codes_[0])
    names = state["names"]
    if not isinstance(names, list) or len(names) != n or not all(isinstance(name, str) for name in names):
        raise ValueError("its names are not those of its documents")
    model.hierarchy_, model.names_ = hierarchy, names
    model.vectorizer_ = fitted_vectorizer(n, model._of_words(), words.tolist(), idf)
    if state["documents"] is not None:
        data, indices, indptr, shape = state["documents"]
        if data.dtype.kind != "f" or indices.dtype.kind != "i" or indptr.dtype.kind != "i":
            raise ValueError("its documents are no sparse matrix")
        model._X = scipy.sparse.csr_array((data, indices, indptr), shape=tuple(shape))
        model._X.check_format(full_check=True)
        if model._X.shape != (n, m) or not np.isfinite(data).all():
            raise ValueError("its documents are not those of its codes")
        model._y = None if state["labels"] is None else model._checked_classes(state["labels"], n)
    if state["classifier"] is not None:
        model.classifier_ = _checked(Classes(*state["classifier"]), m + sum(hierarchy.model_.code_sizes))
        model.classes_ = model.classifier_.classes
    return model


def _checked(classes: Classes, n_features: int) -> Classes:
    p = len(classes.classes)
    rows = 1 if p == 2 else p
    if classes.coefficients.shape != (rows, n_features) or classes.intercept.shape != (rows,):
        raise ValueError("its classifier is not one of its words and topics")
    if not np.isfinite(classes.coefficients).all() or not 0 <= classes.topic_weight <= 1:
        raise ValueError("its classifier is not finite")
    return classes
