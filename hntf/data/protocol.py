"""The interface of data to maps and losses, and the methods that do not depend on the kind of storage."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cache, reduce
from operator import mul
from typing import TYPE_CHECKING, Any

import numpy as np

from hntf.algebra import Factors, fold, unfold
from hntf.arrays import Array, cast_like, from_numpy
from hntf.least_squares.gram import Gram
from hntf.least_squares.kronecker import KroneckerGram

if TYPE_CHECKING:
    from hntf.data.entry_weights import EntryWeights

BLOCK_ENTRIES = 2**19
"""Number of entries of samples, or of the model of them, that are formed at a time: 4 MiB."""

SMALLEST_MODEL = 1e-100
"""Smallest entry of a model by which data are divided; smaller entries are replaced by it."""


class Data(ABC):
    """A tensor of order N with samples along mode 0, in float64.

    Attributes
    ----------
    shape : tuple of int
        The shape of the data.
    prototype : Any
        The user's array, or an empty one of the same kind; results are cast to its dtype.
    """

    shape: tuple[int, ...]
    prototype: Any

    @abstractmethod
    def norm_squared(self) -> float:
        """Return `‖X‖²`, weighted if there are weights."""

    @abstractmethod
    def mttkrp(self, factors: Factors, mode: int, contracted: Array | None = None) -> Array:
        """Return the unfolding along a mode times the Khatri–Rao product of the other factors (MTTKRP), `(shape[mode], rank)`.

        For a matrix this is `X A` (mode 0, `factors=[None, A]`) and `XᵀV` (mode 1, `factors=[V, None]`). `contracted` is the
        result of `contract_last` for the last factor: with it, all modes but the last require no further pass over the data.
        """

    def contract_last(self, U: Array) -> Array | None:
        """Return `X` contracted with the last factor, `(rank, n, …, d_{N−2})`, which the `mttkrp` of several modes can use.

        None for order 2, where several modes have no product in common, or if the result is too large.
        """
        return None

    @abstractmethod
    def multi_mode_dot(self, factors: Factors, skip: int) -> Array:
        """Return `X ×_i U_iᵀ` over all modes `i` but `skip`; modes whose factor is None are left unchanged."""

    def contract_mode(self, U: Array, mode: int) -> Array | None:
        """Return `X ×_mode Uᵀ`, which several products with the other modes can use; None if it is too large."""
        return self.multi_mode_dot([U if i == mode else None for i in range(len(self.shape))], -1)

    def mode_product_pullback(self, factors: Factors, V: Array, mode: int) -> Array:
        """Return the gradient of `⟨X ×_i U_iᵀ, V⟩` with respect to the factor of a mode, `(shape[mode], rank)`."""
        return unfold(self.multi_mode_dot(factors, mode), mode) @ unfold(V, mode).T

    def mode_product_input_gradient(self, factors: Factors, V: Array, expand: Callable[[], Array]) -> Any:
        """Return the gradient of `⟨X ×_i U_iᵀ, V⟩` with respect to `X`; `expand` returns `V ×_i U_i`, dense."""
        return self.weigh(expand())

    def gradient_like(self, dX: Any) -> Any:
        """Return a gradient with respect to `X` in the backend and floating dtype of the user's array."""
        return cast_like(dX, self.prototype)

    @abstractmethod
    def input_gradient(self, dC: Array, factors: Factors) -> Any:
        """Return the gradient with respect to `X` from the gradient `dC` with respect to `mttkrp(factors, 0)`.

        For dense data it is the tensor `[[dC, U_2, …, U_N]]`, for sparse data the same at the stored entries only.
        """

    @abstractmethod
    def residual_norm_squared(self, model: Callable[[slice], Array]) -> float:
        """Return `‖X − X̂‖²`, computed from the residual itself in blocks of samples; `model` returns the `X̂` of a block.

        The Gram form loses digits as the relative error decreases, and has none left at about 1e-8; the residual does not.
        """

    @property
    def is_expandable(self) -> bool:
        """Whether residuals may be formed in dense blocks; otherwise there are errors in Gram form only."""
        return True

    @property
    def observed(self) -> Array | None:
        """Which entries are observed, as booleans in the shape of the data; None if all are."""
        return None

    @property
    def n_observed_by_sample(self) -> np.ndarray:
        """The number of entries of every sample that are observed."""
        return np.broadcast_to(math.prod(self.shape[1:]), self.shape[:1])

    @abstractmethod
    def weighted_by(self, weights: EntryWeights) -> Data:
        """Return the data with every entry multiplied by its weight."""

    @abstractmethod
    def inner(self, other: Any) -> float:
        """Return the inner product with data of the same kind and pattern."""

    @abstractmethod
    def of_samples(self, rows: slice) -> Array:
        """Return some samples as a dense array."""

    def weights_of(self, sample: int) -> Array | None:
        """Return the weights of the entries of a sample, flattened; None if all are 1."""
        return None

    @abstractmethod
    def weigh(self, dX: Array) -> Any:
        """Return the gradient with respect to `X` from a dense `dX`: multiplied by the weights, or at the stored entries only."""

    @property
    @abstractmethod
    def n_entries(self) -> int:
        """Number of entries that a product reads: its work divided by the rank."""

    @property
    def n_dense_entries(self) -> int:
        """Number of entries that a dense product reads at a time, 0 for sparse data."""
        return 0

    @abstractmethod
    def minimum_and_maximum(self) -> tuple[float, float]:
        """Return the smallest and the largest entry."""

    @abstractmethod
    def take(self, rows: Array) -> Data:
        """Return the samples with the given indices."""

    @abstractmethod
    def ratio(self, factors: Factors) -> Data:
        """Return the weighted ratio of `X` to the model `[[U_1, …, U_N]]`, for sparse data at the stored entries.

        Entries of the model are at least `SMALLEST_MODEL`.
        """

    @abstractmethod
    def divergence(self, ratio: Any) -> float:
        """Return `Σ W∘(X∘log(X / X̂) − X)`, with `0 log 0 = 0`, from the result of `ratio`."""

    @abstractmethod
    def ratio_gradient(self, ratio: Any, factors: Factors, dC: Array) -> Data:
        """Return the gradient with respect to the model in `ratio`, from the gradient `dC` of the mode-0 `mttkrp` of the ratio.

        It is `−[[dC, U_2, …]] ∘ W∘X / X̂²`, at the entries of the data.
        """

    def completed(self, model: Callable[[], Sequence[Array]]) -> Data:
        """Return unweighted data, completed by the model `X̂ = [[U_1, …, U_N]]`; `X` itself if there are no weights.

        `model` returns the factors `U_i`.

        With the weights scaled to [0, 1] the data are `W∘X + (1 − W)∘X̂`: a better fit to them is a better weighted fit to `X`
        (Srebro & Jaakkola 2003, *Weighted low-rank approximations*, ICML).
        """
        return self

    def weights_mttkrp(self, factors: Factors, mode: int) -> Array:
        """Return the `mttkrp` of the weights, `(shape[mode], rank)`, or of a tensor of ones without weights, `(1, rank)`."""
        return reduce(mul, [U.sum(0) for i, U in enumerate(factors) if i != mode])[None]  # type: ignore[union-attr]

    def gram(self, factors: Factors, mode: int = 0) -> Array:
        """Return the Gram matrix of the Khatri–Rao product of the other factors: `(k, k)`, or one per slice of the mode."""
        others = [U for i, U in enumerate(factors) if i != mode]
        return reduce(mul, [U.T @ U for U in others])  # type: ignore[union-attr]

    def gram_products(self, factors: Factors, ranks: Sequence[int]) -> list[Array]:
        """Return `U_i G_i` for every mode and several models of these `ranks`, whose factors are concatenated."""
        same_model = from_numpy(_same_block(tuple(ranks)), factors[0])
        products = [U.T @ U for U in factors]  # type: ignore[union-attr]
        return [
            U @ reduce(mul, [same_model, *products[:mode], *products[mode + 1 :]]) for mode, U in enumerate(factors)
        ]

    def gram_pullback(self, factors: Factors, dG: Array) -> list[Array]:
        """Return the gradients with respect to the factors of modes 1, …, N−1 from the symmetric gradient `dG`."""
        grams = [U.T @ U for U in factors[1:]]  # type: ignore[union-attr]
        gradients = []
        for i, U in enumerate(factors[1:]):
            others = reduce(mul, grams[:i] + grams[i + 1 :], dG)
            gradients.append(2 * (U @ others))
        return gradients

    def kronecker_gram(self, factors: Factors) -> Gram:
        """Return the Gram matrix of `S ↦ S ×_i A_i`, over all modes whose factor is not None."""
        return KroneckerGram([None if A is None else A.T @ A for A in factors], self.compressed_shape(factors))

    def compressed_shape(self, factors: Factors) -> list[int]:
        """Return the shape of `X ×_i A_iᵀ`, over all modes whose factor is not None."""
        return [d if A is None else A.shape[1] for d, A in zip(self.shape, factors, strict=True)]

    def kronecker_gram_pullback(self, factors: Factors, dG: Any) -> list[Array | None]:
        """Return the gradients with respect to the factors from a gradient as `symmetric_outer` gives it; None for no factor."""
        return [None if A is None else 2 * (A @ d) for A, d in zip(factors, dG.arrays, strict=True)]

    @abstractmethod
    def transposed_unfolding(self, mode: int) -> Data:
        """Return the transposed unfolding along a mode, `(product of the other dimensions, d_mode)`.

        Rows of zeros may be missing: a factorization of the unfolding does not depend on them.
        """

    def nonzero_features(self) -> tuple[Data, Callable[[Array], Data]]:
        """Return the data as a matrix of samples, and a function that returns matrices with these features as tensors.

        Features that are zero in all samples may be missing.
        """
        return self.as_matrix(), lambda B: self.tensor_of(B.reshape(len(B), *self.shape[1:]))

    def tensor_of(self, array: Array) -> Data:
        """Return an array as dense data."""
        from hntf.data.dense import DenseData

        return DenseData(array)

    @abstractmethod
    def as_matrix(self) -> Data:
        """Return the data as a matrix of samples, `(n, d_1 ⋯ d_{N−1})`."""

    def tucker_gram(self, core: Array, factors: Factors, mode: int) -> Array:
        """Return the Gram matrix of the map `U ↦ core ×_mode U ×_i U_i`: `(r, r)`, or one per slice of the mode."""
        image = core
        for i, U in enumerate(factors):
            if i != mode:
                shape = image.shape
                product = unfold(image, i)
                image = fold((U.T @ U) @ product, i, shape)  # type: ignore[union-attr]
        return unfold(image, mode) @ unfold(core, mode).T

    def blocks_of_samples(self) -> list[slice]:
        """Return slices of mode 0 that cover the samples in dense blocks."""
        return blocks_of_rows(self.shape[0], math.prod(self.shape[1:]))


def blocks_of_rows(n: int, width: int) -> list[slice]:
    """Return slices of `n` rows with a block of entries each, of rows with `width` entries."""
    size = max(1, BLOCK_ENTRIES // width)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


@cache
def _same_block(ranks: tuple[int, ...]) -> np.ndarray:
    """Return a matrix with 1 for pairs of columns of the same model and 0 for others."""
    of_column = np.repeat(np.arange(len(ranks)), ranks)
    return (of_column[:, None] == of_column) * 1.0
