"""Work over ranges of rows on all cores, with a pool of plain threads.

Plain threads have advantages over a compiled parallel loop: they do not spin, so they leave the cores to others when idle;
kernels may be called from several threads at once; and compilation takes a fraction of the time. BLAS threads do spin for a while
after each product and would take the cores from the kernels. Products that alternate with kernels therefore run in this pool as
well, block by block, with BLAS limited to one thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from hntf.arrays import Array, from_numpy, host_view

SERIAL_WORK = 600_000
"""Number of multiply-adds below which distributing rows over threads costs more than it saves."""

SERIAL_PRODUCT = 4_000_000
"""The same number for matrix products, which take less time per multiply-add."""

THREADED_BY_BLAS = 100_000
"""The same number above which BLAS would take threads of its own, which spin afterwards."""

CHUNKS_PER_THREAD = 2


def limit_cores(number: int) -> None:
    """Let this process, one of several that share the machine, use at most a number of cores."""
    global _most_cores  # noqa: PLW0603  a property of the process
    if _most_cores != number:
        _most_cores = number
        core_count.cache_clear()
        _pool.cache_clear()


_most_cores: int | None = None


@cache
def core_count() -> int:
    """Return the number of cores this process may use."""
    available = _available_cores()
    return available if _most_cores is None else min(available, _most_cores)


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(core_count(), thread_name_prefix="hntf")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


class _BlasHold:
    """Limits BLAS to one thread. The limit applies to the whole process: the first holder sets it and the last restores it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.limiter: Any = None

    def acquire(self) -> None:
        with self.lock:
            if self.holders == 0:
                self.limiter = _blas().limit(limits=1)
            self.holders += 1

    def forget(self) -> None:
        """Forget the holders, which are threads that a forked child does not have."""
        self.lock = threading.Lock()
        if self.holders:
            self.limiter.restore_original_limits()
        self.holders = 0

    def release(self) -> None:
        with self.lock:
            self.holders -= 1
            if self.holders == 0:
                self.limiter.restore_original_limits()


_hold = _BlasHold()

if hasattr(os, "register_at_fork"):
    # A forked child inherits the pool but not its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)
    os.register_at_fork(after_in_child=_hold.forget)


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit NumPy's BLAS to one thread inside the block; the previous limit is restored when no thread needs the limit any more."""
    _hold.acquire()
    try:
        yield
    finally:
        _hold.release()


def over_rows(work: Callable[[int, int], Any], rows: int, work_per_row: int) -> None:
    """Call `work(start, stop)` for ranges that cover `rows`; a row takes about `work_per_row` multiply-adds."""
    if core_count() == 1 or rows * work_per_row < SERIAL_WORK:
        work(0, rows)
        return
    chunk = max(1, -(-rows // (CHUNKS_PER_THREAD * core_count())))
    # The threads share the iterator: its next number is taken under the interpreter's lock.
    starts = iter(range(0, rows, chunk))

    def take() -> None:
        for start in starts:
            work(start, min(start + chunk, rows))

    # This thread takes its share, so where others keep the cores busy, it does not wait for helpers that have not begun.
    helpers = _submitted(take, min(core_count(), -(-rows // chunk)) - 1)
    try:
        take()
    finally:
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()


def _submitted(work: Callable[[], None], times: int) -> list[Future[None]]:
    """Submit work to the pool so many times, or to none where the interpreter ends and its pools take nothing more."""
    try:
        return [_pool().submit(work) for _ in range(times)]
    except RuntimeError:
        return []


def transposed_matmul(X: Array, A: Array) -> Array:
    """Return `(X A)ᵀ` in C order for a tall `X`, computed as in `matmul`."""
    left, right = host_view(X), host_view(A)
    if left is None or right is None:
        return A.T @ X.T
    if core_count() == 1 or left.size * A.shape[1] < SERIAL_PRODUCT:
        with _no_blas_threads(left.size * A.shape[1]):
            return A.T @ X.T
    result = np.empty((right.shape[1], left.shape[0]))
    with single_threaded_blas():
        over_rows(
            lambda start, stop: np.matmul(right.T, left[start:stop].T, out=result[:, start:stop]),
            len(left),
            left.shape[1] * right.shape[1],
        )
    return from_numpy(result, X)


def matmul(X: Array, A: Array) -> Array:
    """Return `X A` for a tall `X`: the same product as `X @ A`, but without BLAS threads that spin afterwards."""
    left, right = host_view(X), host_view(A)
    if left is None or right is None or X.ndim != 2:
        return X @ A
    if core_count() == 1 or left.size * A.shape[1] < SERIAL_PRODUCT:
        with _no_blas_threads(left.size * A.shape[1]):
            return from_numpy(_product(left, right), X)
    with single_threaded_blas():
        if _is_transposed(left) and left.shape[0] < left.shape[1]:
            return from_numpy(_sum_of_products(left, right), X)
        result = np.empty((left.shape[0], right.shape[1]))
        over_rows(
            lambda start, stop: _product(left[start:stop], right, result[start:stop]),
            len(left),
            left.shape[1] * right.shape[1],
        )
    return from_numpy(result, X)


def _sum_of_products(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return the product of a wide matrix, whose columns are in order in memory, by blocks of columns, each read once."""
    products: dict[int, np.ndarray] = {}

    def work(start: int, stop: int) -> None:
        products[start] = _product(left[:, start:stop], right[start:stop])

    over_rows(work, len(right), len(left) * right.shape[1])
    # Whichever thread is first, the sum is the same.
    return sum(products[start] for start in sorted(products))  # type: ignore[return-value]


def _no_blas_threads(work: int) -> AbstractContextManager[None]:
    """Return a context in which a product of so many multiply-adds takes no threads of BLAS."""
    return nullcontext() if core_count() == 1 or work < THREADED_BY_BLAS else single_threaded_blas()


def _product(left: np.ndarray, right: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product; who asks for it checks its entries."""
    with np.errstate(invalid="ignore"):
        return np.matmul(left, right, out=out)


def _is_transposed(x: np.ndarray) -> bool:
    """Tell whether the columns of a matrix, and not its rows, are in order in memory."""
    return x.strides[0] < x.strides[1]
