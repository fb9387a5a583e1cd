"""Neural NTF: a network of exact nonnegative least-squares layers on a tensor, the first one CP or Tucker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted
from tensorly.cp_tensor import CPTensor
from tensorly.tucker_tensor import TuckerTensor

from hntf.arrays import Array, as_float64, cast_like, from_numpy, identity_like, to_numpy
from hntf.data import Data
from hntf.estimators.architecture import check_architecture, check_init
from hntf.estimators.base import Input, checked_loss, level_index
from hntf.estimators.neural import NeuralEstimator, Plan
from hntf.estimators.results import cp_result
from hntf.estimators.slices import core_slices, data_of_slice_codes, slice_codes
from hntf.fitting.initializers.network import NETWORK_INITIALIZERS
from hntf.hierarchies import Hierarchy
from hntf.hierarchies.products import chain


class NeuralNTF(NeuralEstimator):
    r"""Hierarchical nonnegative tensor factorization as a deep network of exact NNLS layers, trained end to end.

    The first layer is a CP decomposition over the modes but the first, `S_1 = argmin_{S ≥ 0} ‖X − [[S, U_2, …, U_N]]‖²`, or a
    Tucker decomposition, `S_1 = argmin_{S ≥ 0} ‖X − S ×_i A_i‖²`; the layers above act on the codes, `S_l = argmin_{S ≥ 0}
    ‖S_{l−1} − S A_lᵀ‖²`, or are Tucker layers again, nested in the ones below. All factors minimise the squared error of the
    tensor that every level's code stands for (`loss="energy"`), or of the last one's. Of a matrix this is `NeuralNMF`.

    Parameters
    ----------
    n_components : int or tuple
        One entry a level. An integer first makes a CP layer, the others dense layers: `(7, 4, 2)`. A tuple of ranks, one a
        compressed mode, makes a Tucker layer: `((8, 8), (4, 4), (2, 2))`; integers after it are dense layers on its code: `((8,
        8), 5, 2)`. Ranks must not grow.
    modes : sequence of int, optional
        The modes that Tucker layers compress. By default the modes 1, …, N−1, or all of them where a level has N ranks.
        Modes that are not compressed stay as they are. With mode 0 the code is a core, shared by all samples.
    loss : {"energy", "data-centric", "reconstruction", "layer-centric"}
        As in `NeuralNMF`.
    level_weights : sequence of float, optional
        Weights of the levels in the energy, all 1 by default.
    init : {"levels", "random"} or list of arrays
        `"levels"` fits each rank by itself and finds the factors between. Or all factors, in the order of `factors_`.
    solver, batch_size, max_iter, tol, n_init, learning_rate, random_state, verbose
        As in `NeuralNMF`.
    supervision_weight, supervision_level, supervision_loss
        As in `NeuralNMF`; labels need samples, so mode 0 must not be compressed.
    code_l1, code_l2, factor_l1, factor_l2, simplex, volume_weight, volume_delta
        As in `NeuralNMF`; `code_l2` must be 0 with Tucker layers.

    Attributes
    ----------
    factors_ : list of arrays
        Level by level: `U_2, …, U_N`, each `(d_i, k_1)`, then the dense `A_l` `(k_{l−1}, k_l)`; or the `A_{i,l}` of each Tucker
        layer.
    codes_ : list of arrays, `(n, k_l)`
        The codes of the training samples; those of a Tucker layer are flattened, the last mode fastest.
    components_ : list of arrays or of lists
        What a unit code of level l stands for, `(k_l, d_2, …, d_N)`. Where the level is a Tucker layer, a list with `(A_{i,1} ⋯
        A_{i,l})ᵀ`, `(r_i, d_i)`, of each compressed mode.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of each level.
    modes_ : tuple of int
        The modes that Tucker layers compress; empty for a CP layer.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"` (relative to `‖X‖²`) and `"projected_gradient"` by iteration.
    classifier_, classes_
        As in `NeuralNMF`, where labels were given.

    References
    ----------
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, whose network this carries to tensors.
    Kolda, Bader (2009), *Tensor decompositions and applications*, SIAM Review 51.

    Examples
    --------
    >>> from hntf import NeuralNTF
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = NeuralNTF((7, 4, 2), random_state=0).fit(X)
    >>> [S.shape for S in model.codes_]
    [(40, 7), (40, 4), (40, 2)]
    >>> tucker = NeuralNTF(((7, 7), (4, 4)), random_state=0).fit(X)
    >>> [A.shape for A in tucker.factors_]
    [(40, 7), (40, 7), (7, 4), (7, 4)]
    """

    def __init__(
        self,
        n_components: Any = (8, 4, 2),
        *,
        modes: Sequence[int] | None = None,
        loss: str = "energy",
        level_weights: Sequence[float] | None = None,
        init: str | Sequence[Array] = "levels",
        solver: str = "auto",
        batch_size: int | None = None,
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 1,
        learning_rate: float | None = None,
        supervision_weight: float = 0.1,
        supervision_level: int = -1,
        supervision_loss: str = "squared",
        code_l1: float = 0.0,
        code_l2: float = 0.0,
        factor_l1: float = 0.0,
        factor_l2: float = 0.0,
        simplex: bool = False,
        volume_weight: float = 0.0,
        volume_delta: float = 1e-2,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_components = n_components
        self.modes = modes
        self.loss = loss
        self.level_weights = level_weights
        self.init = init
        self.solver = solver
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.learning_rate = learning_rate
        self.supervision_weight = supervision_weight
        self.supervision_level = supervision_level
        self.supervision_loss = supervision_loss
        self.code_l1 = code_l1
        self.code_l2 = code_l2
        self.factor_l1 = factor_l1
        self.factor_l2 = factor_l2
        self.simplex = simplex
        self.volume_weight = volume_weight
        self.volume_delta = volume_delta
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None, label_mask: Any = None) -> Self:
        """Fit all levels to the data.

        Parameters
        ----------
        X : array or tensor of order 2 or more, or scipy.sparse matrix
            Nonnegative, samples along mode 0.
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, -1 where unknown, or a matrix of soft or multiple labels, a row of NaN where unknown: supervision.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights.
        weights : array, shape of `X`, optional
            Nonnegative weights of the squared residuals.
        label_mask : bool array, `(n,)` or the shape of a matrix `y`, optional
            True where a label is known, besides those that are -1 or NaN.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        self._fit(X, y, mask, weights, label_mask)
        return self

    def _plan(self, given: Input, y: Any, random_state: np.random.RandomState) -> Plan:
        network = check_architecture(self.n_components, self.modes, len(given.data.shape))
        if y is not None and 0 in network.modes:
            raise ValueError("y must be None where mode 0 is compressed: the code has no samples")
        loss = checked_loss(self.loss, self.level_weights, network.n_levels)
        init: Any = self.init
        factors = check_init(init, tuple(NETWORK_INITIALIZERS), network.shapes(given.data.shape), given)
        self._network = network
        self.modes_ = network.modes

        def start(data: Data) -> Hierarchy:
            found = factors or NETWORK_INITIALIZERS[init](data, network, random_state)
            return network.hierarchy(found, l1=self.code_l1, l2=self.code_l2)

        return Plan(loss, start, network.n_levels, max(network.ranks, default=1), 0 not in network.modes)

    @property
    def components_(self) -> list[Any]:
        """What a unit code of each level stands for; computed when asked for."""
        return [self._components(level) for level in range(self._network.n_levels)]

    def _components(self, level: int) -> Any:
        prototype = self.codes_[0]
        if level < len(self._network.tucker_ranks):
            return [cast_like(A.T, prototype) for A in self._mode_products(level)]
        k = self.codes_[level].shape[1]
        identity = identity_like(k, self._hierarchy.factors[0])
        return cast_like(self._hierarchy.decode_to_data(identity, level + 1, self.feature_shape_), prototype)

    def _mode_products(self, level: int) -> list[Array]:
        """Return `A_{i,1} ⋯ A_{i,l}` of every compressed mode at a Tucker level."""
        count = len(self._network.modes)
        factors = self._hierarchy.factors[: count * (level + 1)]
        return [chain(factors[i::count])[-1] for i in range(count)]

    def _core(self, level: int) -> Array:
        """Return the code of a Tucker level as a tensor."""
        shape = list(self.feature_shape_)
        for mode, rank in zip(self._network.modes, self._network.tucker_ranks[level], strict=True):
            if mode > 0:
                shape[mode - 1] = rank
        return as_float64(self.codes_[level]).reshape(-1, *shape)

    def cp_tensor(self, level: int = -1, *, normalize: bool = False) -> CPTensor:
        """Return the model of a level as a CP tensor: the code decoded to the first level, and the factors of the modes.

        Parameters
        ----------
        level : int
        normalize : bool
            Whether the columns of the factors have unit norm and the weights carry the size.

        Raises
        ------
        ValueError
            If the first layer is no CP.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, self._network.n_levels)
        if self._network.tucker_ranks:
            raise ValueError("cp_tensor needs a CP as the first layer; use tucker_tensor")
        S = as_float64(self.codes_[level])
        hierarchy = self._hierarchy_like(S)
        for layer in reversed(hierarchy.layers[1 : level + 1]):
            S = layer.map.apply(S)
        return cp_result([S, *hierarchy.layers[0].map.factors], self.codes_[0], normalize=normalize)

    def tucker_tensor(self, level: int = -1) -> TuckerTensor:
        """Return the model of a level as a Tucker tensor; modes that are not compressed have the identity as their factor.

        Raises
        ------
        ValueError
            If the level is no Tucker layer.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, self._network.n_levels)
        if level >= len(self._network.tucker_ranks):
            raise ValueError(f"tucker_tensor needs a Tucker layer, and level {level} is none")
        prototype = self.codes_[0]
        core = self._core(level)
        factors = [identity_like(d, core) for d in core.shape]
        for mode, A in zip(self._network.modes, self._mode_products(level), strict=True):
            factors[mode] = from_numpy(to_numpy(A), core)
        return TuckerTensor((cast_like(core, prototype), [cast_like(A, prototype) for A in factors]))

    def transform(self, X: Any, level: int = -1, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples at a level, from the features alone.

        Where mode 0 is compressed, a sample's code is its row of the factor of mode 0: the weights with which it takes part in the
        slices of the core.

        Parameters
        ----------
        X : array, tensor or sparse matrix, `(n, …)`
            Nonnegative, of the features that were fitted.
        level : int
            From 0, the finest; -1 is the last.
        mask, weights
            As in `fit`.

        Returns
        -------
        array, `(n, k_l)`
            In the backend and floating dtype of `X`.
        """
        check_is_fitted(self, "factors_")
        level = level_index(level, self._network.n_levels)
        if 0 not in self.modes_ or level >= len(self._network.tucker_ranks):
            return super().transform(X, level, mask=mask, weights=weights)
        given = self._validated(X, mask=mask, weights=weights)
        return slice_codes(self._slices(level, given.data.prototype), given)

    def inverse_transform(self, S: Array, level: int = -1) -> Array:
        """Return the data that codes of a level stand for, in the shape of the data."""
        check_is_fitted(self, "factors_")
        index = level_index(level, self._network.n_levels)
        if 0 not in self.modes_ or index >= len(self._network.tucker_ranks):
            return super().inverse_transform(S, level)
        return data_of_slice_codes(S, self._slices(index, S), index, self.feature_shape_)

    def _slices(self, level: int, reference: Any) -> Array:
        return core_slices(self._core(level), self._mode_products(level)[1:], self._network.modes[1:], reference)

    @property
    def _n_features_out(self) -> int:
        last = self._network.tucker_ranks[-1:]
        return last[0][0] if 0 in self.modes_ and not self._network.ranks else self.codes_[-1].shape[1]
