"""Side-by-side timing for the benchmarks: medians of alternating runs, so that a drifting machine hits both alike."""

import statistics
import time
from collections.abc import Callable

SHORTEST = 0.05
"""Seconds that a run lasts at least: short functions are called repeatedly in it."""

SETTLE = 0.1


def seconds(*functions: Callable[[], object], repeats: int = 5) -> list[float]:
    """Return the median seconds of one call of each function, run in turn."""
    calls = []
    for function in functions:
        function()
        start = time.perf_counter()
        function()
        calls.append(max(1, round(SHORTEST / (time.perf_counter() - start))))
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, count, taken in zip(functions, calls, times, strict=True):
            # Threads that the function before left spinning would be paid for by this one.
            time.sleep(SETTLE)
            start = time.perf_counter()
            for _ in range(count):
                function()
            taken.append((time.perf_counter() - start) / count)
    return [statistics.median(taken) for taken in times]
