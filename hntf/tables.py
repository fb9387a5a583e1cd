"""A small table of results that prints itself, shows itself in a notebook, and becomes a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np


class Table:
    """Columns of equal length.

    Parameters
    ----------
    columns : mapping of str to sequence
        The columns, in their order; None stands for a value that is not known.

    Examples
    --------
    >>> from hntf.tables import Table
    >>> table = Table({"rank": [1, 2], "error": [0.5, None]})
    >>> print(table)
    rank  error
       1  0.500
       2
    >>> table["rank"]
    [1, 2]
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = {name: list(values) for name, values in columns.items()}

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), []))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows."""
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, values, strict=True))

    def to_pandas(self) -> Any:
        """Return the table as a pandas DataFrame; raise `ImportError` if pandas is not installed."""
        import pandas

        return pandas.DataFrame(self.columns)

    def __str__(self) -> str:
        columns = [[name, *map(_text, values)] for name, values in self.columns.items()]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_text(value))}</td>" for value in row) + "</tr>"
            for row in zip(*self.columns.values(), strict=True)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float | np.floating):
        size = abs(float(value))
        return f"{value:.3f}" if 1e-3 <= size < 1e4 or size == 0 else f"{value:.2e}"
    return str(value)
