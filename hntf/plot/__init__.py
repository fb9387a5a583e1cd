"""Plots, which return matplotlib Axes that show themselves in a notebook; matplotlib is imported when the first one is drawn.

`components`, `codes` and `memberships` show what a model is made of, `tree` and `flow` its topics; `convergence`, `errors`,
`residuals` and `outliers` how well it fits; `matched` two models; `ranks`, `stability` and `comparison` what `hntf.select_ranks`,
`hntf.stability` and `hntf.compare` found. Save a picture with `ax.figure.savefig(path)`.
"""

from hntf.plot.comparison import comparison
from hntf.plot.components import codes, components, memberships
from hntf.plot.fit import convergence, errors, outliers, residuals
from hntf.plot.flow import flow
from hntf.plot.matched import matched
from hntf.plot.ranks import ranks
from hntf.plot.stability import stability
from hntf.plot.tree import tree

__all__ = [
    "codes",
    "comparison",
    "components",
    "convergence",
    "errors",
    "flow",
    "matched",
    "memberships",
    "outliers",
    "ranks",
    "residuals",
    "stability",
    "tree",
]
