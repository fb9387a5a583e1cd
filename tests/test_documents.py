"""What the documents and the examples show runs as it stands."""

import os
import re
import runpy
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
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


DOCUMENTS = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md"))]


def blocks_of(document):
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def _as_at_a_prompt(monkeypatch):
    """The state that a script finds: in the root, with warnings that are no errors, without a window for pictures."""
    monkeypatch.chdir(ROOT)
    with matplotlib.rc_context({"backend": "agg"}), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    plt.close("all")


@pytest.mark.slow
@pytest.mark.usefixtures("_as_at_a_prompt")
@pytest.mark.parametrize("document", [document for document in DOCUMENTS if blocks_of(document)])
def test_every_block_of_python_runs(document, tmp_path):
    for i, block in enumerate(blocks_of(document)):
        (tmp_path / f"{i}.py").write_text(block, encoding="utf-8")
        runpy.run_path(str(tmp_path / f"{i}.py"))


def test_every_page_is_in_the_documents():
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    missing = [path.name for path in (ROOT / "docs").glob("*.md") if f": {path.name}" not in listed]
    assert not missing


EXAMPLES = {
    "topic_tree": "20 topics: relative error 0.8",
    "few_labels": "10% known: topics and words 0.7",
    "il2_response": "relative errors 0.20",
    "covid_serology": "the mean of all logarithms               0.955",
    "indian_pines": "relative errors 0.042 / 0.061",
    "indian_pines_unmixing": "angle between starts",
    "missing_data": "with penalties: 0.4",
    "coupled_data": "both, coupled        [0.9",
    "counts": "Kullback–Leibler   deviance",
    "nnls_block": "The NNLS block is more accurate in",
}


@pytest.mark.slow
@pytest.mark.usefixtures("_as_at_a_prompt")
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_runs_and_draws(name, tmp_path, monkeypatch, capsys):
    picture, script = tmp_path / "picture.png", f"examples/{name}.py"
    monkeypatch.setattr("sys.argv", [script, "--output", str(picture)])
    runpy.run_path(script, run_name="__main__")
    assert EXAMPLES[name] in capsys.readouterr().out
    assert picture.exists()


@pytest.mark.slow
def test_the_example_on_a_cluster():
    assert "12 topics: relative error" in run(sys.executable, "examples/dask_cluster.py")


@pytest.mark.slow
def test_the_example_under_torchrun():
    command = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d")
    output = run(*command, "--rdzv-endpoint=localhost:0", "examples/torchrun.py")
    assert "12 topics: relative error" in output
