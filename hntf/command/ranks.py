"""`hntf ranks`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

import hntf
from hntf import estimators
from hntf.command.files import read
from hntf.command.printed import DATA, FILE, TEXT, VARIABLE, out
from hntf.topics import TopicModel
from hntf.topics.documents import Documents


@click.command()
@click.argument("data", type=DATA)
@click.option(
    "--candidates",
    "-r",
    help="Numbers of components to try: 1,2,3,5,8, or hierarchies 9/4/2,12/4; by default found from the data.",
)
@click.option(
    "--model", "-m", type=click.Choice(estimators.__all__), default="NeuralNMF", show_default=True, help="The method."
)
@click.option(
    "--criterion",
    default="auto",
    show_default=True,
    help="held-out, bi-cross-validation, thinning, bic, stability, …: see the docs.",
)
@TEXT
@VARIABLE
@click.option("--jobs", "-j", default=1, show_default=True, help="Number of processes.")
@click.option("--seed", default=0, show_default=True, help="Seed.")
@click.option("--plot", type=FILE, help="Where a picture of the errors is written: .png, .svg, .pdf.")
def ranks(
    data: Path,
    candidates: str | None,
    model: str,
    criterion: str,
    text: str | None,
    variable: str | None,
    jobs: int,
    seed: int,
    plot: Path | None,
) -> None:
    r"""Recommend how many components, and levels, DATA have.

    \b
    Examples:
      hntf ranks counts.csv
      hntf ranks counts.csv --candidates 2,4,8,16 --jobs 2 --plot ranks.png
    """
    if plot is not None and not plot.expanduser().parent.is_dir():
        raise click.BadParameter(f"{plot} is not in a folder that exists")
    given = read(data, variable=variable, text=text)
    X = TopicModel().weights_of_words(given.X) if isinstance(given.X, Documents) else given.X
    tried: Any = "auto"
    if candidates is not None:
        try:
            tried = [tuple(map(int, each.split("/"))) if "/" in each else int(each) for each in candidates.split(",")]
        except ValueError as error:
            raise click.BadParameter(f"{candidates!r} is not a list such as 1,2,3,5,8 or 9/4/2,12/4") from error
    found = hntf.select_ranks(
        X,
        tried,
        model=getattr(estimators, model),
        criterion=criterion,
        n_jobs=jobs,
        random_state=seed,
        verbose=sys.stderr.isatty(),
    )
    out.print(str(found), markup=False)
    if found.best is not None:
        best = ",".join(map(str, np.atleast_1d(found.best)))
        out.print(f"\nhntf fit {data} --ranks {best}", markup=False)
    if plot is not None:
        found.plot().figure.savefig(plot)
