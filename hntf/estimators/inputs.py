"""Checks of the data that users pass, and their conversion to the form in which they are processed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from hntf.arrays import host_view, in_backend_of, is_torch
from hntf.costs.targets import Labels
from hntf.data import Data, as_data
from hntf.data.hold_out import HoldOut
from hntf.data.masks import as_masks
from hntf.data.sparse_arrays import Entries, entries_of, in_scipy, is_sparse_tensor
from hntf.data.units import moderate_scale, multiplied
from hntf.fitting.checkpoint import Checkpoint
from hntf.fitting.group import distributed
from hntf.fitting.parts import InMemory, Parts
from hntf.fitting.parts.opening import parts_of
from hntf.fitting.parts.ranks import AcrossRanks, check_given_alike, on_every_rank, samples_before
from hntf.validation import as_random_state, check_real_array, check_same_home


class Input(NamedTuple):
    """The checked data of a user.

    Attributes
    ----------
    parts : Parts
        The samples. A torch tensor in CPU memory is processed through a NumPy view, which is several times faster for small
        products.
    prototype : array
        An empty array in the backend and dtype of the results.
    scale : float
        The power of two by which extreme data were multiplied.
    checkpoint : Checkpoint or None
        Where the state of the fit is kept.
    arrays : tuple or None
        The array, mask and weights from which `data` was made, in the user's units; None if the user passed a data object.
    """

    parts: Parts
    prototype: Any
    scale: float = 1.0
    arrays: Any = None
    checkpoint: Checkpoint | None = None

    def generator(self, seed: Any) -> np.random.RandomState:
        """Return the generator of random numbers of a fit: that of a checkpoint, or a new one."""
        random_state = self.parts.agreed(as_random_state(seed))
        return random_state if self.checkpoint is None else self.checkpoint.generator(random_state)

    @property
    def data(self) -> Data:
        """The data in memory; raise `TypeError` if they are in parts."""
        return self.parts.held

    def in_memory(self) -> Input:
        """Return the input with its data in memory; raise `TypeError` if they are in parts."""
        return self.with_data(self.data)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the data."""
        return self.parts.shape

    @property
    def is_dense(self) -> bool:
        """Whether the user's data are a dense array in memory."""
        return (
            self.arrays is not None
            and not isinstance(self.arrays[0], Entries)
            and not scipy.sparse.issparse(self.arrays[0])
        )

    def described(self, X: Any) -> Any:
        """Return what scikit-learn looks at: the user's array, or an array of the same shape in place of data that are none."""
        return X if self.is_dense or scipy.sparse.issparse(X) else np.broadcast_to(0.0, self.shape[:2])

    def with_labels(self, labels: Labels | None) -> Input:
        """Return the input with labels of the samples."""
        return self if labels is None else self._replace(parts=self.parts.with_labels(labels))

    def with_data(self, data: Data) -> Input:
        """Return the input with other data in memory."""
        return self._replace(parts=InMemory.of(data))

    def in_moderate_units(self) -> Input:
        """Return the input with extreme data multiplied by a power of two, and other data unchanged."""
        scale = moderate_scale(self.parts.facts.smallest, self.parts.facts.largest)
        if scale == 1.0:
            return self
        if self.arrays is None:
            return self._replace(parts=self.parts.times(scale), scale=scale)
        array, mask, weights = self.arrays
        data = as_data(multiplied(array, scale), mask=mask, weights=weights)
        return Input(InMemory.of(data), self.prototype, scale, self.arrays)


def as_input(X: Any, mask: Any, weights: Any, *, nonnegative: bool, together: bool) -> Input:
    """Return the checked data of a user; `together` with those of the other processes of a group, if there is one.

    Raises
    ------
    TypeError, ValueError
        As `as_data` does, and if `nonnegative` data have negative entries.
    """
    if not together or distributed() is None:
        _check_numbered(mask)
        return _input_here(X, mask, weights, nonnegative=nonnegative, some_observed=True)
    check_given_alike(X, mask, weights)
    mask = numbered_over_ranks(X, mask)
    given = on_every_rank(lambda: _input_here(X, mask, weights, nonnegative=nonnegative, some_observed=False))
    # Extreme data cannot be rescaled by ranks that do not know of each other.
    return Input(AcrossRanks(given.parts), given.prototype)


def numbered_over_ranks(X: Any, mask: Any) -> Any:
    """Return masks in which hold-outs number the samples of all ranks, if there are several; all of them call this together."""
    masks = as_masks(mask)
    if distributed() is None or not any(_counts_from_0(each) for each in masks):
        return mask
    n_here = on_every_rank(lambda: _n_samples(X))
    numbers = np.arange(n_here) + samples_before(n_here)
    return tuple(each.of_rows(numbers) if _counts_from_0(each) else each for each in masks)


def _check_numbered(mask: Any) -> None:
    """Raise `ValueError` if a hold-out would hide other entries than in the fit: it would number the samples of a rank from 0."""
    if distributed() is not None and any(_counts_from_0(each) for each in as_masks(mask)):
        raise ValueError(
            "mask must say which samples these are: what a rank computes by itself numbers them from 0. Give "
            "mask.of_rows(numbers) with their numbers among those of all ranks"
        )


def _counts_from_0(mask: Any) -> bool:
    return isinstance(mask, HoldOut) and not mask.is_of_rows


def _n_samples(X: Any) -> int:
    if is_sparse_tensor(X):
        return entries_of(X, "X").shape[0]
    parts = parts_of(X, None, None, nonnegative=False)
    samples: Any = X if parts is None else parts
    return samples.shape[0] if hasattr(samples, "shape") else len(samples)


def _input_here(X: Any, mask: Any, weights: Any, *, nonnegative: bool, some_observed: bool) -> Input:
    """Return the checked data of this process.

    Raises
    ------
    TypeError, ValueError
        As `as_data` does, and if `nonnegative` data have negative entries.
    """
    if isinstance(X, Data):
        data = as_data(X, mask=mask, weights=weights)
        smallest, _ = data.minimum_and_maximum()
        if smallest < 0 and nonnegative:
            raise ValueError(f"Negative values in data: X contains entries down to {smallest:g}")
        return Input(InMemory.of(data), data.prototype)
    if is_sparse_tensor(X):
        entries = entries_of(X, "X")
        data = as_data(entries, mask=mask, weights=weights, nonnegative=nonnegative, some_observed=some_observed)
        return Input(InMemory.of(data), data.prototype, 1.0, (entries, mask, weights))
    parts = parts_of(X, mask, weights, nonnegative=nonnegative)
    if parts is not None:
        return Input(parts, parts.prototype)
    sparse, weights = scipy.sparse.issparse(X), in_scipy(weights, "weights")
    array = X.tocsr() if sparse else check_real_array(X, "X", entries=False)
    if not scipy.sparse.issparse(weights) and not is_sparse_tensor(weights):
        check_same_home({"X": np.empty(0) if sparse else array, "weights": weights})
    prototype = array[:0]
    array, mask, weights = (_on_host(x) for x in (array, mask, weights))
    if mask is not None and not sparse:
        mask = tuple(_mask_beside(array, each) for each in as_masks(mask))
    data = as_data(array, mask=mask, weights=weights, nonnegative=nonnegative, some_observed=some_observed)
    return Input(InMemory.of(data), prototype, 1.0, (array, mask, weights))


def _mask_beside(X: Any, mask: Any) -> Any:
    """Return a mask of dense data, in their backend if it is an array."""
    if isinstance(mask, str | HoldOut) or scipy.sparse.issparse(mask) or is_sparse_tensor(mask):
        return mask
    return in_backend_of([mask if is_torch(mask) else np.asarray(mask)], X)[0]


def _on_host(x: Any) -> Any:
    """Return a NumPy view of a tensor in CPU memory; return anything else unchanged."""
    if not is_torch(x):
        return x
    if str(x.dtype) == "torch.bfloat16":  # NumPy has no such type
        x = x.float()
    host = host_view(x)
    return x if host is None else host
