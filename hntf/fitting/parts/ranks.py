"""Samples spread over the processes of `torch.distributed`: each rank holds its own, and sums are all-reduced.

All ranks run the same fit on the same sums, so that they find the same model; the samples and their codes never leave their rank.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.arrays import broadcast_to, from_numpy, is_torch, to_numpy
from hntf.costs.targets import Labels
from hntf.data import Data, DenseData, SparseData, WeightedData
from hntf.data.coordinates import stacked_entries
from hntf.data.given_weights import entry_weights
from hntf.data.hold_out import HoldOut
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import is_sparse_tensor
from hntf.data.sparse_tensor import SparseTensorData
from hntf.data.structured_tensor_weights import StructuredTensorWeights
from hntf.fitting.group import distributed
from hntf.fitting.interruption import end, was_pressed
from hntf.fitting.parts.blocks import joined, rows_between
from hntf.fitting.parts.protocol import OfPart, Parts
from hntf.least_squares.gram_blocks import all_formed


class AcrossRanks(Parts):
    """The samples of all ranks, of which this one has some.

    Parameters
    ----------
    local : Parts
        The samples of this rank.
    """

    def __init__(self, local: Parts) -> None:
        self.local = local
        self.labels, self.axes = local.labels, local.axes
        shapes = _gathered(local.shape)
        if len({shape[1:] for shape in shapes}) > 1:
            raise ValueError(f"X must have the same features on every rank, got shapes {shapes}")
        self._sizes = [shape[0] for shape in shapes]
        self.shape = (sum(self._sizes), *local.shape[1:])
        self.prototype = local.prototype

    @property
    def n_here(self) -> int:
        return self.local.shape[0]

    def each(self, function: OfPart, *arguments: Any) -> list[Any]:
        return [result for of_rank in _gathered(self.local.each(function, *arguments)) for result in of_rank]

    def total(self, function: OfPart, *arguments: Any) -> Any:
        return _all_reduced(self.local.total(function, *arguments), self.prototype)

    def each_with(self, array: Any, function: OfPart, *arguments: Any) -> list[Any]:
        results = _gathered(self.local.each_with(array, function, *arguments))
        return [result for of_rank in results for result in of_rank]

    def rows(
        self, function: OfPart, *arguments: Any, columns: int | None, dtype: Any = None, at_once: bool = False
    ) -> Any:
        return self.local.rows(function, *arguments, columns=columns, dtype=dtype, at_once=at_once)

    def taken(self, rows: np.ndarray) -> Data:
        start = sum(self._sizes[: _rank()])
        here = rows_between(rows, start, start + self.n_here)
        blocks = _gathered(_travelling(self.local.taken(here)) if len(here) else None)
        return _joined([block for block in blocks if block is not None], self.prototype)

    def check_labels_are_given(self, given: bool) -> None:
        if len(set(_gathered(given))) > 1:
            raise ValueError("y must be given on every rank or on none")

    def agreed(self, random_state: np.random.RandomState) -> np.random.RandomState:
        return _gathered(random_state)[0]

    @property
    def is_first(self) -> bool:
        return _rank() == 0

    def from_first(self, read: Callable[[], Any]) -> Any:
        return _gathered(read() if self.is_first else None)[0]

    def with_labels(self, labels: Labels | None) -> AcrossRanks:
        if labels is not None:
            known = [classes for classes in _gathered(labels.classes) if len(classes)]
            if not known:
                raise ValueError("y must hold at least one known label on some rank, got none (-1 stands for unknown)")
            classes = np.unique(np.concatenate(known))
            columns = np.searchsorted(classes, labels.classes)
            Y = from_numpy(np.zeros((len(labels.Y), len(classes))), labels.Y)
            Y[:, columns] = labels.Y
            labels = Labels(Y, labels.known, classes)
        return AcrossRanks(self.local.with_labels(labels))

    def derived(self, function: Callable[..., Any], *arguments: Any, columns: int) -> AcrossRanks:
        return AcrossRanks(self.local.derived(function, *arguments, columns=columns))

    @property
    def always_remembers(self) -> bool:
        return self.local.always_remembers

    @property
    def n_dense_entries(self) -> int:
        return self.local.n_dense_entries

    def memories(self) -> Iterable[dict[Any, Any]]:
        return self.local.memories()


def check_given_alike(X: Any, mask: Any, weights: Any) -> None:
    """Raise `ValueError` if sparse tensors, a mask or weights are given on some ranks alone, or hold-outs differ."""
    hold_outs = [repr(each) for each in as_masks(mask) if isinstance(each, HoldOut)]
    here = (is_sparse_tensor(X), mask is not None, weights is not None, hold_outs)
    *given, of_hold_outs = zip(*_gathered(here), strict=True)
    for name, of_ranks in zip(
        ("X must be a sparse tensor", "mask must be given", "weights must be given"), given, strict=True
    ):
        if len(set(of_ranks)) > 1:
            raise ValueError(f"{name} on every rank or on none")
    if any(names != hold_outs for names in of_hold_outs):
        raise ValueError(f"mask must have the same hold-outs on every rank, got {list(of_hold_outs)}")


def on_every_rank(read: Callable[[], Any]) -> Any:
    """Return what a function returns here; if it is refused on one rank, raise its error there and `ValueError` on the others."""
    result, error = None, None
    try:
        result = read()
    except (TypeError, ValueError) as refused:
        error = refused
    refusals = _gathered(None if error is None else f"{type(error).__name__}: {error}")
    if error is not None:
        raise error
    for rank, refusal in enumerate(refusals):
        if refusal is not None:
            raise ValueError(f"the samples of rank {rank} are refused there: {refusal}")
    return result


def samples_before(n_here: int) -> int:
    """Return how many samples the ranks before this one have, from the number of its own."""
    return sum(_gathered(n_here)[: _rank()])


def summed_over_ranks(numbers: Sequence[float]) -> Sequence[float]:
    """Return the sums of numbers over the processes of a group; the numbers themselves without one."""
    return numbers if distributed() is None else _all_reduced(list(numbers), np.empty(0))


class Block(NamedTuple):
    """Samples as they travel from rank to rank.

    Attributes
    ----------
    values : array, csr_array, or (coordinates, values)
        The samples.
    weights : array, StructuredTensorWeights of sparse tensors, or None
        The weights of their entries.
    """

    values: Any
    weights: Any = None


def _travelling(data: Data) -> Block:
    """Return data as they travel."""
    if isinstance(data, WeightedData):
        is_tensor = isinstance(data.values, SparseTensorData)
        weights = data.weights if is_tensor else to_numpy(data.weights.of_samples(slice(None)))
        return _travelling(data.values)._replace(weights=weights)
    if isinstance(data, SparseTensorData):
        return Block((data.coordinates, data.values))
    return Block(data.matrix if isinstance(data, SparseData) else to_numpy(data.of_samples(slice(None))))


def _joined(blocks: Sequence[Block], prototype: Any) -> Data:
    """Return the samples of all ranks."""
    values = [block.values for block in blocks]
    if isinstance(values[0], tuple):
        tensor = SparseTensorData(*stacked_entries(values), prototype)
        weights = [block.weights for block in blocks]
        return tensor if weights[0] is None else WeightedData(tensor, StructuredTensorWeights.stacked(weights))
    joint = joined(values)
    data = SparseData(joint) if scipy.sparse.issparse(joint) else DenseData(from_numpy(joint, prototype))
    if all(block.weights is None for block in blocks):
        return data
    weights = [np.ones(block.values.shape) if block.weights is None else block.weights for block in blocks]
    return WeightedData(data, entry_weights(from_numpy(np.concatenate(weights), prototype)))


def _rank() -> int:
    return distributed().get_rank()


def _gathered(x: Any) -> list[Any]:
    """Return the objects of all ranks."""
    results = [None] * distributed().get_world_size()
    distributed().all_gather_object(results, x)
    return results


def _all_reduced(result: Any, prototype: Any) -> Any:
    """Return the sum of the results of all ranks, which travel as one vector, and end fits on all where one was interrupted."""
    torch = sys.modules["torch"]
    leaves: list[Any] = []
    device = prototype.device if is_torch(prototype) else "cpu"
    if distributed().get_backend() == "nccl" and device == "cpu":
        device = f"cuda:{torch.cuda.current_device()}"
    result = _of_common_structure(_as_arrays(result), prototype, device)
    _collect(result, leaves)
    flat = [torch.as_tensor(leaf, dtype=torch.float64, device=device).reshape(-1) for leaf in leaves]
    pressed = torch.full((1,), float(was_pressed()), dtype=torch.float64, device=device)
    vector = torch.cat([*flat, pressed])
    distributed().all_reduce(vector)
    if vector[-1] > 0:
        end()
    pieces = iter(torch.split(vector[:-1], [piece.numel() for piece in flat]))
    return _rebuilt(result, pieces)


def _of_common_structure(result: Any, prototype: Any, device: Any) -> Any:
    """Return a result with zeros where this rank has nothing, such as samples with a known label, and others have something."""
    torch, structure = sys.modules["torch"], _structure(result)
    code = zlib.crc32(repr(structure).encode())
    ends = torch.tensor([code, -code], device=device)
    distributed().all_reduce(ends, op=torch.distributed.ReduceOp.MAX)
    if int(ends[0]) == -int(ends[1]):
        return result
    structures = _gathered(structure)
    common = structures[0]
    for structure in structures[1:]:
        common = _common(common, structure)
    return _filled(result, common, prototype)


def _structure(x: Any) -> Any:
    """Return nested lists of the shapes of arrays, `()` for numbers and None for nothing."""
    if isinstance(x, list | tuple):
        return [_structure(item) for item in x]
    return None if x is None else tuple(np.shape(x))


def _common(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [_common(a, b) for a, b in zip(one, other, strict=True)]
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    if isinstance(longer, tuple) and isinstance(shorter, tuple) and shorter and longer[-len(shorter) :] == shorter:
        return longer  # one Gram matrix for all rows, such as those of labels that are all known
    if one != other:
        raise ValueError(
            f"X must be fitted alike on every rank, but sums over samples differ in shape: {one} and {other}"
        )
    return one


def _filled(x: Any, structure: Any, prototype: Any) -> Any:
    if isinstance(structure, list):
        items = [None] * len(structure) if x is None else x
        return [_filled(item, each, prototype) for item, each in zip(items, structure, strict=True)]
    if structure is None:
        return x
    if x is not None:
        return broadcast_to(x, structure) if structure else x
    return from_numpy(np.zeros(structure), prototype) if structure else 0.0


def _as_arrays(x: Any) -> Any:
    """Return results in which Gram matrices of weighted data, which refer to these, are arrays."""
    return [_as_arrays(item) for item in x] if isinstance(x, list | tuple) else all_formed(x)


def _collect(x: Any, leaves: list[Any]) -> None:
    """Append the numbers and arrays of nested lists and tuples."""
    if isinstance(x, list | tuple):
        for item in x:
            _collect(item, leaves)
    elif x is not None:
        leaves.append(x)


def _rebuilt(x: Any, pieces: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_rebuilt(item, pieces) for item in x]
    if x is None:
        return None
    piece = next(pieces)
    if is_torch(x):
        return piece.reshape(x.shape).to(x.device)
    return piece.cpu().numpy().reshape(x.shape) if isinstance(x, np.ndarray) else float(piece)
