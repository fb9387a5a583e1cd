"""What a selection of ranks returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hntf.tables import Table


@dataclass(frozen=True)
class RankSelection:
    """The recommended number of components, or of components of every level, and why.

    Attributes
    ----------
    best : int, tuple or None
        The candidate that is recommended; None if the data have no structure that predicts entries better than their mean.
    table : Table
        A row for every number of components that was tried, with the criteria as columns; `table.to_pandas()` is a DataFrame.
    reason : str
        Why, in a sentence or two, and which criteria disagree.
    criteria : dict of str to int or None
        What each criterion recommends for the finest level.
    levels : Table or None
        For a hierarchy, the test of every number of components above the finest level.
    """

    best: Any
    table: Table
    reason: str
    criteria: dict[str, Any] = field(default_factory=dict)
    levels: Table | None = None

    def __str__(self) -> str:
        parts = [self.reason, str(self.table)]
        if self.levels is not None and len(self.levels):
            parts.append(str(self.levels))
        return "\n\n".join(parts)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the errors against the number of components; see `hntf.plot.ranks`.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to draw on.

        Returns
        -------
        matplotlib Axes
        """
        from hntf.plot import ranks

        return ranks(self, ax=ax)
