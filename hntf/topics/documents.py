"""What documents may be given as: texts, a column of a data frame, a directory of text files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hntf.axes import is_default_index

ENDINGS = (".txt", ".text", ".md", ".rst")
"""The endings of the names of text files."""


class Documents(NamedTuple):
    """Documents and their names.

    Attributes
    ----------
    texts : list of str
        The texts.
    names : list of str
        Their names: the index of a data frame, the paths of files, or numbers.
    """

    texts: list[str]
    names: list[str]


def documents_of(source: Any, names: Any = None) -> Documents:
    """Return the documents that a user gives.

    Parameters
    ----------
    source : sequence of str, pandas or polars Series, str or Path of a directory, or Documents
        The texts, or a directory of text files.
    names : sequence, optional
        The names of the documents.

    Raises
    ------
    TypeError, ValueError
        If there is no document, or one that is not a text.
    """
    if isinstance(source, Documents):
        found = source
    elif isinstance(source, str | Path):
        found = read_directory(source)
    else:
        if isinstance(source, Mapping):
            raise TypeError(
                "documents must be a sequence of texts, got a dictionary; pass its values, and its keys as names="
            )
        if hasattr(source, "columns"):
            raise TypeError("documents must be one column of a data frame, frame[name], got a whole frame")
        texts, index = list(source), getattr(source, "index", None)
        named = hasattr(index, "values") and not is_default_index(index)
        found = Documents(texts, [str(name) for name in (index.values if named else range(len(texts)))])  # type: ignore[union-attr]
    for i, text in enumerate(found.texts):
        if not isinstance(text, str):
            raise TypeError(
                f"documents must hold texts, got {type(text).__name__} for document {found.names[i]}; an empty text stands for "
                "one that is missing"
            )
    if not found.texts:
        raise ValueError("documents must hold at least one text, got none")
    if names is not None:
        names = list(names)
        if len(names) != len(found.texts):
            raise ValueError(f"names must hold one name a document, {len(found.texts)}, got {len(names)}")
        found = Documents(found.texts, [str(name) for name in names])
    return found


def read_directory(path: str | Path) -> Documents:
    """Return the text files of a directory and its folders (.txt, .text, .md, .rst), in the order of their paths.

    Parameters
    ----------
    path : str or Path
        The directory.

    Returns
    -------
    Documents
        The texts, and the paths below the directory without their endings as names.

    Raises
    ------
    ValueError
        If it is no directory, holds no text file, or a file is not UTF-8 text.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise ValueError(f"documents must be a sequence of texts or the path of a directory, got {str(path)!r:.80}")
    files = sorted(file for file in root.rglob("*") if file.suffix.lower() in ENDINGS and file.is_file())
    if not files:
        raise ValueError(f"documents must be in files that end in {', '.join(ENDINGS)}, found none in {root}")
    texts = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise ValueError(f"documents must be UTF-8 text, but {file} is not: {error}") from error
    return Documents(texts, [file.relative_to(root).with_suffix("").as_posix() for file in files])
