"""`hntf transform`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

import hntf
from hntf.command.files import read
from hntf.command.printed import DATA, FILE, MISSING, TEXT, VARIABLE
from hntf.command.results import write_codes
from hntf.topics import TopicModel
from hntf.topics.documents import Documents


@click.command()
@click.argument("model", type=FILE)
@click.argument("data", type=DATA)
@click.option(
    "--output",
    "-o",
    type=FILE,
    help="Where the codes are written: .csv, .tsv, .parquet or .npy; by default they are printed as .csv.",
)
@click.option("--level", "-l", default="0", show_default=True, help="The level, 0 for the finest, or all.")
@click.option("--predict", is_flag=True, help="Write the predicted classes in place of codes.")
@click.option(
    "--proportions", is_flag=True, help="Write the part of each sample that every component carries in place of codes."
)
@TEXT
@VARIABLE
@MISSING
def transform(
    model: Path,
    data: Path,
    output: Path | None,
    level: str,
    predict: bool,
    proportions: bool,
    text: str | None,
    variable: str | None,
    missing: bool,
) -> None:
    r"""Write the codes of the samples in DATA under a fitted MODEL.

    \b
    Examples:
      hntf transform model.safetensors new.csv -o codes.csv
      hntf transform topics.safetensors articles/ --proportions --level 1
      hntf transform topics.safetensors new.csv --text review --predict
    """
    fitted = hntf.load(model)
    given = read(data, variable=variable, text=text)
    is_text = isinstance(fitted, TopicModel)
    if is_text != isinstance(given.X, Documents):
        wanted = "texts: a directory, or --text COLUMN" if is_text else "numbers, not texts"
        raise ValueError(f"{model} takes {wanted}")
    if is_text and missing:
        raise click.UsageError("--missing is for numbers; an empty text is a document without words")
    hierarchy = fitted.hierarchy_ if is_text else fitted
    options: dict[str, Any] = {"mask": "nan"} if missing else {}
    at: Any = "all" if level == "all" else int(level) if level.lstrip("-").isdigit() else level
    if predict:
        found, columns = np.asarray(fitted.predict(given.X, **options))[:, None], ["class"]
    elif proportions:
        found, columns = fitted.proportions(given.X, at, **options), hierarchy.get_feature_names_out(level=at).tolist()
    else:
        found, columns = fitted.transform(given.X, at, **options), hierarchy.get_feature_names_out(level=at).tolist()
    index = getattr(given.X, "index", None) if not is_text else given.X.names
    names = given.names or (None if index is None or callable(index) else list(index))
    if output is not None:
        write_codes(output, found, columns, names)
        return
    rows = zip(names or range(len(found)), np.asarray(found).tolist(), strict=True)
    click.echo(",".join(["sample", *columns]))
    for name, row in rows:
        click.echo(
            ",".join(
                [
                    str(name),
                    *(
                        str(value)
                        if isinstance(value, str)
                        else f"{value:.6g}"
                        if isinstance(value, float)
                        else str(value)
                        for value in row
                    ),
                ]
            )
        )
