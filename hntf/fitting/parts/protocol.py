"""The interface of samples in parts to fits: a function is called on every part, where the part is, and the results are summed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, reduce
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils.random import sample_without_replacement

from hntf.arrays import Array, backend_of, from_numpy
from hntf.axes import Axis
from hntf.costs.targets import Labels
from hntf.data import Data, DenseData
from hntf.fitting.parts.part import Part
from hntf.validation import check_real_array

START_SAMPLES = 5000
"""Number of samples from which a start is drawn."""

OfPart = Callable[..., Any]
"""A function of a part and of arguments, which must be found by its name in its module, so that it can travel."""


class Facts(NamedTuple):
    """What a first pass over the data finds.

    Attributes
    ----------
    norm_squared : float
        `‖X‖²`.
    smallest, largest : float
        The smallest and the largest entry.
    n_unobserved : int
        The number of samples of which nothing is observed.
    fewest_observed : float
        The smallest number of observed entries of all other samples; infinite without any.
    """

    norm_squared: float
    smallest: float
    largest: float
    n_unobserved: int
    fewest_observed: float


class Parts(ABC):
    """All samples of a fit, in one part or in several, wherever they are.

    Attributes
    ----------
    shape : tuple of int
        The shape of the data of all parts together.
    prototype : array
        An empty array of the backend in which the parts are processed.
    labels : Labels or None
        The labels of the samples that are given here.
    axes : list of Axis or None
        The names of the modes and of their entries, where parts bring them along.
    """

    shape: tuple[int, ...]
    prototype: Any
    labels: Labels | None = None
    axes: list[Axis] | None = None
    _facts: Facts | None = None

    @abstractmethod
    def each(self, function: OfPart, *arguments: Any) -> list[Any]:
        """Return the results of `function(part, *arguments)` for every part, in the order of the samples; they travel."""

    def total(self, function: OfPart, *arguments: Any) -> Any:
        """Return the sum of the results for all parts: numbers, arrays, None, or lists and tuples of these."""
        return reduce(added, self.each(function, *arguments))

    @abstractmethod
    def each_with(self, array: Any, function: OfPart, *arguments: Any) -> list[Any]:
        """Return the results of `function(part, rows, *arguments)`, with the rows of an array for the samples of a part."""

    def total_with(self, array: Any, function: OfPart, *arguments: Any) -> Any:
        """Return the sum of the results of `each_with`."""
        return reduce(added, self.each_with(array, function, *arguments))

    def checked_rows(self, array: Any, name: str) -> Any:
        """Return a checked array that has a row for every sample, as it is for `each_with`."""
        return check_real_array(array, name, orders=(2,))

    @abstractmethod
    def rows(
        self, function: OfPart, *arguments: Any, columns: int | None, dtype: Any = None, at_once: bool = False
    ) -> Any:
        """Return the results of a function that has `columns` numbers for every sample (or one, for None).

        They are an array of all samples, or stay where the parts are; there they are computed when they are used, or `at_once`, for
        what is only remembered for a while.
        """

    def sample(self, size: int, random_state: np.random.RandomState) -> Data:
        """Return at most `size` samples in memory, from which starts are drawn; all samples if they are in memory anyway."""
        n = self.shape[0]
        if n <= size:
            return self.taken(np.arange(n))
        return self.taken(np.sort(sample_without_replacement(n, size, random_state=random_state)))

    def times(self, scale: float) -> Parts:
        """Return the samples multiplied by a power of two; raise `ValueError` if they cannot be."""
        raise ValueError("X must have its largest entry between 1e-50 and 1e50 as a data object or on ranks; scale it")

    @abstractmethod
    def taken(self, rows: np.ndarray) -> Data:
        """Return the samples with these numbers, in ascending order, in memory."""

    @abstractmethod
    def with_labels(self, labels: Labels | None) -> Self:
        """Return the samples with labels."""

    @abstractmethod
    def derived(self, function: OfPart, *arguments: Any, columns: int) -> Parts:
        """Return parts whose data are the results of a function, `(n, columns)`, in place of the data; labels are the same."""

    @property
    def held(self) -> Data:
        """The data of all samples in memory; raise `TypeError` if they are in parts."""
        raise TypeError(
            "X must be an array in memory for this method; NMF, SSNMF, HierarchicalNMF, NeuralNMF, NCPD and NeuralNTF take "
            "samples in parts"
        )

    @property
    def n_here(self) -> int:
        """The number of samples whose labels are given here."""
        return self.shape[0]

    def check_labels_are_given(self, given: bool) -> None:  # noqa: B027  only ranks can differ
        """Raise `ValueError` if labels are given in some processes of a fit and not in others."""

    def agreed(self, random_state: np.random.RandomState) -> np.random.RandomState:
        """Return the generator of random numbers that all processes of a fit use."""
        return random_state

    @property
    def is_first(self) -> bool:
        """Whether this process is the first of those that fit together: the one that writes."""
        return True

    def from_first(self, read: Callable[[], Any]) -> Any:
        """Return what a function returns in the first process."""
        return read()

    @property
    def facts(self) -> Facts:
        """What a pass over the data finds; the first one also checks all entries."""
        if self._facts is None:
            found = self.each(facts_of)
            self._facts = Facts(
                sum(each.norm_squared for each in found),
                min(each.smallest for each in found),
                max(each.largest for each in found),
                sum(each.n_unobserved for each in found),
                min(each.fewest_observed for each in found),
            )
        return self._facts

    @property
    def is_checked(self) -> bool:
        """Whether all entries were checked already."""
        return self._facts is not None

    @property
    def norm_squared(self) -> float:
        """`‖X‖²`."""
        return self.facts.norm_squared

    @property
    def n_dense_entries(self) -> int:
        """The number of entries of the largest dense product with the data at a time, divided by the rank."""
        return 0

    @abstractmethod
    def memories(self) -> Iterable[dict[Any, Any]]:
        """Return what the parts of this process remember."""

    def forget(self, key: Any = None) -> None:
        """Forget what the parts remember under a key, or all of it."""
        for memory in self.memories():
            if key is None:
                memory.clear()
            else:
                memory.pop(key, None)

    @property
    def always_remembers(self) -> bool:
        """Whether parts never lose what they remember, so that an update may depend on the one before."""
        return True

    def check_solver(self, solver: str) -> None:
        """Raise `ValueError` if updates by a solver depend on what the parts may lose."""
        if solver != "anls" and not self.always_remembers:
            raise ValueError(f"solver must be 'anls' for samples that other processes hold, got {solver!r}")


def facts_of(part: Part) -> Facts:
    """Return what is found in a part."""
    smallest, largest = part.data.minimum_and_maximum()
    with np.errstate(over="ignore"):  # such data are rescaled
        norm_squared = part.data.norm_squared()
    n_observed = part.data.n_observed_by_sample
    seen = n_observed[n_observed > 0]
    fewest = float(seen.min()) if len(seen) else np.inf
    return Facts(norm_squared, smallest, largest, len(n_observed) - len(seen), fewest)


def added(a: Any, b: Any) -> Any:
    """Return the sum of two results of parts; None is nothing."""
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, list | tuple):
        return [added(x, y) for x, y in zip(a, b, strict=True)]
    return a + b


class InMemory(Parts):
    """Parts in the memory of this process.

    Parameters
    ----------
    parts : sequence of Part
        The parts.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = list(parts)
        first = self.parts[0]
        self.shape = (sum(part.data.shape[0] for part in self.parts), *first.data.shape[1:])
        self.prototype = first.data.prototype
        self.labels = first.labels if len(self.parts) == 1 else None

    @classmethod
    def of(cls, data: Data, labels: Labels | None = None) -> InMemory:
        """Return data in one part."""
        return cls([Part(data, labels)])

    def each(self, function: OfPart, *arguments: Any) -> list[Any]:
        return [function(part, *arguments) for part in self.parts]

    def each_with(self, array: Any, function: OfPart, *arguments: Any) -> list[Any]:
        ends = np.cumsum([part.data.shape[0] for part in self.parts]).tolist()
        bounds = zip([0, *ends], ends, strict=False)
        return [function(part, array[a:b], *arguments) for part, (a, b) in zip(self.parts, bounds, strict=True)]

    def rows(
        self, function: OfPart, *arguments: Any, columns: int | None, dtype: Any = None, at_once: bool = False
    ) -> Any:
        return stacked(self.each(function, *arguments))

    def sample(self, size: int, random_state: np.random.RandomState) -> Data:
        return self.held

    def taken(self, rows: np.ndarray) -> Data:
        return self.held.take(from_numpy(rows, self.prototype))

    def with_labels(self, labels: Labels | None) -> InMemory:
        return self.of(self.held, labels)

    def derived(self, function: OfPart, *arguments: Any, columns: int) -> InMemory:
        return InMemory([Part(DenseData(function(part, *arguments)), part.labels) for part in self.parts])

    @property
    def held(self) -> Data:
        (part,) = self.parts
        return part.data

    @cached_property
    def norm_squared(self) -> float:
        return sum(part.data.norm_squared() for part in self.parts)

    @property
    def n_dense_entries(self) -> int:
        return self.parts[0].data.n_dense_entries

    def memories(self) -> list[dict[Any, Any]]:
        return [part.memory for part in self.parts]


def as_parts(data: Parts | Data) -> Parts:
    """Return data in memory as one part, and parts as they are."""
    return InMemory.of(data) if isinstance(data, Data) else data


def stacked(arrays: Sequence[Array]) -> Array:
    """Return the results of the parts as one array."""
    return arrays[0] if len(arrays) == 1 else backend_of(arrays[0]).concatenate(list(arrays), axis=0)
