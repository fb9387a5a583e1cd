"""The loop of all fits: several starts that may race, iterations until convergence, a history, and one result.

A method is a `Descent`: it takes one step at a time and reports its loss and whether it has converged. Optimizers, updates of one
factor after the other, and training on batches are all descents. The result of a run is a `Solution`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from hntf.data import Data
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.checkpoint import Checkpoint, Stage, attributes, take_over
from hntf.fitting.interruption import interrupted
from hntf.fitting.parts import Parts
from hntf.fitting.report import Callback, Report
from hntf.validation import warn_user

EXACT = 1e-15
"""Loss, relative to the data, below which only rounding errors are left."""


RUN_STATE = ("n_iter", "losses", "gradients")
"""What a checkpoint keeps of a run besides its descent."""


class Settings(NamedTuple):
    """The checked parameters of a fit."""

    solver: str
    max_iter: int
    tol: float
    n_init: int = 1
    learning_rate: float | None = None
    verbose: bool = False
    callback: Callback | None = None
    simplex: bool = False
    batch_size: int | None = None
    checkpoint: Checkpoint | None = None

    def after(self, solution: Solution) -> Settings:
        """Return the settings of the next stage of a fit: a single iteration where the user has stopped the stage before."""
        return self._replace(max_iter=1, n_init=1, callback=None) if solution.ended.by_user else self


class Ended(NamedTuple):
    """Whether a descent that has stopped converged, and why it stopped.

    Attributes
    ----------
    converged : bool
        Whether the descent converged.
    message : str
        Why it stopped.
    remedy : str
        What the user can do about it.
    by_user : bool
        Whether the user stopped it: what comes after it should take no time.
    """

    converged: bool
    message: str
    remedy: str = "Raise max_iter or tol"
    by_user: bool = False


MAX_ITER = Ended(False, "max_iter reached")
STUCK = Ended(
    False, "no step along the projected gradient lowers the loss", "Try another start, n_init above 1, or a larger tol"
)
STOPPED = Ended(False, "stopped by the callback", by_user=True)
INTERRUPTED = Ended(False, "interrupted", "The model is the best so far", by_user=True)


class Solution(NamedTuple):
    """The result of a fit.

    Attributes
    ----------
    found : Any
        The fitted model, or the descent itself with its factors.
    n_iter : int
        Number of iterations, including those that screened the start.
    ended : Ended
        Whether the fit has converged, and why it stopped.
    history : dict of arrays
        `"loss"` and, for methods that have one, `"projected_gradient"` after each iteration.
    """

    found: Any
    n_iter: int
    ended: Ended
    history: dict[str, np.ndarray]

    def warn_unless_converged(self, tol: float) -> None:
        """Warn the user if the fit did not converge, except where a callback stopped it."""
        if self.ended.converged or self.ended == STOPPED:
            return
        if "projected_gradient" in self.history:
            where = f"at a relative projected gradient of {self.history['projected_gradient'][-1]:.1e}"
        else:
            where = "while the cost still fell"
        n_screened = max(0, self.n_iter - len(self.history["loss"]))
        of_start = f", {n_screened} of them for its start," if n_screened else ""
        warn_user(
            f"the fit stopped after {self.n_iter} iterations{of_start} {where} (tol={tol:g}): {self.ended.message}. "
            f"{self.ended.remedy}",
            ConvergenceWarning,
        )


def joined(solutions: Sequence[Solution]) -> Solution:
    """Return the combined solution of successive fits, level by level; it has converged if all of them have."""
    unfinished = [solution for solution in solutions if not solution.ended.converged] or solutions[-1:]
    unfinished = [solution for solution in solutions if solution.ended.by_user] or unfinished
    return Solution(
        solutions[-1].found,
        sum(solution.n_iter for solution in solutions),
        unfinished[0].ended,
        {"loss": np.concatenate([solution.history["loss"] for solution in solutions])},
    )


class Descent(ABC):
    """An iterative method running from one start.

    Attributes
    ----------
    race : int or None
        Number of iterations after which only the start with the lowest loss is continued; None if all starts run to their end.
    n_screened : int
        Number of iterations that were spent on screening the start.
    """

    race: int | None = None
    n_screened = 0

    @property
    @abstractmethod
    def loss(self) -> float | None:
        """The current loss, relative to the data; None before the first iteration if it is not known yet."""

    @property
    def projected_gradient(self) -> float | None:
        """The relative projected gradient, None if the method has none."""
        return None

    @property
    @abstractmethod
    def lowest(self) -> float:
        """The loss of `found`."""

    @property
    def found(self) -> Any:
        """The best result so far."""
        return self

    @abstractmethod
    def step(self) -> bool:
        """Take one iteration; return False if no step was possible."""

    @abstractmethod
    def ended(self, tol: float) -> Ended | None:
        """Return why the descent has stopped, None if it has neither converged nor come to a halt."""

    kept: ClassVar[tuple[str, ...] | None] = None
    """The attributes from which the descent can go on; None if it keeps what cannot be saved."""

    nonnegative: ClassVar[tuple[str, ...]] = ()
    """Those of them that have no negative entries."""

    def state(self) -> dict[str, Any]:
        """Return the state from which the descent can go on: nested dictionaries and lists of arrays and numbers."""
        if self.kept is None:
            raise TypeError(f"checkpoint must be None: {type(self).__name__} keeps a state that cannot be saved")
        return attributes(self, self.kept)

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        take_over(self, self.kept or (), state, nonnegative=self.nonnegative)

    def forget(self) -> None:  # noqa: B027  most keep what they need themselves
        """Drop what the parts of the samples remember of the descent, which is given up."""

    def renewed(self) -> Descent:
        """Return the descent with which to continue after a race."""
        return self


class Sweeps(Descent):
    """A descent by updates of one factor after the other; it stops if a sweep lowers the cost by at most `tol`, relatively."""

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
    """Take steps until a descent stops or `max_iter` is reached; return the number of iterations and why it stopped.

    `note` is called after every iteration and returns whether to stop.
    """
    while True:
        ended = descent.ended(tol) if n_iter > 0 or descent.loss is not None else None
        if ended is None and n_iter >= max_iter:
            ended = MAX_ITER
        if ended is None and interrupted() and descent.loss is not None:
            ended = INTERRUPTED
        if ended is None and descent.step():
            n_iter += 1
            if note(n_iter, descent):
                ended = STOPPED
        if ended is not None:
            return n_iter, ended


class _Run:
    """The run of a descent from one start, with its history."""

    def __init__(self, descent: Descent, report: Report, stage: Stage | None, index: int) -> None:
        self.descent = descent
        self.report = report
        self.stage = stage
        self.index: int | None = index
        self.n_iter = 0
        self.ended: Ended = MAX_ITER
        self.losses: list[float] = []
        self.gradients: list[float] = []
        self.go_on = True
        # A start that was cut short is not the one that the same call would draw again.
        self.may_be_kept = stage is not None and not interrupted()

    def _note(self, n_iter: int, descent: Descent) -> bool:
        loss, gradient = descent.loss, descent.projected_gradient
        self.losses.append(loss)  # type: ignore[arg-type]
        if gradient is not None:
            self.gradients.append(gradient)
        self.n_iter = n_iter
        if self.stage is not None and n_iter > 0 and n_iter % self.stage.every == 0:
            self.keep()
        return self.report(n_iter, loss, gradient)  # type: ignore[arg-type]

    def keep(self) -> None:
        """Write the state of the run to the checkpoint, if there is one and the run is that of the whole start."""
        if self.stage is not None and self.may_be_kept:
            self.stage.keep(self.index, {**attributes(self, RUN_STATE), "descent": self.descent.state()})

    def resume(self) -> None:
        """Go on from the checkpoint, if it has this run."""
        state = None if self.stage is None else self.stage.of_run(self.index)
        if state is not None:
            take_over(self, RUN_STATE, state)
            self.descent.restore(state.get("descent", {}))
            self.may_be_kept = True

    def advance(self, max_iter: int, tol: float) -> None:
        try:
            if not self.losses and self.descent.loss is not None and self._note(0, self.descent):
                self.ended = STOPPED
            else:
                self.n_iter, self.ended = advance(
                    self.descent, max_iter=max_iter, tol=tol, n_iter=self.n_iter, note=self._note
                )
        except KeyboardInterrupt:
            self.ended = INTERRUPTED
        self.go_on = self.ended == MAX_ITER
        self.keep()

    def continued(self) -> None:
        """Go on with the descent after a race."""
        self.descent = self.descent.renewed()
        self.index = None
        self.resume()

    def solution(self) -> Solution:
        history = {"loss": np.array(self.losses)}
        if self.gradients:
            history["projected_gradient"] = np.array(self.gradients)
        n_iter = self.n_iter + self.descent.n_screened
        return Solution(self.descent.found, n_iter, self.ended, history)


def run(start: Callable[[], Descent], settings: Settings, data: Data | Parts, rank: int) -> Solution:
    """Run a method from `n_init` starts, each drawn by `start()`, and return the best solution.

    If the starts of the method race, all run for some iterations and only the one with the lowest loss is continued. `rank` is
    the largest rank of the method's products with the data. Ctrl-C stops a fit with the best solution so far.
    """
    runs: list[_Run] = []
    stage = None if settings.checkpoint is None else settings.checkpoint.stage()
    report = Report(
        max_iter=settings.max_iter,
        n_starts=settings.n_init,
        verbose=settings.verbose,
        callback=settings.callback,
    )
    with blas_threads_for(data.n_dense_entries, rank), report:
        for _ in range(settings.n_init):
            report.begin()
            try:
                runs.append(_Run(start(), report, stage, len(runs)))
                runs[-1].resume()
                runs[-1].keep()
            except KeyboardInterrupt:
                if not runs:
                    raise
                runs[-1].ended = INTERRUPTED
                break
            race = runs[-1].descent.race if settings.n_init > 1 else None
            runs[-1].advance(min(race or settings.max_iter, settings.max_iter), settings.tol)
            _give_up_all_but(_best(runs), runs)
            if runs[-1].ended.by_user:
                break
        best = _best(runs)
        if runs[-1].ended.by_user:
            best.ended = runs[-1].ended
        elif best.go_on and best.n_iter < settings.max_iter:
            best.continued()
            best.advance(settings.max_iter, settings.tol)
    return best.solution()


def _best(runs: Sequence[_Run]) -> _Run:
    return min(runs, key=lambda run: run.descent.lowest)


def _give_up_all_but(best: _Run, runs: Sequence[_Run]) -> None:
    """Free the memory of the other runs: none of them will be continued."""
    for run in runs:
        if run is not best:
            run.descent.forget()
