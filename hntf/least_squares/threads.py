"""Run a kernel that releases the interpreter lock over ranges of rows, on all cores.

Plain threads rather than a compiled parallel loop: they never spin, so they leave the cores to BLAS when idle; kernels
may be called from several threads at once; and they compile in a fraction of the time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

SERIAL_WORK = 200_000
"""Multiply-adds below which handing rows to threads costs more than it saves."""

CHUNKS_PER_THREAD = 2


@cache
def core_count() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(core_count(), thread_name_prefix="hntf")


if hasattr(os, "register_at_fork"):
    # A forked child inherits the pool but not its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def over_rows(kernel: Callable[..., None], rows: int, work_per_row: int, *arguments: object) -> None:
    """Call `kernel(*arguments, start, stop)` over ranges that cover `rows`."""
    if core_count() == 1 or rows * work_per_row < SERIAL_WORK:
        kernel(*arguments, 0, rows)
        return
    chunk = max(1, -(-rows // (CHUNKS_PER_THREAD * core_count())))
    starts = range(0, rows, chunk)
    futures = [_pool().submit(kernel, *arguments, start, min(start + chunk, rows)) for start in starts]
    for future in futures:
        future.result()
