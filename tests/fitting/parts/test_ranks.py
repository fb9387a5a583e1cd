"""Samples on the ranks of `torch.distributed`: one fit, on any number of ranks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*command):
    """Return the exit status and the output of `on_ranks` under a command."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_any_number_of_ranks():
    status, output = run("-m", "tests.fitting.parts.on_ranks", "compare", "1", "2", "3")
    assert status == 0, output
    assert output.count("the same on") == 3


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "words"), [("dies", "exitcode"), ("nan", "NaN")])
def test_a_fault_of_a_rank_ends_the_job(fault, words):
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d")
    status, output = run(*torchrun, "--rdzv-endpoint=localhost:0", "-m", "tests.fitting.parts.on_ranks", fault)
    assert status != 0
    assert words in output, output
    assert "the fit ended" not in output
