"""What all tests share: both backends, and a Hypothesis profile that is the same on every machine."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "hntf",
    deadline=None,
    max_examples=int(os.environ.get("HNTF_EXAMPLES", "20")),
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("hntf")


def _remove_stale_kernels():
    """Remove cached kernels older than the source of any: Numba only looks at the file that a kernel is in, not at its callees."""
    package = Path(__file__).parents[1] / "hntf"
    newest = max(path.stat().st_mtime for path in package.rglob("*.py") if "kernel" in path.read_text())
    for cached in package.rglob("*.nb[ic]"):
        if cached.stat().st_mtime < newest:
            cached.unlink(missing_ok=True)


_remove_stale_kernels()


@pytest.fixture(params=["numpy", "torch"])
def backend(request):
    """A function that takes a NumPy array into the backend under test."""
    return np.asarray if request.param == "numpy" else torch.as_tensor


@pytest.fixture(scope="module")
def one_thread():
    """Hold torch to one thread, where its operations are so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _control_c():
    """Handle Ctrl-C as Python does by default: a shell lets background jobs ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rng():
    return np.random.default_rng(0)
