"""Runs the fits of a selection in one process or in several, and keeps their results in a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs
from tqdm import tqdm

from hntf.arrays import to_numpy
from hntf.estimators.inputs import as_input
from hntf.estimators.of_part import fingerprint
from hntf.fitting.checkpoint import described
from hntf.selection.problem import Problem
from hntf.storage import read_if_there, replace_file
from hntf.threads import limit_cores
from hntf.validation import checked_file

VERSION = 2
"""That of what the results are: a file with those of another one is refused."""

SHARED_FILES = "joblib_memmapping_folder"
"""Part of the paths of the files in which joblib keeps large arrays for its processes."""

Job = tuple[str, Any, Any]
"""The name of what is computed, the candidate, and the fold or the folds."""


class Runner:
    """Runs jobs, each of them once.

    Parameters
    ----------
    problem : Problem
        The data and the model.
    n_jobs : int or None
        The number of processes.
    checkpoint : str, Path or None
        A file for the results.
    verbose : bool or int
        Whether to show progress.
    """

    def __init__(self, problem: Problem, n_jobs: int | None, checkpoint: Any, verbose: bool | int) -> None:
        self.problem, self.verbose = problem, verbose
        self.n_jobs = n_jobs
        self._path = None if checkpoint is None else checked_file(checkpoint, "checkpoint")
        self._results: dict[str, Any] = {}
        if self._path is None:
            return
        if not self._path.parent.is_dir():
            raise ValueError(f"checkpoint must be the path of a file in a folder that exists, got {self._path}")
        self._signature = _signature(problem)
        if (content := read_if_there(self._path)) is not None:
            self._results = self._read(content)

    def run(self, work: Callable[[Problem, Any, Any], Any], jobs: Sequence[Job]) -> list[Any]:
        """Return `work(problem, candidate, folds)` for all jobs."""
        missing = [job for job in jobs if str(job) not in self._results]
        for job, result in zip(missing, self._computed(work, missing), strict=True):
            self._results[str(job)] = result
            self._write()
        return [self._results[str(job)] for job in jobs]

    def _computed(self, work: Callable[[Problem, Any, Any], Any], jobs: Sequence[Job]) -> Any:
        name = jobs[0][0] if jobs else ""
        results = in_processes(self.n_jobs, work, [(self.problem, rank, folds) for _, rank, folds in jobs])
        return tqdm(results, name, total=len(jobs)) if self.verbose and jobs else results

    def _write(self) -> None:
        if self._path is None:
            return
        content = {"signature": self._signature, "results": self._results, "digest": _digest(self._results)}
        replace_file(self._path, json.dumps(content).encode())

    def _read(self, content: bytes) -> dict[str, Any]:
        try:
            state = json.loads(content)
            signature, results, digest = state["signature"], state["results"], state["digest"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"checkpoint must be a file of select_ranks, got {self._path}") from error
        if not isinstance(results, dict) or digest != _digest(results):
            raise ValueError(f"checkpoint must be a file of select_ranks, got {self._path}")
        if signature != self._signature:
            raise ValueError(f"checkpoint must be of the same data, model and arguments, got {self._path}")
        return results


def _digest(results: dict[str, Any]) -> str:
    """Return a digest of the results, by which a file that was changed is known."""
    return hashlib.sha256(json.dumps(results).encode()).hexdigest()


def _signature(problem: Problem) -> list[Any]:
    """Return what the results depend on, as JSON keeps it."""
    options = {"mask": problem.mask, "weights": problem.weights, "nonnegative": False, "together": False}
    parts = as_input(problem.X, **options).parts
    sums = to_numpy(parts.total(fingerprint))
    parameters = described(problem.model.get_params())
    return [
        VERSION,
        type(problem.model).__name__,
        json.loads(json.dumps(parameters)),
        list(problem.shape),
        [problem.fraction, problem.seed, parts.norm_squared, *sums.ravel().tolist()],
    ]


def in_processes(n_jobs: int | None, work: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    """Yield `work(*arguments)` for all calls, computed in this process or in several that share the cores."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise ValueError(f"n_jobs must be a number of processes, or -1 for all cores, got {n_jobs!r}")
    jobs = effective_n_jobs(n_jobs)
    if jobs == 1:
        return (work(*arguments) for arguments in calls)
    cores = max(1, cpu_count() // jobs)
    return Parallel(n_jobs=jobs, return_as="generator")(delayed(_in_process)(cores, work, each) for each in calls)


def _in_process(cores: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    limit_cores(cores)
    return work(*_in_memory(arguments))


def _in_memory(x: Any) -> Any:
    """Return arguments with arrays in place of the files through which processes share them: a file would be fitted in parts."""
    if isinstance(x, np.memmap) and SHARED_FILES in str(x.filename):
        return x.view(np.ndarray)
    if isinstance(x, dict):
        return {name: _in_memory(value) for name, value in x.items()}
    if isinstance(x, tuple) and hasattr(x, "_fields"):
        return type(x)(*map(_in_memory, x))
    return type(x)(map(_in_memory, x)) if type(x) in (list, tuple) else x
