"""A nonnegative least-squares layer over a linear map, with its forward and backward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from hntf.arrays import Array, as_float64, cast_like, from_numpy, to_numpy
from hntf.data import Data, as_data
from hntf.least_squares.gram import Gram, StructuredGram, is_finite, with_ridge
from hntf.least_squares.gram_blocks import GramBlocks
from hntf.least_squares.on_support import pullback
from hntf.least_squares.rooted_problems import FactoredProblems, RootedProblems
from hntf.least_squares.solver import solve
from hntf.maps import LinearMap
from hntf.validation import check_number, check_real_array, check_same_home, check_shape, checked_support

LARGEST_MATRIX = 10
"""Size of the matrix of a map, relative to the data, up to which it is formed where a layer is ill-conditioned."""

SMALL_MATRIX = 10_000_000
"""Number of entries up to which it is always formed."""


class LayerTape(NamedTuple):
    """The record of a forward pass for the backward pass, in float64; `G` and `C` are those of the map, without penalties."""

    X: Data
    G: Gram
    C: Array
    S: Array
    support: Array
    contracted: Array | None
    rooted: RootedProblems | None = None


class NNLSLayer:
    r"""The layer `q(X) = argmin_{S ≥ 0} ½‖X − M(S)‖² + λ₁ΣS + ½λ₂‖S‖²` over a linear map `M`, differentiated exactly.

    Only the solution on the support is differentiated: with `V` the solution of the same problem for `dS` on the support of the
    forward pass, `dC = V` and `dG = −½(VᵀS + SᵀV)`, which the map pulls back to its factors. No residual is formed. If the
    map is ill-conditioned, the problem is solved on an orthogonal factorization of its matrix; `ModeProduct` maps, and maps whose
    matrix is much larger than the data, are solved from `G` and `C`, with the accuracy of the Gram matrix.

    Parameters
    ----------
    map : LinearMap
        The map from codes to data, for example `hntf.maps.Dense(A)`.
    l1, l2 : float
        The penalties `λ₁`, `λ₂`, at least 0. They shift `C` and `G`, so the solution and its derivative remain exact.

    References
    ----------
    Gao, Haddock, Molitor, Needell, Sadovnik, Will, Zhang (2019), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, CAMSAP; there columns are samples.

    Examples
    --------
    >>> import numpy as np, hntf
    >>> layer = hntf.layers.NNLSLayer(hntf.maps.Dense(np.array([[1.0, 0.0], [1.0, 1.0]])))
    >>> S, tape = layer.forward(np.array([[1.0, 3.0], [2.0, 1.0]]))
    >>> S
    array([[1. , 2. ],
           [1.5, 0. ]])
    >>> dX, (dA,) = layer.backward(tape, np.ones_like(S))
    >>> dX
    array([[0. , 1. ],
           [0.5, 0.5]])
    """

    def __init__(self, map: LinearMap, *, l1: float = 0.0, l2: float = 0.0) -> None:
        if not isinstance(map, LinearMap):
            raise TypeError(f"map must be a linear map such as hntf.maps.Dense(A), got {type(map).__name__}")
        check_number(l1, "l1")
        check_number(l2, "l2")
        self.map = map
        self.l1 = float(l1)
        self.l2 = float(l2)

    def with_factors(self, factors: Sequence[Array]) -> NNLSLayer:
        """Return the same layer with other factors, which must be float64 matrices of the same shapes (not checked)."""
        layer = copy(self)
        layer.map = self.map.with_factors(factors)
        return layer

    def with_penalties(self, l1: float, l2: float) -> NNLSLayer:
        """Return the same layer with other penalties."""
        layer = copy(self)
        layer.l1, layer.l2 = l1, l2
        return layer

    def forward(self, X: Any, *, support: Array | None = None) -> tuple[Array, LayerTape]:
        """Compute the code of every sample.

        Parameters
        ----------
        X : array, tensor, scipy.sparse matrix or Data, `(n, …)`
            Samples along mode 0.
        support : bool array, `(n, k)`, optional
            The support from which the search starts, for example that of a nearby problem.

        Returns
        -------
        S : array, `(n, k)`
            The codes, in the dtype of `X`.
        tape : LayerTape
            The record of the forward pass, for `backward`.

        Raises
        ------
        TypeError, ValueError
            If `X` is not a real array of the shape that the map produces, `X` or a factor has NaN or infinite entries, or
            `support` is no mask of the shape of the code.
        """
        data = as_data(X)
        self.map.check_input(data)
        self.map.check_factors()
        shape = data.shape[0], math.prod(self.map.code_shape(data.shape)[1:])
        tape = self.solve(data, checked_support(support, "support", shape, "that of the code", X=data.prototype))
        # What the caller does with the code does not change the record.
        return cast_like(tape.S + 0.0, data.prototype), tape

    def backward(self, tape: LayerTape, dS: Array) -> tuple[Any, list[Array]]:
        """Return the gradients with respect to the input and to the factors.

        Parameters
        ----------
        tape : LayerTape
            The record that `forward` returned.
        dS : array, `(n, k)`
            Gradient with respect to the code.

        Returns
        -------
        dX : array of the shape of `X`
            Gradient with respect to the input; for a sparse `X` a sparse matrix with the gradient at its stored entries.
        dfactors : list of arrays
            Gradients with respect to the factors, in the order of `map.factors`.
        """
        dS = check_real_array(dS, "dS")
        check_same_home({"dS": dS, "the code": tape.S})
        check_shape(dS, "dS", tuple(tape.S.shape), "that of the code")
        dG, dC = self.solution_pullback(tape, as_float64(dS))
        dX = self.map.input_gradient(tape.X, dC)
        return tape.X.gradient_like(dX), self.map.pullback(tape.X, dG, dC, tape.contracted)

    def solve(self, X: Data, support: Array | None = None) -> LayerTape:
        """Run `forward` without checks of the arguments or a cast of the result."""
        contracted = self.map.contracted(X)
        G, C = self.map.gram(X), self.map.adjoint(X, contracted)
        if not (is_finite(C) and is_finite(G)):
            raise ValueError("X and the factors must hold finite entries whose products do not overflow")
        rooted = self._rooted(X, G)
        S, found, _ = solve(with_ridge(G, self.l2), C - self.l1 if self.l1 else C, support, rooted)
        return LayerTape(X, G, C, S, found, contracted, rooted)

    def solution_pullback(self, tape: LayerTape, dS: Array) -> tuple[Any, Array]:
        """Return the gradients with respect to `G` and `C` from the gradient `dS`."""
        return pullback(with_ridge(tape.G, self.l2), tape.S, tape.support, dS, tape.rooted)

    def _rooted(self, X: Data, G: Gram) -> RootedProblems | None:
        """Return the problem in square-root form; None if `G` has a structure, or the matrix is too large to be formed."""
        if isinstance(G, StructuredGram) and not isinstance(G, GramBlocks):
            return None
        m, k = math.prod(X.shape[1:]), self.map.code_shape(X.shape)[-1]
        # With a Gram matrix for each sample, the matrix of the map is weighted for each.
        of_all = X.shape[0] * m if isinstance(G, GramBlocks) else 0
        if max(m * k, of_all) > max(LARGEST_MATRIX * X.n_entries, SMALL_MATRIX) and len(self.map.factors) > 1:
            return None

        return _OfLayer(self, X)


class _OfLayer(FactoredProblems):
    """The problems of a layer in square-root form, by orthogonal factorizations of its matrix."""

    def __init__(self, layer: NNLSLayer, X: Data) -> None:
        super().__init__()
        self._layer, self._X = layer, X
        self._rank = layer.map.code_shape(X.shape)[-1]

    @cached_property
    def _matrix(self) -> np.ndarray:
        """The matrix of the map, which is formed where it is needed."""
        return to_numpy(self._layer.map.matrix())

    def dictionary(self, gram: int) -> np.ndarray:
        weights = self._X.weights_of(gram)
        return self._matrix if weights is None else self._matrix * np.sqrt(to_numpy(weights))[:, None]

    def ridge(self, gram: int) -> np.ndarray | None:
        return np.full(self._rank, np.sqrt(self._layer.l2)) if self._layer.l2 else None

    def product(self, gram: int, rows: np.ndarray, M: np.ndarray) -> np.ndarray:
        X, weights = self._X, self._X.weights_of(gram)
        if weights is not None:
            # Products with weighted data hold the weight itself, not its root.
            roots = np.sqrt(to_numpy(weights))[:, None]
            M = M * (roots > 0) / (roots + (roots == 0))
        samples = X if len(rows) == X.shape[0] else X.take(from_numpy(rows, X.prototype))
        return to_numpy(samples.as_matrix().mttkrp([None, from_numpy(M, X.prototype)], 0))

    def linear_cost(self, rows: np.ndarray) -> np.ndarray:
        l1 = self._layer.l1
        return np.full((len(rows) if l1 else 0, self._rank), l1)

    def sizes_of_samples(self) -> np.ndarray | None:
        # None of them is longer than all together, whatever the kind of data.
        return np.full((self._X.shape[0], 1), self._X.norm_squared() ** 0.5) if self._layer.l1 else None
