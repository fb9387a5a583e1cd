"""The program `hntf` and how it ends."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import click

import hntf
from hntf.command.fit import fit
from hntf.command.printed import err
from hntf.command.ranks import ranks
from hntf.command.show import show
from hntf.command.transform import transform

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hntf.__version__)
def app() -> None:
    r"""Factorize nonnegative data, tensors or texts into hierarchies of parts.

    \b
    A first session:
      hntf fit counts.csv --ranks 9,4,2 --output model.safetensors --report report.html
      hntf show model.safetensors
      hntf transform model.safetensors new.csv --output codes.csv
      hntf ranks counts.csv

    \b
    Data are read from
      .csv .tsv .parquet     a table; a first column of texts names the samples
      .npy .npz .mat         an array of any order, or a sparse matrix; samples along the first axis
      .h5 .hdf5 .h5ad        an array or a sparse matrix
      a directory            text files (.txt .md .rst), for a topic model
    """


for command in (fit, transform, show, ranks):
    app.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code: 0, 1 where the data or a parameter are wrong, 2 where the command is."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            warnings.simplefilter("default", UserWarning)
            app.main(args=list(arguments), prog_name="hntf", standalone_mode=False)
    except click.exceptions.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        err.print("[red]Error:[/red]", end=" ")
        message = f"{error}" or type(error).__name__
        err.print(message.replace("mask='nan'", "--missing").replace('mask="nan"', "--missing"), markup=False)
        return 1
    return 0


def _show_warning(message: Any, *_: Any) -> None:
    err.print("[yellow]Note:[/yellow]", end=" ")
    err.print(str(message), markup=False)
