"""What losses and fits ask of a model with several levels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self

from hntf.arrays import Array
from hntf.data import Data


def add(total: Any, term: Any) -> Any:
    """Return the sum of two gradients, None being zero."""
    if total is None or term is None:
        return total if term is None else term
    return total + term


class Model(ABC):
    """A model of the data at several levels, given by nonnegative factors.

    A forward pass returns a tape; losses turn it into gradients with respect to what the pass computed, of a kind of the model's
    own with a list `codes`, one array `(n, k_l)` or None a level; `pullback` carries them to the factors.
    """

    @property
    @abstractmethod
    def factors(self) -> list[Array]:
        """The factors that are trained, in float64."""

    @abstractmethod
    def with_factors(self, factors: Sequence[Array]) -> Self:
        """Return the same model with other factors."""

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """The number of levels."""

    @abstractmethod
    def check_input(self, X: Data) -> None:
        """Raise `ValueError` if the model does not produce data of the shape of `X`."""

    @abstractmethod
    def solve(self, X: Data, start: Any = None) -> Any:
        """Run forward on trusted data; support searches start from those of the tape `start`."""

    @abstractmethod
    def codes(self, tape: Any) -> list[Array]:
        """Return the codes of the samples at every level, `(n, k_l)`."""

    @abstractmethod
    def no_gradients(self, tape: Any) -> Any:
        """Return gradients of zero with respect to what the forward pass computed."""

    @abstractmethod
    def squared_errors(self, tape: Any, weights: Sequence[float]) -> tuple[float, Any]:
        """Return `Σ_l w_l ‖X − X̂_l‖²` and its gradients with respect to what the forward pass computed."""

    @abstractmethod
    def relative_errors(self, tape: Any) -> list[float]:
        """Return `‖X − X̂_l‖ / ‖X‖` of every level; zero data are reproduced exactly."""

    @abstractmethod
    def pullback(self, tape: Any, gradients: Any) -> list[Array]:
        """Return the gradients with respect to the factors."""
