"""Neural NTF: a hierarchy of exact nonnegative least-squares layers on a tensor, the first one CP or Tucker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.estimators.architecture import check_architecture
from hntf.estimators.inputs import Input
from hntf.estimators.neural import NeuralEstimator, Plan
from hntf.estimators.results import cp_tensor, tucker_tensor
from hntf.estimators.starts import check_init
from hntf.estimators.training import LevelWeights
from hntf.fitting.initializers.tensor import TENSOR_INITIALIZERS, TensorStart, completed, tensor_levels
from hntf.fitting.loop import Solution
from hntf.fitting.report import Callback
from hntf.models import Hierarchy
from hntf.models.separate import tucker_levels


class NeuralNTF(NeuralEstimator):
    r"""Hierarchical nonnegative tensor factorization trained end to end through exact NNLS layers.

    The first layer is a CP decomposition over all modes but the first, `S_1 = argmin_{S ≥ 0} ‖X − [[S, U_2, …, U_N]]‖²`, or a
    Tucker decomposition, `S_1 = argmin_{S ≥ 0} ‖X − S ×_i A_i‖²`. The layers above act on the codes,
    `S_l = argmin_{S ≥ 0} ‖S_{l−1} − S A_lᵀ‖²`, or are Tucker layers again, nested in the ones below. All factors minimise the sum
    of the squared reconstruction errors of all levels (`loss="energy"`), or that of the last level. For a matrix this is
    `NeuralNMF`.

    Parameters
    ----------
    n_components : int or tuple
        One entry per level. If the first entry is an integer, the first layer is a CP layer and the others are dense:
        `(7, 4, 2)`. A tuple of ranks, one per compressed mode, is a Tucker layer: `((8, 8), (4, 4), (2, 2))`; integers after it
        are dense layers on its code: `((8, 8), 5, 2)`. Ranks must not increase.
    modes : sequence of int, optional
        The modes that Tucker layers compress; the other modes stay as they are. By default the modes 1, …, N−1, or all modes if a
        level has N ranks. With mode 0 the code is a core, shared by all samples.
    loss : {"energy", "data-centric", "reconstruction", "layer-centric"}
        As in `NeuralNMF`.
    level_weights : "balanced", sequence of float or None
        The weights `w_l` of the levels. `"balanced"` divides the squared error of each level by that of the best single-level
        factorization of its rank (errors below 1 % of the data count as 1 %), so that every level counts by its error relative to
        what it could reach on its own. None gives equal weights: where levels conflict, the finest one, whose error is the
        smallest, then yields to the others. Only `loss="energy"` is balanced.
    init : {"levels", "random"} or list of arrays
        Where the fit starts. `"levels"` fits each rank by itself and computes the factors in between by nonnegative least
        squares; `"random"` draws all factors at random. Or all factors, in the order of `factors_`, or those of the first
        layer alone, for example a `CPTensor`, a `TuckerTensor` or a fitted `NCPD` or `NTD`; the levels above are fitted to its
        code.
    solver, batch_size, max_iter, tol, n_init, learning_rate, random_state, verbose, output_level, callback
        As in `NeuralNMF`.
    supervision_weight, supervision_level, supervision_loss
        As in `NeuralNMF`. If mode 0 is compressed, the labels do not take part in the training: the classifier is fitted
        afterwards to the codes of the samples.
    code_l1, code_l2, factor_l1, factor_l2, simplex, volume_weight, volume_delta
        As in `NeuralNMF`.

    Attributes
    ----------
    factors_ : list of arrays
        The factors of all levels, one after the other: those of a CP layer are `U_2, …, U_N`, each `(d_i, k_1)`, that of a dense
        layer is `A_l`, `(k_{l−1}, k_l)`, and those of a Tucker layer are `A_{i,l}`, one per compressed mode.
    codes_ : list of arrays, `(n, k_l)`
        The codes of the training samples; those of a Tucker layer are flattened, the last mode fastest. If mode 0 is compressed,
        the code of a sample is its row of the factor of mode 0, which weights the slices of the core.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[l][mode]` holds the profile of each component of level l along a mode. At CP and Tucker layers a component is
        the outer product of its profiles over modes 1, …, N−1; at dense layers above them a profile is the component summed over
        the other modes. For a matrix, `components_[l]` is a single array `(k_l, m)`.
    memberships_ : list of arrays, `(k_{l−1}, k_l)`
        The gathering matrix of each level: `A_l` for a dense layer, the Kronecker product of the `A_{i,l}` for a Tucker layer,
        and the identity at level 0.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of each level.
    modes_ : tuple of int
        The modes that Tucker layers compress; empty if the first layer is CP.
    level_ratios_ : array, `(L,)`
        The error of each level divided by that of the best single-level factorization of its rank: the price of the hierarchy.
        Only set if the fit computed these errors, as it does with the default parameters.
    n_iter_ : int
        Number of iterations of the fit that was kept.
    history_ : dict of arrays
        `"loss"` (relative to `‖X‖²`) and `"projected_gradient"` after each iteration.
    classifier_, classes_
        As in `NeuralNMF`; only set if labels were given.

    References
    ----------
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, for matrices.
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
        level_weights: str | Sequence[float] | None = "balanced",
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
        output_level: int | str = -1,
        callback: Callback | None = None,
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
        self.output_level = output_level
        self.callback = callback

    cp_tensor = cp_tensor
    tucker_tensor = tucker_tensor

    def _plan(
        self, given: Input, first: Data, random_state: np.random.RandomState, errors: list[float] | None = None
    ) -> Plan:
        architecture = check_architecture(self.n_components, self.modes, given.shape)
        weights = LevelWeights(self.loss, self.level_weights, architecture.n_levels)
        init: Any = self.init
        factors = check_init(
            init, tuple(TENSOR_INITIALIZERS), architecture.shapes(), given, n_first=architecture.n_first
        )
        self.modes_ = architecture.modes

        def draw(data: Data) -> TensorStart:
            if factors is None:
                return TENSOR_INITIALIZERS[init](data, architecture, random_state)
            return completed(data, factors, architecture, random_state)

        ready = []
        if errors is None:
            ready = [draw(first)]
            errors = ready[0].errors
        if errors is None and weights.balanced:
            errors = tensor_levels(first, architecture, random_state).errors

        def start(data: Data) -> Hierarchy:
            found = ready.pop() if ready else draw(data)
            return architecture.hierarchy(found.factors, l1=self.code_l1, l2=self.code_l2)

        loss, rank = weights.data_loss(errors), max(architecture.ranks, default=1)
        shapes = architecture.shapes()
        return Plan(loss, start, architecture.n_levels, shapes, rank, errors, 0 not in architecture.modes)

    def _keep_hierarchy(self, hierarchy: Hierarchy, given: Input, solution: Solution) -> None:
        if 0 not in self.modes_:
            self._keep(hierarchy, given, solution)
            return
        # With mode 0 compressed the code is a core shared by all samples, so every level is one Tucker decomposition.
        cores = hierarchy.encode_levels(given.data)
        self._keep(tucker_levels(hierarchy, cores, given.data.shape), given, solution)
