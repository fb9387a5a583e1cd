"""`hntf transform`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np

import hntf
from hntf.command.files import names_of, read
from hntf.command.printed import DATA, FILE, MISSING, TEXT, VARIABLE
from hntf.command.results import check_codes_path, write_codes
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
    check_codes_path(output)
    fitted = hntf.load(model)
    is_text = isinstance(fitted, TopicModel)
    columns = None if is_text else getattr(fitted, "feature_names_in_", None)
    given = read(data, variable=variable, text=text, columns=columns)
    if is_text != isinstance(given.X, Documents):
        wanted = "texts: a directory, or --text COLUMN" if is_text else "numbers, not texts"
        raise ValueError(f"{model} takes {wanted}")
    if is_text and missing:
        raise click.UsageError("--missing is for numbers; an empty text is a document without words")
    if predict and not hasattr(fitted, "classes_"):
        raise ValueError(f"{model} predicts no classes: it is a {type(fitted).__name__} that was fitted without labels")
    hierarchy = fitted.hierarchy_ if is_text else fitted
    options: dict[str, Any] = {"mask": "nan"} if missing else {}
    at: Any = int(level) if level.lstrip("-").isdecimal() and level.count("-") < 2 else level
    if predict:
        found, headings = np.asarray(fitted.predict(given.X, **options))[:, None], ["class"]
    else:
        encode = fitted.proportions if proportions else fitted.transform
        found = encode(given.X, at, **options)
        headings = hierarchy.get_feature_names_out(level=at).tolist()
    write_codes(output, found, headings, names_of(given))
