"""Data in files: arrays, sparse matrices, tables, MATLAB and HDF5 files, and directories of texts."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
import scipy.io
import scipy.sparse

from hntf.axes import is_default_index
from hntf.topics.documents import ENDINGS, Documents, read_directory

IN_MEMORY = 2**31
"""Size in bytes up to which a .npy file is read as a whole; a larger one is read in blocks by the fit."""


UNREADABLE = (ValueError, OSError, LookupError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile)
"""What readers raise for a file that is not what its ending says."""


class Table(NamedTuple):
    """Data from a file.

    Attributes
    ----------
    X : array, sparse matrix, DataFrame or Documents
        The data, samples first; a DataFrame has the names of samples and features.
    labels : array or None
        The labels of the samples, where the file holds them.
    names : list of str or None
        The names of the samples, where `X` does not hold them.
    features : list of str or None
        The names of the features, where `X` does not hold them.
    """

    X: Any
    labels: Any = None
    names: list[str] | None = None
    features: list[str] | None = None


def read(
    path: Path,
    *,
    variable: str | None = None,
    text: str | None = None,
    labels: str | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Read the data of a file or a directory.

    Parameters
    ----------
    path : Path
        The file.
    variable : str, optional
        The name of the array in a file that holds several.
    text : str, optional
        The column of a table that holds texts.
    labels : str, optional
        The column of a table that holds the labels.
    columns : sequence of str, optional
        The columns of a table that are taken where it has them all; others are left out.

    Raises
    ------
    ValueError
        If the file is of a kind that is not known, or not whole.
    """
    kind = "" if path.is_dir() else path.suffix.lower()
    if kind not in TABLES:
        for option, column in (("--text", text), ("--labels", labels)):
            if column is not None:
                raise ValueError(
                    f"{option} {column} names a column of a table ({', '.join(TABLES)}), and {path} is none"
                )
    if variable is not None and (not kind or kind in TABLES):
        raise ValueError(f"--variable names an array of a file with several, and {path} is none")
    if path.is_dir():
        return Table(read_directory(path))
    if kind not in READERS:
        known, texts = ", ".join(sorted(READERS)), ", ".join(ENDINGS)
        raise ValueError(
            f"{path} is of a kind that is not known; known are {known}, and directories of texts ({texts})"
        )
    if kind in TABLES:
        return _of_frame(_whole(TABLES[kind], path), path, text, labels, columns)
    return _whole(READERS[kind], path, variable)


def _whole(reader: Callable[..., Any], path: Path, *arguments: Any) -> Any:
    """Return what a reader reads, and say which file it is where it cannot."""
    try:
        return reader(path, *arguments)
    except UNREADABLE as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} cannot be read as a {path.suffix} file: {error}") from error


def _of_frame(
    frame: pandas.DataFrame, path: Path, text: str | None, labels: str | None, columns: Sequence[str] | None
) -> Table:
    y = None
    frame.columns = [str(name) for name in frame.columns]
    for column in (text, labels):
        if column is not None and column not in frame.columns:
            raise ValueError(f"{path} has no column {column!r}; its columns are {_listed(frame.columns)}")
    if labels is not None:
        y = frame.pop(labels).to_numpy()
    if text is not None:
        texts = frame[text].fillna("").astype(str).tolist()
        return Table(Documents(texts, [str(i) for i in frame.index]), y)
    names = frame.columns[0]
    wanted = columns is not None and names in columns
    if str(names).startswith("Unnamed:") or not (wanted or _is_numeric(frame[names])):
        frame = frame.set_index(names)
        frame.index.name = None
    if columns is not None and set(columns) <= set(map(str, frame.columns)):
        frame = frame[list(columns)]
    others = [name for name in frame.columns if not _is_numeric(frame[name])]
    if len(frame) and others:
        raise ValueError(
            f"{path} has columns that are no numbers: {_listed(others)}. The first column may hold names of samples, --labels "
            "COLUMN labels, --text COLUMN texts; remove the others"
        )
    if not frame.shape[0] or not frame.shape[1]:
        raise ValueError(f"{path} has {frame.shape[0]} rows and {frame.shape[1]} columns of numbers")
    return Table(frame.astype(float), y)


def _is_numeric(column: pandas.Series) -> bool:
    return bool(pandas.api.types.is_numeric_dtype(column))


def _csv(path: Path) -> pandas.DataFrame:
    """Read a table of texts: separators are found in the first line, which is data where it holds numbers alone."""
    with path.open(encoding="utf-8-sig") as file:
        first = file.readline()
    separator = max(",;\t|", key=first.count)
    cells = [cell.strip().strip('"') for cell in first.rstrip("\r\n").split(separator)]
    # Numbers as names of columns are 0, 1, 2, … or no names.
    named = not all(map(_is_number, cells)) or cells == [str(i) for i in range(len(cells))]
    options: dict[str, Any] = {"sep": separator, "header": 0 if named else None, "encoding": "utf-8-sig"}
    frame = pandas.read_csv(path, **options)
    if separator == ";" and any(not _is_numeric(frame[name]) for name in frame.columns[1:]):
        frame = pandas.read_csv(path, decimal=",", **options)
    return frame


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def names_of(given: Table) -> list[str] | None:
    """Return the names of the samples, None if they have none."""
    if isinstance(given.X, Documents):
        return given.X.names
    if given.names is None and isinstance(given.X, pandas.DataFrame) and not is_default_index(given.X.index):
        return list(given.X.index)
    return given.names


def _listed(names: Sequence[Any]) -> str:
    shown = ", ".join(map(str, list(names)[:10]))
    return shown + (", …" if len(names) > 10 else "")


def _npy(path: Path, variable: str | None) -> Table:
    if path.stat().st_size > IN_MEMORY:
        return Table(str(path))
    return Table(np.load(path, allow_pickle=False))


def _npz(path: Path, variable: str | None) -> Table:
    with np.load(path, allow_pickle=False) as arrays:
        if "format" in arrays.files and "shape" in arrays.files:
            return Table(scipy.sparse.load_npz(path).tocsr())
        return Table(_chosen({name: arrays[name] for name in arrays.files}, variable, path))


def _mat(path: Path, variable: str | None) -> Table:
    arrays = {name: value for name, value in scipy.io.loadmat(path).items() if not name.startswith("__")}
    found = _chosen({name: value for name, value in arrays.items() if _is_data(value)}, variable, path)
    return Table(found.tocsr() if scipy.sparse.issparse(found) else found)


def _is_data(value: Any) -> bool:
    """Return whether a value is an array of numbers of more than one row and column."""
    return scipy.sparse.issparse(value) or (
        isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim > 1 and min(value.shape[:2]) > 1
    )


def _chosen(arrays: dict[str, Any], variable: str | None, path: Path) -> Any:
    if variable is not None and variable not in arrays:
        raise ValueError(f"{path} has no array {variable!r}; it has {_listed(sorted(arrays)) or 'none'}")
    if variable is None and len(arrays) != 1:
        raise ValueError(f"{path} has {len(arrays)} arrays ({_listed(sorted(arrays))}): name one with --variable")
    return arrays[variable] if variable is not None else next(iter(arrays.values()))


def _hdf5(path: Path, variable: str | None) -> Table:
    """Read an array, or a sparse matrix in the layout of AnnData, with the names of its rows and columns."""
    try:
        import h5py
    except ImportError as error:
        raise ValueError(f"{path} needs h5py: pip install h5py") from error
    with h5py.File(path) as file:
        if variable is None and "X" not in file:
            arrays = [name for name in file if isinstance(file[name], h5py.Dataset)]
            if len(arrays) != 1:
                raise ValueError(
                    f"{path} has {len(arrays)} arrays at its top ({_listed(arrays)}): name one with --variable"
                )
            variable = arrays[0]
        name = "X" if variable is None else variable
        if name not in file:
            raise ValueError(f"{path} has no {name!r}; it has {_listed(list(file))}")
        node = file[name]
        if isinstance(node, h5py.Dataset):
            X: Any = node[()]
        else:
            kind = str(node.attrs.get("encoding-type", "csr_matrix"))
            shape = tuple(int(d) for d in node.attrs.get("shape", node.attrs.get("h5sparse_shape")))
            parts = tuple(node[part][()] for part in ("data", "indices", "indptr"))
            matrix = scipy.sparse.csc_array if "csc" in kind else scipy.sparse.csr_array
            X = matrix(parts, shape=shape).tocsr()
        return Table(X, None, _index(file.get("obs"), X.shape[0]), _index(file.get("var"), X.shape[1]))


def _index(group: Any, n: int) -> list[str] | None:
    """Return the names of rows or columns in the layout of AnnData."""
    if group is None or not hasattr(group, "attrs"):
        return None
    index = group.get(str(group.attrs.get("_index", "_index")))
    if index is None or len(index) != n:
        return None
    return [name.decode() if isinstance(name, bytes) else str(name) for name in index[()]]


TABLES: dict[str, Callable[[Path], pandas.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": pandas.read_parquet,
}
"""How tables are read, by the ending of the file."""

READERS: dict[str, Any] = {
    **TABLES,
    ".npy": _npy,
    ".npz": _npz,
    ".mat": _mat,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
    ".h5ad": _hdf5,
}
"""All kinds of files that are read, by their ending."""


def read_labels(path: Path) -> np.ndarray:
    """Return the labels in a file: one a line, the only column of a table, or an array."""
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    if path.suffix.lower() in TABLES:
        frame = TABLES[path.suffix.lower()](path)
        if frame.shape[1] != 1:
            raise ValueError(f"{path} must have one column of labels, got {frame.shape[1]}")
        return frame.iloc[:, 0].to_numpy()
    return np.array([line.strip() or None for line in path.read_text(encoding="utf-8").splitlines()], dtype=object)
