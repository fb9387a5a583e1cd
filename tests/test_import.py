"""What `import hntf` costs and promises."""

import subprocess
import sys

import pytest

import hntf


def run(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_loads_nothing_heavy():
    loaded = run("import sys, hntf; print(*[m for m in ('torch', 'numba', 'matplotlib') if m in sys.modules])")
    assert loaded.split() == []


def test_a_fit_on_numpy_loads_no_torch():
    code = "import sys, numpy, hntf; hntf.NeuralNMF((2,)).fit(numpy.ones((3, 3))); print('torch' in sys.modules)"
    assert run(code).strip() == "False"


def test_importing_takes_half_a_second_at_most_beyond_scikit_learn_and_tensorly():
    code = (
        "import time, sklearn.decomposition, sklearn.utils.validation, tensorly; t = time.perf_counter();"
        "import hntf; hntf.NeuralNMF, hntf.nnls; print(time.perf_counter() - t)"
    )
    assert min(float(run(code)) for _ in range(3)) < 0.5


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
