"""Samples on the ranks of `torch.distributed`: one fit, on any number of ranks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def torchrun(n_ranks, what):
    """Return the exit status and the output of a job."""
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={n_ranks}", "--master-port=0"]
    command[-1:] = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]
    done = subprocess.run(
        [*command, "-m", "tests.fitting.parts.on_ranks", what],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("n_ranks", [1, 2, 3])
def test_any_number_of_ranks(n_ranks):
    status, output = torchrun(n_ranks, "compare")
    assert status == 0, output
    assert output.count("same") == n_ranks


def test_the_ranks_agree_without_a_seed():
    status, output = torchrun(2, "no fault")
    assert status == 0, output
    losses = re.findall(r"loss ([^;]+);", output)
    assert len(losses) == 2
    assert len(set(losses)) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [("dies", "exitcode"), ("features", "same features on every rank"), ("nan", "NaN")],
)
def test_a_fault_of_a_rank_ends_the_job(fault, words):
    status, output = torchrun(2, fault)
    assert status != 0
    assert words in output, output
    assert not re.search(r"loss [^;]+;", output)
