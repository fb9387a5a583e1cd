"""What a derivative by differences is compared with, and when both agree."""

from __future__ import annotations

from typing import NamedTuple

RESOLUTION = 10.0
"""How many times the estimated error of a difference may explain a mismatch."""

REFINEMENTS = 8
"""Number of steps, each a tenth of the one before, that are tried until no support changes and the differences agree."""

LARGER_STEPS = 3
"""Number of steps, each ten times the one before, that are tried where the differences are rounding."""


class Comparison(NamedTuple):
    """What a derivative is compared with.

    Attributes
    ----------
    value : float
        The function at 0.
    step : float
        The first step, relative to the size of the entries beside the moved one.
    own_step : float
        The same, relative to the moved entry itself, 0 for one that is zero.
    farthest : float
        The largest step that tells whether rounding hides how the function depends on the entry.
    expected : float
        The expected derivative.
    rtol : float
        The relative error up to which they agree.
    rounding, coarse_rounding : float
        How much of the function is rounding, and how much of parts of it that are computed in a narrower type.
    """

    value: float
    step: float
    own_step: float
    farthest: float
    expected: float
    rtol: float
    rounding: float
    coarse_rounding: float

    @property
    def steps(self) -> list[float]:
        """The steps to try, each a tenth of the one before; in the end those of the moved entry itself, if they are smaller."""
        beside = [self.step * 0.1**i for i in range(REFINEMENTS)]
        own = [self.own_step * 0.1**i for i in range(3)]
        return beside + [step for step in own if 0.0 < step < beside[-1]]

    @property
    def larger_steps(self) -> list[float]:
        """The steps to try where those are too small beside rounding, each ten times the one before."""
        return [self.step * 10.0**i for i in range(1, LARGER_STEPS + 1)]

    def equals(self, slope: float) -> bool:
        """Tell whether a slope is as expected."""
        return abs(slope - self.expected) <= self.rtol * abs(self.expected)

    def explains(self, slope: float, error: float) -> bool:
        """Tell whether the error of a slope explains that it is not as expected."""
        return abs(slope - self.expected) <= self.rtol * abs(self.expected) + RESOLUTION * error

    def resolves(self, slope: float, error: float) -> bool:
        """Tell whether an error is small enough to judge a derivative."""
        return RESOLUTION * error <= self.rtol * abs(slope)
