"""Plots, one kind per file; matplotlib is imported when the first one is drawn."""

from hntf.plot.tree import tree

__all__ = ["tree"]
