"""The number of threads that BLAS may use inside a fit.

A fit alternates small matrix products with compiled kernels over rows. BLAS threads keep spinning for a while after each product
and take the cores from the kernels. BLAS is therefore limited to one thread, unless the products with the data are so large that
they dominate. `benchmarks/threads.py` measures the effect on a machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hntf.threads import single_threaded_blas

DOMINATING_WORK = 1e8
"""Number of multiply-adds of one dense product with the data from which on BLAS keeps its threads."""


@contextmanager
def blas_threads_for(n_dense_entries: int, rank: int) -> Iterator[None]:
    """Limit BLAS to one thread inside the block if that is faster, and restore the previous limit afterwards.

    `n_dense_entries` is the number of entries that a dense product with the data reads.
    """
    if n_dense_entries * rank >= DOMINATING_WORK:
        yield
        return
    with single_threaded_blas():
        yield
