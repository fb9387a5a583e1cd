"""Ctrl-C during a fit: it is noted, and every loop of the fit ends after its current iteration.

A fit has several loops, of the starts, of the levels and of the training. An exception would leave all of them at once and lose
what they have found; a note lets each of them end and the fit finish with the best model so far.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_of_thread = threading.local()


def interrupted() -> bool:
    """Tell whether Ctrl-C was pressed during the fit that runs in this thread."""
    return getattr(_of_thread, "interrupted", False)


@contextmanager
def interruptible() -> Iterator[None]:
    """Note the first Ctrl-C inside this block; a second one raises `KeyboardInterrupt` as usual.

    Python delivers Ctrl-C to the main thread only, and a handler that the user has installed stays in place.
    """
    default = signal.default_int_handler
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or interrupted() or signal.getsignal(signal.SIGINT) is not default:
        yield
        return

    def note(*_: object) -> None:
        _of_thread.interrupted = True
        signal.signal(signal.SIGINT, default)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        _of_thread.interrupted = False
        signal.signal(signal.SIGINT, default)


@contextmanager
def interrupting() -> Iterator[None]:
    """Raise `KeyboardInterrupt` at the end of this block if a fit inside was interrupted: its result is not whole."""
    with interruptible():
        yield
        if interrupted():
            raise KeyboardInterrupt
