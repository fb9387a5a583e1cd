"""Plots, one kind per file; matplotlib is imported when the first one is drawn."""

from hntf.plot.comparison import comparison
from hntf.plot.ranks import ranks
from hntf.plot.stability import stability
from hntf.plot.tree import tree

__all__ = ["comparison", "ranks", "stability", "tree"]
