"""The progress of a running fit: a progress bar, and a callback that may stop the fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self

from tqdm.auto import tqdm


class Progress(NamedTuple):
    """The progress of a fit, which is passed to the callback after every iteration.

    Attributes
    ----------
    start : int
        Index of the current start, from 0.
    n_starts : int
        Number of starts.
    n_iter : int
        Number of iterations of this start so far.
    loss : float
        The loss, as in `history_["loss"]`.
    projected_gradient : float or None
        The relative projected gradient, None for methods without one.
    """

    start: int
    n_starts: int
    n_iter: int
    loss: float
    projected_gradient: float | None


Callback = Callable[[Progress], Any]
"""A function that is called after every iteration; the fit stops if it returns a true value."""


class Report:
    """Shows a progress bar if `verbose`, beginning when a start is drawn, and calls the user's callback."""

    def __init__(self, *, max_iter: int, n_starts: int, verbose: bool, callback: Callback | None) -> None:
        self.max_iter = max_iter
        self.n_starts = n_starts
        self.verbose = verbose
        self.callback = callback
        self.start = -1
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def begin(self) -> None:
        """Show that the next start is being drawn."""
        self._close()
        self.start += 1
        self._title = "fit" if self.n_starts == 1 else f"fit {self.start + 1}/{self.n_starts}"
        # Even a disabled bar takes a lock that all forks of a process share, and that one which is killed may hold forever.
        self._bar = tqdm(total=self.max_iter, desc=f"{self._title}: start", unit="it") if self.verbose else None

    def __call__(self, n_iter: int, loss: float, projected_gradient: float | None) -> bool:
        """Report an iteration; return whether the callback asks to stop."""
        if self._bar is not None:
            self._show(n_iter, loss, projected_gradient)
        if self.callback is None:
            return False
        return bool(self.callback(Progress(self.start, self.n_starts, n_iter, loss, projected_gradient)))

    def _show(self, n_iter: int, loss: float, projected_gradient: float | None) -> None:
        """Show an iteration in the progress bar."""
        shown = {"loss": f"{loss:.6g}"}
        if projected_gradient is not None:
            shown["gradient"] = f"{projected_gradient:.1e}"
        if n_iter <= 1:
            self._bar.set_description(self._title, refresh=False)
        self._bar.set_postfix(**shown, refresh=False)
        self._bar.update(n_iter - self._bar.n)
