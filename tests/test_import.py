"""What `import hntf` costs and promises."""

import subprocess
import sys
from pathlib import Path

import pytest

import hntf


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_loads_nothing_heavy():
    loaded = run("import sys, hntf; print(*[m for m in ('torch', 'numba', 'matplotlib') if m in sys.modules])")
    assert loaded.split() == []


@pytest.mark.slow
def test_a_fit_on_numpy_loads_no_torch():
    code = "import sys, numpy, hntf; hntf.NeuralNMF((2,)).fit(numpy.ones((3, 3))); print('torch' in sys.modules)"
    assert run(code).strip() == "False"


@pytest.mark.slow
def test_importing_takes_half_a_second_at_most_beyond_scikit_learn_and_tensorly():
    code = (
        "import time, sklearn.decomposition, sklearn.utils.validation, tensorly; t = time.perf_counter();"
        "import hntf; hntf.NeuralNMF, hntf.nnls; print(time.perf_counter() - t)"
    )
    assert min(float(run(code)) for _ in range(3)) < 0.5


FIRST = """
import pkgutil, sys
from importlib import import_module

sys.dont_write_bytecode = False  # modules are imported again and again

import hntf

for module in [module.name for module in pkgutil.walk_packages(hntf.__path__, "hntf.")]:
    for loaded in [name for name in sys.modules if name.split(".")[0] == "hntf"]:
        del sys.modules[loaded]
    try:
        import_module(module)
    except ImportError as error:
        print(module, error)
"""


@pytest.mark.slow
def test_every_module_can_be_the_first_that_is_imported():
    assert run(FIRST) == ""


@pytest.mark.parametrize("name", hntf.__all__)
def test_public_names_exist(name):
    assert getattr(hntf, name) is not None


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = hntf.nothing_of_the_kind


@pytest.mark.parametrize("module", [hntf.hierarchies, hntf.losses], ids=lambda module: module.__name__)
def test_losses_and_their_models_are_found_under_their_public_names(module):
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_the_earlier_name_of_unrolled_updates_still_serves():
    assert hntf.hierarchies.Unfolded is hntf.hierarchies.Unrolled


FAULTS = """
import hntf

hntf.NeuralNMF((4, 2), random_state=0).fit([[1.0]])
hntf.NeuralNMFF
hntf.NeuralNMF(wrong=1)
"""


@pytest.mark.slow
def test_a_type_checker_finds_wrong_names_and_arguments(tmp_path):
    module = tmp_path / "faults.py"
    module.write_text(FAULTS)
    command = [sys.executable, "-m", "mypy", "--no-incremental", "--config-file", "", str(module)]
    found = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path).stdout
    lines = [line for line in found.splitlines() if line.startswith("faults.py") and ": error:" in line]
    assert [line.split(":")[1] for line in lines] == ["5", "6"], found
    assert '"NeuralNMFF"' in lines[0]
    assert '"wrong"' in lines[1]


def test_type_checkers_see_every_public_name():
    stub = (Path(hntf.__file__).parent / "__init__.pyi").read_text()
    for name in hntf.__all__:
        assert f" as {name}\n" in stub or f"{name}: " in stub
