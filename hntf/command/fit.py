"""`hntf fit`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import hntf
from hntf import estimators
from hntf.command.files import TABLES, Table, names_of, read, read_labels
from hntf.command.printed import DATA, FILE, MISSING, VARIABLE, WORDS, describe, out, tree_of
from hntf.command.results import check_codes_path, write_codes
from hntf.estimators.supervised import Classifier
from hntf.topics import TopicModel
from hntf.topics.documents import Documents


def levels_of(context: Any, parameter: Any, value: str | None) -> Any:
    """Return ranks as they are written: 20,8,3 for levels, 8x4,4x2 for Tucker ranks."""
    if value is None or value == "auto":
        return value
    try:
        levels = [tuple(map(int, level.split("x"))) for level in value.split(",")]
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not a list such as 20,8,3 (finest first), 8x4,4x2 or auto") from error
    return tuple(level if len(level) > 1 else level[0] for level in levels)


@click.command()
@click.argument("data", type=DATA)
@click.option(
    "--ranks",
    "-r",
    callback=levels_of,
    help="Components of every level, finest first: 20,8,3; or auto. [required, but for texts]",
)
@click.option(
    "--model",
    "-m",
    type=click.Choice(estimators.__all__),
    help="The method; by default NeuralNMF, for tensors NeuralNCPD.",
)
@click.option("--output", "-o", type=FILE, help="Where the fitted model is written.")
@click.option(
    "--codes",
    "-c",
    type=FILE,
    help="Where the codes of the samples at the finest level are written: .csv, .tsv, .parquet, .npy.",
)
@click.option("--report", type=FILE, help="Where an interactive page of the tree is written: .html.")
@click.option(
    "--labels", "-y", help="Labels of samples: a column of the table, or a file with one a line (empty or -1: unknown)."
)
@click.option("--text", "-t", help="The column of a table that holds texts: makes a topic model.")
@VARIABLE
@MISSING
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the method, for example max_iter=100; may be repeated.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random starts.")
@WORDS
@click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors.")
def fit(
    data: Path,
    ranks: Any,
    model: str | None,
    output: Path | None,
    codes: Path | None,
    report: Path | None,
    labels: str | None,
    text: str | None,
    variable: str | None,
    missing: bool,
    settings: Sequence[str],
    seed: int,
    words: int,
    quiet: bool,
) -> None:
    r"""Fit a hierarchy to DATA, and print its tree.

    \b
    Examples:
      hntf fit counts.csv --ranks 9,4,2 -o model.safetensors
      hntf fit tensor.npy --ranks 7,4,2 --model NeuralNCPD --report report.html
      hntf fit articles/ -o topics.safetensors                  (a directory of texts)
      hntf fit reviews.csv --text review --labels stars         (a column of texts)
      hntf fit spectra.csv -r 4 --missing --set max_iter=200
    """
    check_codes_path(codes)
    for path in (output, report):
        if path is not None and not path.expanduser().parent.is_dir():
            raise click.BadParameter(f"{path} is not in a folder that exists")
    given, y = _read(data, variable, text, labels)
    is_text = isinstance(given.X, Documents)
    if is_text and missing:
        raise click.UsageError("--missing is for numbers; an empty text is a document without words")
    estimator: Any = _text_model(ranks, model) if is_text else _model(given, ranks, model, seed)
    _set(estimator, {"random_state": seed, "verbose": sys.stderr.isatty() and not quiet, **_settings(settings)})
    if y is not None and not is_text and not isinstance(estimator, Classifier):
        raise click.UsageError(f"{type(estimator).__name__} takes no labels; NeuralNMF, SSNMF, NeuralNTF and others do")
    estimator.fit(given.X, *(() if y is None else (y,)), **({"mask": "nan"} if missing else {}))
    hierarchy = estimator.hierarchy_ if is_text else estimator
    if output is not None:
        estimator.save(output)
    tree = tree_of(estimator, given, words)
    if not quiet:
        describe(estimator, hierarchy, tree)
    if report is not None:
        tree.to_html(report.expanduser(), title=f"{type(estimator).__name__} of {data.name}")
    if codes is not None:
        columns = hierarchy.get_feature_names_out(level=0).tolist()
        write_codes(codes, hierarchy.codes_[0], columns, names_of(given))
    for what, path in (("model", output), ("codes", codes), ("report", report)):
        if path is not None and not quiet:
            out.print(f"{what}: {path}", markup=False)


def _read(data: Path, variable: str | None, text: str | None, labels: str | None) -> tuple[Table, Any]:
    """Return the data and the labels, which are in a column of them or in a file of their own."""
    of_file = labels is not None and Path(labels).is_file()
    if data.suffix.lower() in TABLES and not Path(str(labels)).suffix:
        of_file = False  # the name of a column, whatever lies in the folder
    given = read(data, variable=variable, text=text, labels=None if of_file else labels)
    return given, read_labels(Path(str(labels))) if of_file else given.labels


def _set(estimator: Any, parameters: dict[str, Any]) -> None:
    wrong = sorted(set(parameters) - set(estimator.get_params()))
    if wrong:
        known = ", ".join(sorted(estimator.get_params(deep=False)))
        raise click.BadParameter(
            f"{type(estimator).__name__} has no parameter {wrong[0]!r}; it has {known}", param_hint="--set"
        )
    estimator.set_params(**parameters)


def _text_model(ranks: Any, model: str | None) -> TopicModel:
    inner = None if model is None else getattr(estimators, model)()
    return TopicModel(model=inner) if ranks is None else TopicModel(ranks, model=inner)


def _model(given: Table, ranks: Any, model: str | None, seed: int) -> Any:
    if ranks is None:
        raise click.UsageError(
            "--ranks is missing: the components of every level, for example 9,4,2; `hntf ranks DATA` recommends some"
        )
    order = len(given.X.shape) if hasattr(given.X, "shape") else 2
    kind = getattr(estimators, model or ("NeuralNMF" if order == 2 else "NeuralNCPD"))
    if ranks == "auto":
        ranks = hntf.select_ranks(given.X, model=kind, random_state=seed, verbose=sys.stderr.isatty()).best or 1
    if isinstance(ranks, tuple) and len(ranks) == 1 and isinstance(kind().n_components, int):
        (ranks,) = ranks
    return kind(ranks)


def _settings(settings: Sequence[str]) -> dict[str, Any]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise click.BadParameter(f"{setting!r} is not NAME=VALUE", param_hint="--set")
        try:
            found[name.strip()] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[name.strip()] = value
    return found
