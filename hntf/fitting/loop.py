"""The one loop of all fits: starts that may race, iterations until a method has converged, a history, one result.

A method is a `Descent`: it takes one step at a time and says where it has arrived and whether it has converged. Optimizers,
updates in turn and training on batches are all descents; what follows from a run is one `Solution`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hntf.data import Data
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.report import Callback, Report
from hntf.validation import warn_user

EXACT = 1e-15
"""Loss, relative to the data, below which all that is left is rounding."""


class Settings(NamedTuple):
    """How to fit: the names and numbers that estimators take from their users."""

    solver: str
    max_iter: int
    tol: float
    n_init: int = 1
    learning_rate: float | None = None
    verbose: bool = False
    callback: Callback | None = None
    simplex: bool = False
    batch_size: int | None = None


class Solution(NamedTuple):
    """Where a fit ended.

    Attributes
    ----------
    found : Any
        What the descent found: a model, or the descent itself with its factors.
    n_iter : int
        Iterations, those that screened the start among them.
    converged : bool
    message : str
        Why it ended.
    history : dict of arrays
        `"loss"` and, of methods that have one, `"projected_gradient"` by iteration.
    """

    found: Any
    n_iter: int
    converged: bool
    message: str
    history: dict[str, np.ndarray]

    def warn_unless_converged(self, tol: float) -> None:
        """Warn the user where the fit did not converge."""
        if self.converged or self.message == STOPPED:
            return
        if "projected_gradient" in self.history:
            where = f"at a relative projected gradient of {self.history['projected_gradient'][-1]:.1e}"
        else:
            where = "while the cost still fell"
        warn_user(
            f"the fit stopped after {self.n_iter} iterations {where} (tol={tol:g}): {self.message}. {self._remedy}",
            ConvergenceWarning,
        )

    @property
    def _remedy(self) -> str:
        if self.message == INTERRUPTED:
            return "The model is the best so far"
        if self.message == STUCK:
            return "Try another start, n_init above 1, or a larger tol"
        return "Raise max_iter or tol"


def joined(solutions: Sequence[Solution]) -> Solution:
    """Return the solution of fits one after the other, level by level: it has converged where all have."""
    unfinished = [solution for solution in solutions if not solution.converged] or solutions[-1:]
    return Solution(
        solutions[-1].found,
        sum(solution.n_iter for solution in solutions),
        unfinished[0].converged,
        unfinished[0].message,
        {"loss": np.concatenate([solution.history["loss"] for solution in solutions])},
    )


MAX_ITER = "max_iter reached"
STUCK = "no step along the projected gradient lowers the loss"
STOPPED = "stopped by the callback"
INTERRUPTED = "interrupted"


class Ended(NamedTuple):
    """That a descent can or need not go on, and why."""

    converged: bool
    message: str


class Descent(ABC):
    """A method on its way from one start.

    Attributes
    ----------
    race : int or None
        Iterations after which the lowest of several starts is the one to go on with; None where all go to their end.
    n_screened : int
        Iterations that went into the start.
    """

    race: int | None = None
    n_screened = 0

    @property
    @abstractmethod
    def loss(self) -> float | None:
        """The loss where the descent stands, relative to the data; None before the first iteration where it is not known."""

    @property
    def projected_gradient(self) -> float | None:
        """The relative projected gradient, None where the method has none."""
        return None

    @property
    @abstractmethod
    def lowest(self) -> float:
        """The loss of what was found."""

    @property
    def found(self) -> Any:
        """What was found so far."""
        return self

    @abstractmethod
    def step(self) -> bool:
        """Take one iteration; return whether there was one to take."""

    @abstractmethod
    def ended(self, tol: float) -> Ended | None:
        """Tell whether the descent has converged, or cannot go on."""

    def renewed(self) -> Descent:
        """Return the descent to go on with after a race."""
        return self


class Sweeps(Descent):
    """A descent by updates of one factor after the other; it ends where a sweep lowers the cost by at most `tol`, relatively."""

    cost = float("inf")
    previous = float("inf")
    scale = 1.0

    @abstractmethod
    def sweep(self) -> float:
        """Update every factor once and return the cost after it."""

    @property
    def loss(self) -> float | None:
        return None if self.cost == float("inf") else self.cost / self.scale

    @property
    def lowest(self) -> float:
        return self.cost

    def step(self) -> bool:
        self.previous, self.cost = self.cost, self.sweep()
        return True

    def ended(self, tol: float) -> Ended | None:
        if self.previous - self.cost <= tol * abs(self.cost) or (self.loss is not None and self.loss <= EXACT):
            return Ended(True, "a sweep lowered the cost by no more than tol")
        return None


def advance(
    descent: Descent,
    *,
    max_iter: int,
    tol: float,
    n_iter: int = 0,
    note: Callable[[int, Descent], bool] = lambda n_iter, descent: False,
) -> tuple[int, Ended]:
    """Take steps until a descent has ended or `max_iter` is reached; return the number of iterations and why it ended.

    `note` is called after every iteration and may ask to stop.
    """
    while True:
        ended = descent.ended(tol) if n_iter > 0 or descent.loss is not None else None
        if ended is None and n_iter >= max_iter:
            ended = Ended(False, MAX_ITER)
        if ended is None and descent.step():
            n_iter += 1
            if note(n_iter, descent):
                ended = Ended(False, STOPPED)
        if ended is not None:
            return n_iter, ended


class _Run:
    """One start on its way, with its history."""

    def __init__(self, descent: Descent, report: Report) -> None:
        self.descent = descent
        self.report = report
        self.n_iter = 0
        self.ended = Ended(False, MAX_ITER)
        self.losses: list[float] = []
        self.gradients: list[float] = []
        self.go_on = True

    def _note(self, n_iter: int, descent: Descent) -> bool:
        loss, gradient = descent.loss, descent.projected_gradient
        self.losses.append(loss)  # type: ignore[arg-type]
        if gradient is not None:
            self.gradients.append(gradient)
        self.n_iter = n_iter
        return self.report(n_iter, loss, gradient)  # type: ignore[arg-type]

    def advance(self, max_iter: int, tol: float) -> None:
        try:
            if not self.losses and self.descent.loss is not None and self._note(0, self.descent):
                self.ended = Ended(False, STOPPED)
            else:
                self.n_iter, self.ended = advance(
                    self.descent, max_iter=max_iter, tol=tol, n_iter=self.n_iter, note=self._note
                )
        except KeyboardInterrupt:
            self.ended = Ended(False, INTERRUPTED)
        self.go_on = self.ended == Ended(False, MAX_ITER)

    def solution(self) -> Solution:
        history = {"loss": np.array(self.losses)}
        if self.gradients:
            history["projected_gradient"] = np.array(self.gradients)
        n_iter = self.n_iter + self.descent.n_screened
        return Solution(self.descent.found, n_iter, *self.ended, history)


def run(start: Callable[[], Descent], settings: Settings, data: Data, rank: int) -> Solution:
    """Run a method from the best of `n_init` starts, each drawn by `start()`; `rank` is the largest of its products with the data.

    Where the method lets its starts race, all go some iterations and the lowest goes on alone. Ctrl-C ends a fit with the best
    so far.
    """
    runs: list[_Run] = []
    report = Report(
        max_iter=settings.max_iter,
        n_starts=settings.n_init,
        verbose=settings.verbose,
        callback=settings.callback,
    )
    with blas_threads_for(data, rank), report:
        for _ in range(settings.n_init):
            report.begin()
            try:
                runs.append(_Run(start(), report))
            except KeyboardInterrupt:
                if not runs:
                    raise
                runs[-1].ended = Ended(False, INTERRUPTED)
                break
            race = runs[-1].descent.race if settings.n_init > 1 else None
            runs[-1].advance(min(race or settings.max_iter, settings.max_iter), settings.tol)
            if runs[-1].ended.message in (INTERRUPTED, STOPPED):
                break
        best = min(runs, key=lambda run: run.descent.lowest)
        if runs[-1].ended.message in (INTERRUPTED, STOPPED):
            best.ended = runs[-1].ended
        elif best.go_on and best.n_iter < settings.max_iter:
            best.descent = best.descent.renewed()
            best.advance(settings.max_iter, settings.tol)
    return best.solution()
