"""The result of a gradient check."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Worst:
    """The entry with the largest relative error, with its analytic and numeric derivative."""

    input: int
    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass(frozen=True)
class GradcheckReport:
    """The result of `gradcheck`.

    Attributes
    ----------
    ok : bool
        Whether every input has entries that could be judged, or have no effect but for rounding, and the error of each of them is
        at most `rtol`.
    max_rel_error : float
        Largest `|analytic − numeric|` of an entry, relative to the larger of both and to what the differences can resolve.
    rtol : float
        Largest relative error at which an entry counts as equal.
    margin : float
        The strict-complementarity margin of all nonnegative least-squares problems solved, that is the distance to the nearest
        kink, in the units of the data; infinite if none was solved.
    worst : Worst
        The input, index and both values of the largest error.
    n_judged : int
        Number of entries that were judged.
    n_at_kinks : int
        Number of entries that are left out because their differences cross a kink, at the inputs and at a point nearby.
    n_unresolved : int
        Number of entries that are too small beside the value, or too ill-conditioned, for differences to resolve; what they do
        resolve agrees.
    inputs_not_judged : tuple of int
        The inputs of which no entry could be judged.
    samples_at_kinks : tuple of int
        The samples of a layer or hierarchy that lie at a kink and were left out, so that the others could be judged.
    n_nearby : int
        Number of entries that were judged at a point nearby, since their differences at the inputs cross a kink or resolve
        nothing.
    """

    ok: bool
    max_rel_error: float
    rtol: float
    margin: float
    worst: Worst
    n_judged: int
    n_at_kinks: int = 0
    n_unresolved: int = 0
    inputs_not_judged: tuple[int, ...] = ()
    samples_at_kinks: tuple[int, ...] = ()
    n_nearby: int = 0

    @property
    def at_kink(self) -> bool:
        """Whether nothing could be judged because every difference crosses a kink."""
        return self.n_at_kinks > 0 and self.n_judged == 0 and self.n_unresolved == 0

    @property
    def verdict(self) -> str:
        """The result in a few words."""
        if self.at_kink:
            return "KINK, no verdict"
        if self.ok:
            return "gradients agree"
        if self.max_rel_error > self.rtol:
            return "GRADIENTS DIFFER"
        return (
            f"NO VERDICT on inputs {list(self.inputs_not_judged)}"
            if self.inputs_not_judged
            else "NO VERDICT, no inputs"
        )

    def __str__(self) -> str:
        worst = self.worst
        left_out = ""
        if self.n_at_kinks or self.samples_at_kinks:
            left_out = f"; left out at kinks: {self.n_at_kinks} entries, samples {list(self.samples_at_kinks)}"
        if self.n_nearby:
            left_out += f"; judged at a point nearby: {self.n_nearby} entries"
        if self.n_unresolved:
            left_out += f"; not resolved by differences: {self.n_unresolved} entries"
        return (
            f"{self.verdict}: largest relative error {self.max_rel_error:.2e} in input {worst.input} at {worst.index} "
            f"(analytic {worst.analytic:.6g}, numeric {worst.numeric:.6g}) of {self.n_judged} entries; "
            f"margin to the nearest kink {self.margin:.2e}{left_out}"
        )
