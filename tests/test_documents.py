"""What the documents and the examples show runs as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, timeout=300):
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "docs/data.md", "docs/parts.md", "docs/ranks.md"])
def test_every_block_of_python_runs(document, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for i, block in enumerate(blocks):
        (tmp_path / f"{i}.py").write_text(block, encoding="utf-8")
    everything = "\n".join(f"import runpy; runpy.run_path({str(tmp_path / f'{i}.py')!r})" for i in range(len(blocks)))
    run(sys.executable, "-W", "ignore", "-c", everything)


@pytest.mark.slow
def test_the_example_on_a_cluster():
    assert "12 topics: relative error" in run(sys.executable, "examples/dask_cluster.py")


@pytest.mark.slow
def test_the_example_under_torchrun():
    command = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d")
    output = run(*command, "--rdzv-endpoint=localhost:0", "examples/torchrun.py")
    assert "12 topics: relative error" in output
