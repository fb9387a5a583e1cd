"""A peer of `layer.py` in a process and an environment of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("worker.py")
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"

PEERS = {
    "jaxnnls": "jax",
    "qpax": "jax",
    "jaxopt": "jax",
    "optax": "jax",
    "proxsuite": "torch",
    "cvxpylayers": "torch",
    "qpth": "qpth",
}
"""The peers, and the environment `.venv-peers-<name>` in which each is installed."""


class PeerError(Exception):
    """What a peer could not do."""


class Peer:
    """A process that solves one problem with one peer.

    Parameters
    ----------
    name : str
        A peer, or a name of hntf in `on_torch.py`.
    problem : Path
        An `.npz` file with `X` `(b, n, m)`, `A` `(b, m, k)`, the functional `D` `(b, n, k)`, and a direction `U`, `W`.
    cores : int
        The number of cores it may use.
    """

    def __init__(self, name: str, problem: Path, cores: int):
        environment = PEERS.get(name)
        python = ROOT / f".venv-peers-{environment}" / "bin" / "python" if environment else Path(sys.executable)
        flags = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if cores == 1 else {}
        self.log = problem.with_name(f"{name}.log")
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                [python, SCRIPT, "on_jax" if environment == "jax" else "on_torch", name, problem, str(cores)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=os.environ | dict.fromkeys(THREADS, str(cores)) | flags,
                text=True,
            )
        self.rows: int = self._answer()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, request: str) -> None:
        """Have a method of `Layer` called, whose arrays go to a file if the request names one after a space."""
        print(request, file=self.process.stdin, flush=True)
        self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        if self.process.wait() == -signal.SIGALRM:
            raise PeerError("does not come to an end")
        said = self.log.read_text().splitlines() or [f"ended with {self.process.returncode}"]
        raise PeerError(said[-1][:120])
