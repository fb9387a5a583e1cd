"""What the commands print, and the options that they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table as Lines

from hntf.command.files import Table
from hntf.topics import TopicModel
from hntf.trees import TopicForest, TopicTree

out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)

DATA = click.Path(exists=True, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)

TEXT = click.option("--text", "-t", help="The column of a table that holds texts.")
VARIABLE = click.option("--variable", help="The array to take from a file that holds several.")
MISSING = click.option("--missing", is_flag=True, help="Empty or NaN entries are missing, not errors.")
WORDS = click.option(
    "--words", type=click.IntRange(1), default=8, show_default=True, help="Features shown of every component."
)


def tree_of(estimator: Any, given: Table | None, words: int) -> TopicTree | TopicForest:
    """Return the tree of a fitted model, or the trees of all modes where every mode has its own."""
    if isinstance(estimator, TopicModel):
        return estimator.tree(words)
    features = None if given is None else given.features
    names = None if given is None or not len(estimator.codes_[0]) else given.names
    of_modes = (
        isinstance(estimator.memberships_[-1], list) and len(estimator.feature_shape_) > 1 and estimator.n_levels_ > 1
    )
    return estimator.tree(features, n_words=words, sample_names=names, mode="all" if of_modes else None)


def describe(estimator: Any, hierarchy: Any, tree: TopicTree | TopicForest) -> None:
    """Print the tree, the errors of the levels, and the accuracy on the labels that were given."""
    out.print(str(tree), markup=False)
    lines = Lines(box=None, pad_edge=False)
    for column in ("level", "components", "relative error"):
        lines.add_column(column, justify="right")
    for level, (k, error) in enumerate(zip(hierarchy.model_.code_sizes, hierarchy.reconstruction_err_, strict=True)):
        lines.add_row(str(level), str(k), f"{error:.4f}")
    out.print()
    out.print(lines)
    if hasattr(estimator, "classes_"):
        out.print(f"{len(estimator.classes_)} classes", markup=False)
