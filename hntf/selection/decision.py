"""What the criteria recommend, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.selection.folds import FoldErrors
from hntf.selection.from_fits import FROM_FITS
from hntf.selection.runner import Runner
from hntf.tables import Table


class Decision:
    """The values of all criteria, and what they recommend."""

    def __init__(
        self,
        runner: Runner,
        names: Sequence[str],
        ranks: Sequence[Any],
        errors: dict[str, FoldErrors],
        n_observed: float,
    ) -> None:
        self.names, self.ranks, self.errors = list(names), list(ranks), errors
        self._largest_predicted = runner.problem.largest_predicted
        self.values: dict[str, dict[Any, float]] = {}
        self.recommended: dict[str, Any] = {}
        self.lowest: dict[str, Any] = {}
        for name in names:
            if name in errors:
                best, self.lowest[name] = errors[name].recommended()
                self.recommended[name] = best or None
            else:
                self._look_at_fits(runner, name, n_observed)

    def _look_at_fits(self, runner: Runner, name: str, n_observed: float) -> None:
        """Add the values of a criterion that looks at fits of all data, and what it recommends."""
        criterion = FROM_FITS[name]
        if criterion.of_numbers and any(isinstance(rank, tuple) for rank in self.ranks):
            return
        if len(self.ranks) < criterion.fewest:
            return
        found = runner.run(criterion.work, [(criterion.column, rank, 0) for rank in self.ranks])
        values = self.values[criterion.column] = dict(zip(self.ranks, found, strict=True))
        if criterion.values is not None:
            values = self.values[name] = criterion.values(values, runner.problem.shape, n_observed)
        self.recommended[name] = criterion.choose(values)

    @property
    def table(self) -> Table:
        """A row for every candidate."""
        columns: dict[str, list[Any]] = {"rank": [0, *self.ranks] if self.errors else self.ranks}
        for name, errors in self.errors.items():
            columns[name] = [errors.mean(rank) for rank in columns["rank"]]
            columns[f"{name} standard error"] = [errors.standard_error(rank) for rank in columns["rank"]]
            columns[f"{name} folds"] = [errors.n_folds(rank) for rank in columns["rank"]]
        for name, values in self.values.items():
            columns[name] = [values.get(rank) for rank in columns["rank"]]
        return Table(columns)

    def reason(self) -> str:
        """Return why, and which criteria disagree."""
        name = self.names[0]
        text = self._of_predictions(name) if name in self.errors else self._of_fits(name)
        best, others = self.recommended[name], [other for other in self.names[1:] if other in self.recommended]
        # Of data without structure, those that cannot say so do not disagree.
        comparable = others if best is not None else [other for other in others if other in self.errors]
        agree = [other for other in comparable if self.recommended[other] == best]
        if agree:
            text += f" {', '.join(agree)} agree{'s' if len(agree) == 1 else ''}."
        if differ := [self._said_by(other) for other in comparable if other not in agree]:
            text += f" Criteria disagree: {', '.join(differ)}."
        if rest := [self._said_by(other) for other in others if other not in comparable]:
            text += f" Criteria that do not predict name a number of any data: {', '.join(rest)}."
        return text

    def _of_predictions(self, name: str) -> str:
        """Return why a criterion that predicts recommends what it does."""
        best, lowest = self.recommended[name], self.lowest[name]
        if best is None and not lowest:
            return (
                f"No structure: no number of components that was tried, {self._tried}, predicts entries better than the mean of "
                "the others does."
            )
        if best is None:
            return (
                f"No structure: {_components(lowest)}, the best of {self._tried} that were tried, predict{'s' * (lowest == 1)} "
                "entries better than the mean of the others does by less than one standard error."
            )
        text = (
            f"{_components(best)}: the smallest number whose prediction error ({name}) exceeds the lowest, which is that of "
            f"{lowest}, by no more than one standard error."
        )
        if lowest == self.ranks[-1] and len(self.ranks) > 1 and not self.errors[name].is_exact(lowest):
            has_most = isinstance(lowest, int) and lowest >= self._largest_predicted
            why = "more have as many parameters as there are entries to fit" if has_most else "more may predict better"
            text += f" {lowest} is the largest that was tried: {why}."
        return text

    def _of_fits(self, name: str) -> str:
        """Return what a criterion that looks at fits of all data recommends."""
        best = self.recommended[name]
        text = f"{'No number of components' if best is None else _components(best)}, by {name}, of {self._tried} that were tried."
        if best == self.ranks[-1] and len(self.ranks) > 1:
            text += f" {best} is the largest: more may be better."
        return text

    def _said_by(self, name: str) -> str:
        """Return what a criterion says, in a few words."""
        said = self.recommended[name]
        if said is None:
            said = "no structure" if name in self.errors else "none"
        return f"{name} says {said}"

    @property
    def _tried(self) -> str:
        return f"{self.ranks[0]} to {self.ranks[-1]}" if len(self.ranks) > 1 else f"{self.ranks[0]}"


def _components(rank: Any) -> str:
    if isinstance(rank, tuple):
        return f"Ranks {rank}"
    return f"{rank} component{'' if rank == 1 else 's'}"
