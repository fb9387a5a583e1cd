"""Ctrl-C during a fit: noted once, raised the second time, and left to whoever else handles it."""

import signal
import threading

import pytest

from hntf.fitting.interruption import interrupted, interruptible, interrupting


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_noted_and_the_second_raises():
    with interruptible():
        assert not interrupted()
        press()
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            press()
    assert not interrupted()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_fit_inside_a_fit_leaves_the_note_to_the_outer_one():
    with interruptible():
        press()
        with interruptible():
            assert interrupted()
        assert interrupted()


def test_a_result_of_an_interrupted_fit_is_not_taken_for_whole():
    with pytest.raises(KeyboardInterrupt), interrupting(), interruptible():
        press()
    with interrupting():
        assert not interrupted()


def test_a_handler_of_the_user_stays():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        with interruptible():
            press()
            assert not interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [True]


def test_other_threads_are_not_interrupted():
    seen = []

    def fit():
        with interruptible():
            seen.append(interrupted())

    with interruptible():
        press()
        thread = threading.Thread(target=fit)
        thread.start()
        thread.join()
    assert seen == [False]
