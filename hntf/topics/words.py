"""The words of documents with the weights that serve topics: tf-idf with a logarithm of the counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

WORD = r"(?u)\b[^\W\d_]{3,}\b"
"""Words of three letters and more."""

AUTO = ((500, 5, 0.3), (50, 2, 0.5), (0, 1, 1.0))
"""From how many documents on `min_df` and `max_df` are what, where they are "auto"."""


def vectorizer_for(n_documents: int, parameters: dict[str, Any]) -> TfidfVectorizer:
    """Return a vectorizer for a number of documents, on which `min_df="auto"` and `max_df="auto"` depend."""
    _, rare, frequent = next(row for row in AUTO if n_documents >= row[0])
    for name, value in (("min_df", rare), ("max_df", frequent)):
        given = parameters[name]
        if isinstance(given, str):
            if given != "auto":
                raise ValueError(f"{name} must be 'auto' or a number, got {given!r}")
            parameters = {**parameters, name: value}
    return TfidfVectorizer(**parameters)


def fitted_vectorizer(
    n_documents: int, parameters: dict[str, Any], vocabulary: list[str], idf: np.ndarray
) -> TfidfVectorizer:
    """Return the vectorizer of a stored model."""
    vectorizer = vectorizer_for(
        n_documents, {**parameters, "vocabulary": {word: i for i, word in enumerate(vocabulary)}}
    )
    vectorizer.idf_ = idf
    return vectorizer


def words_of(vectorizer: TfidfVectorizer, texts: list[str], *, fit: bool) -> Any:
    """Return the weights of the words of documents, a sparse matrix `(n, m)`.

    Raises
    ------
    ValueError
        If no word is left.
    """
    try:
        return (vectorizer.fit_transform(texts) if fit else vectorizer.transform(texts)).tocsr()
    except ValueError as error:
        if "vocabulary" not in str(error) and "terms remain" not in str(error) and "max_df" not in str(error):
            raise
        raise ValueError(
            f"documents must have words in common: none is left after min_df, max_df and stop_words ({error}); lower min_df, "
            "raise max_df, or pass stop_words=None"
        ) from error
