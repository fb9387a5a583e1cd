"""`hntf show`."""

from __future__ import annotations

import json
from pathlib import Path

import click

import hntf
from hntf.command.printed import FILE, WORDS, describe, tree_of


@click.command()
@click.argument("model", type=FILE)
@click.option("--html", type=FILE, help="Write an interactive page.")
@click.option("--csv", type=FILE, help="Write a table with one row a component.")
@click.option("--json", "as_json", is_flag=True, help="Print the tree as JSON.")
@WORDS
def show(model: Path, html: Path | None, csv: Path | None, as_json: bool, words: int) -> None:
    r"""Print the tree of a fitted MODEL, or write it as a page or a table.

    \b
    Examples:
      hntf show model.safetensors
      hntf show topics.safetensors --html topics.html --words 12
      hntf show model.safetensors --json | jq '.topics[].words'
    """
    fitted = hntf.load(model)
    tree = tree_of(fitted, None, words)
    if html is not None:
        tree.to_html(html, title=model.stem)
    if csv is not None:
        tree.to_csv(csv)
    if as_json:
        click.echo(json.dumps(tree.to_dict(), ensure_ascii=False, indent=2))
    elif html is None and csv is None:
        describe(fitted, getattr(fitted, "hierarchy_", fitted), tree)
