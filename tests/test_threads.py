"""Work over ranges of rows, and matrix products in it."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from hntf import threads


@pytest.mark.parametrize("n_cores", [1, 2, 5])
def test_every_row_is_worked_on_once(n_cores, monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: n_cores)
    for rows in (0, 1, 2, 7, 100):
        done = np.zeros(rows, int)

        def work(start, stop, done=done):
            done[start:stop] += 1

        threads.over_rows(work, rows, threads.SERIAL_WORK)
        np.testing.assert_array_equal(done, 1)


def test_an_error_in_any_range_is_raised_when_the_others_have_ended():
    for bad in range(4):
        running = []

        def work(start, stop, bad=bad, running=running):
            running.append(start)
            if start == bad:
                raise ArithmeticError
            running.remove(start)

        with pytest.raises(ArithmeticError):
            threads.over_rows(work, 4, threads.SERIAL_WORK)
        assert running == [bad]


def test_every_range_has_ended_when_an_error_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "core_count", lambda: 3)
    ended, both = [], threading.Barrier(3)

    def work(start, stop):
        if start < 3:
            both.wait(10)
            if start == 2:
                time.sleep(0.2)
                ended.append(start)
            else:
                raise ArithmeticError
        time.sleep(0.01)

    with pytest.raises(ArithmeticError):
        threads.over_rows(work, 6, threads.SERIAL_WORK)
    assert ended == [2]


@pytest.mark.slow
def test_a_thread_that_outlives_the_main_one_works():
    code = (
        "import threading, time, numpy as np, hntf\n"
        "A, B = np.random.rand(200, 30), np.random.rand(200, 500)\n"
        "hntf.nnls(A, B)\n"
        "main = threading.main_thread()\n"
        "threading.Thread(target=lambda: (main.join(), time.sleep(0.2), print(hntf.nnls(A, B).shape))).start()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(30, 500)", done.stderr


def test_work_may_divide_its_rows_again():
    total = np.zeros(4)

    def outer(start, stop):
        for i in range(start, stop):
            threads.over_rows(lambda first, last, i=i: total.__setitem__(i, total[i] + last - first), 1, 10**9)

    threads.over_rows(outer, 4, threads.SERIAL_WORK)
    np.testing.assert_array_equal(total, 1)


@pytest.mark.parametrize("n", [10, 3_000, 60_000])
def test_products_of_any_size_and_arrangement(n, backend, rng):
    X, A = rng.standard_normal((n, 30)), rng.standard_normal((30, 5))
    for left in (X, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        for right in (A, np.asfortranarray(A)):
            np.testing.assert_allclose(threads.matmul(backend(left), backend(right)), X @ A, rtol=1e-12, atol=1e-12)
            transposed = threads.transposed_matmul(backend(left), backend(right))
            np.testing.assert_allclose(transposed, (X @ A).T, rtol=1e-12, atol=1e-12)
        S = rng.standard_normal((n, 5))
        wide = threads.matmul(backend(left).T, backend(S))
        np.testing.assert_allclose(wide, X.T @ S, rtol=1e-12, atol=1e-10)
        np.testing.assert_array_equal(wide, threads.matmul(backend(left).T, backend(S)))
    X[0, 0] = np.inf
    assert np.isinf(np.asarray(threads.matmul(backend(X), backend(abs(A))))[0]).all()
