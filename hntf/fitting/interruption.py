"""Ctrl-C during a fit: it is noted, and every loop of the fit ends after its current iteration.

A fit has several loops, of the starts, of the levels and of the training. An exception would leave all of them at once and lose
what they have found; a note lets each of them end and the fit finish with the best model so far.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hntf.fitting.group import distributed

_of_thread = threading.local()


def interrupted() -> bool:
    """Tell whether the fit that runs in this thread is to end: Ctrl-C was pressed, and the processes of a group know it."""
    return getattr(_of_thread, "interrupted", False)


def was_pressed() -> bool:
    """Tell whether Ctrl-C was pressed in this process during the fit that runs in this thread."""
    return getattr(_of_thread, "pressed", False)


def end() -> None:
    """End the fit that runs in this thread."""
    _of_thread.interrupted = True


@contextmanager
def interruptible() -> Iterator[None]:
    """Note the first Ctrl-C inside this block; a second one raises `KeyboardInterrupt` as usual.

    Python delivers Ctrl-C to the main thread only, and a handler that the user has installed stays in place.
    """
    if getattr(_of_thread, "is_inside", False):
        yield
        return
    default = signal.default_int_handler
    in_main = threading.current_thread() is threading.main_thread()
    notes = in_main and signal.getsignal(signal.SIGINT) is default

    def note(*_: object) -> None:
        _of_thread.pressed = True
        if distributed() is None:
            end()  # the processes of a group end together, after their next sum
        signal.signal(signal.SIGINT, default)

    _of_thread.is_inside = True
    if notes:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        _of_thread.is_inside = _of_thread.interrupted = _of_thread.pressed = False
        if notes:
            signal.signal(signal.SIGINT, default)


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end of this block if a fit inside was interrupted: its result is not whole."""
    with interruptible():
        yield
        if interrupted():
            raise KeyboardInterrupt
