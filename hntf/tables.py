"""A small table of results that prints itself, shows itself in a notebook, and becomes a pandas DataFrame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

DIGITS, MOST_DECIMALS = 3, 6
"""Significant digits of the smallest number of a column, and the most decimals that its numbers have."""

FRACTIONS = 10.0
"""Number below which all numbers of a column have three decimals at least."""

WIDE = 1e5
"""Ratio of the largest to the smallest number of a column from which numbers are not written with the same decimals."""


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
        columns = [[name, *_texts(values)] for name, values in self.columns.items()]
        widths = [max(map(len, column)) for column in columns]
        rows = zip(*columns, strict=True)
        return "\n".join("  ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"
            for row in zip(*map(_texts, self.columns.values()), strict=True)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _texts(values: Sequence[Any]) -> list[str]:
    """Return the values of a column as they are shown: numbers with the decimals that the smallest of them needs."""
    form = _number_format([abs(float(value)) for value in values if _is_float(value)])
    return ["" if value is None else format(value, form) if _is_float(value) else str(value) for value in values]


def _is_float(value: Any) -> bool:
    return isinstance(value, float | np.floating)


def _number_format(sizes: Sequence[float]) -> str:
    """Return the format in which the numbers of a column are told apart."""
    sizes = [size for size in sizes if 0 < size < math.inf]
    if not sizes:
        return f".{DIGITS}f"
    # Those of fractions, of which some may be 1, are the same in all columns.
    least = 0.1 if max(sizes) < FRACTIONS else min(sizes)
    decimals = DIGITS - 1 - math.floor(math.log10(min(least, *sizes)))
    if decimals > MOST_DECIMALS or max(sizes) >= WIDE * min(1.0, *sizes):
        return f".{DIGITS}g"
    return f".{max(decimals, 0)}f"
