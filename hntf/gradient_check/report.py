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
        Whether some entries could be judged, and the error of each of them is at most `rtol`.
    max_rel_error : float
        Largest `|analytic − numeric|` of an entry, relative to the larger of both and to what the differences can resolve.
    margin : float
        The strict-complementarity margin of all nonnegative least-squares problems solved, that is the distance to the nearest
        kink, in the units of the data; infinite if none was solved.
    worst : Worst
        The input, index and both values of the largest error.
    n_judged : int
        Number of entries that were judged.
    n_at_kinks : int
        Number of entries whose differences cross a kink, however small the step: they have no derivative and are left out.
    samples_at_kinks : tuple of int
        The samples of a layer or hierarchy that lie at a kink and were left out, so that the others could be judged.
    """

    ok: bool
    max_rel_error: float
    margin: float
    worst: Worst
    n_judged: int
    n_at_kinks: int = 0
    samples_at_kinks: tuple[int, ...] = ()

    @property
    def at_kink(self) -> bool:
        """Whether nothing could be judged because every difference crosses a kink."""
        return self.n_judged == 0

    def __str__(self) -> str:
        worst = self.worst
        verdict = "KINK, no verdict" if self.at_kink else "gradients agree" if self.ok else "GRADIENTS DIFFER"
        left_out = ""
        if self.n_at_kinks or self.samples_at_kinks:
            left_out = f"; left out at kinks: {self.n_at_kinks} entries, samples {list(self.samples_at_kinks)}"
        return (
            f"{verdict}: largest relative error {self.max_rel_error:.2e} in input {worst.input} at {worst.index} "
            f"(analytic {worst.analytic:.6g}, numeric {worst.numeric:.6g}) of {self.n_judged} entries; "
            f"margin to the nearest kink {self.margin:.2e}{left_out}"
        )
