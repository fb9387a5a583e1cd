"""Neural NMF: a hierarchy of exact nonnegative least-squares layers, all levels trained together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array
from hntf.data import Data
from hntf.estimators.inputs import Input
from hntf.estimators.neural import NeuralEstimator, Plan
from hntf.estimators.starts import check_init, level_shapes
from hntf.estimators.training import LevelWeights
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.initializers.levels import completed, through_levels
from hntf.fitting.initializers.single_level import best_levels
from hntf.fitting.report import Callback
from hntf.fitting.scaling import balanced, on_simplex
from hntf.models import Hierarchy
from hntf.models.stack import dense_hierarchy
from hntf.validation import check_ranks


class NeuralNMF(NeuralEstimator):
    r"""Hierarchical nonnegative matrix factorization trained end to end through exact NNLS layers.

    The codes are `S_0 = X`, `S_l = argmin_{S ≥ 0} ‖S_{l−1} − S A_lᵀ‖²`, and the factors `A_1, …, A_L ≥ 0` minimise

    .. math:: \sum_l w_l \, \| X - S_l (A_1 A_2 \cdots A_l)^T \|_F^2

    for `loss="energy"` (also called `"data-centric"`), its last term alone for `"reconstruction"`, or, for `"layer-centric"`, the
    error of every layer on its own input, `Σ_l w_l ‖S_{l−1} − S_l A_lᵀ‖²`, which requires `simplex=True` or penalties of the
    factors. The layers are differentiated exactly, so every factor learns from all levels. The papers write the transpose,
    samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        Number of components of each level, finest first, for example `(9, 4, 2)`. It must not increase, as each level gathers the
        components of the one before.
    loss : {"energy", "data-centric", "reconstruction", "layer-centric"}
        The cost of the data: the errors of all levels (`"energy"`, also called `"data-centric"`), the error of the last level
        (`"reconstruction"`), or the errors of the layers on their own inputs (`"layer-centric"`).
    level_weights : "balanced", sequence of float or None
        The weights `w_l` of the levels. `"balanced"` divides the squared error of each level by that of the best single-level
        factorization of its rank (errors below 1 % of the data count as 1 %), so that every level counts by its error relative to
        what it could reach on its own. None gives equal weights: where levels conflict, the finest one, whose error is the
        smallest, then yields to the others. Only `loss="energy"` is balanced.
    init : {"levels", "sequential", "nndsvd", "nndsvda", "nndsvdar", "random"} or list of arrays or fitted estimator
        Where the fit starts. `"levels"` fits each rank by itself and computes the factors in between by nonnegative least
        squares; `"sequential"` factorizes the codes level by level. `"nndsvd"`, `"nndsvda"` and `"nndsvdar"` take the nonnegative
        double SVD level by level, with its zeros kept, filled with the mean, or filled with small random numbers; `"random"`
        draws all factors at random. Or the factors `[A_1, …, A_L]`, or `[A_1]` alone, for example those of a
        fitted `NMF`, which the levels above are fitted to.
    solver : {"auto", "lbfgs", "projected_gradient", "sgd", "adam"}
        The optimizer. `"lbfgs"` is a projected quasi-Newton method; it and `"projected_gradient"` choose their step lengths
        themselves, while `"sgd"` and `"adam"` take projected steps with a learning rate. `"auto"` is `"lbfgs"`, or `"adam"` with
        a `batch_size`, which only `"adam"` and `"sgd"` support.
    batch_size : int, optional
        Number of samples in a batch. If given, an iteration is an epoch of projected steps on shuffled batches. By default every
        iteration uses all samples.
    max_iter : int
        Maximum number of iterations of the solver.
    tol : float
        Tolerance on the relative projected gradient `‖A‖ ‖∇⁺‖ / ‖X‖²` of the loss. As a minimum may lie at a kink, where the
        gradient does not vanish, a fit also stops when the relative decrease of the loss over 20 iterations (200 for SGD and
        Adam) is below `tol²`, or when no step lowers the loss. On batches, an epoch whose relative decrease of the mean loss is
        below `tol` halves the learning rate, and the fifth such epoch ends the fit.
    n_init : int
        Number of starts. Each one is trained for 50 iterations (one epoch on batches), and the one with the lowest loss is
        continued.
    learning_rate : float, optional
        The length of the steps relative to the size of the starting factors; for `"lbfgs"` and `"projected_gradient"` that of the
        first step. By default 0.1, for `"adam"` 0.02 and for `"sgd"` 0.01.
    supervision_weight : float
        The weight `λ` of the labels: the loss is increased by `λ ‖X‖²` times the label loss, divided by its value for scores
        `S_l B` of zero.
    supervision_level : int
        Index of the level, from 0, whose codes predict the labels; -1 is the last.
    supervision_loss : {"squared", "cross_entropy"}
        The label loss: `‖L∘(Y − S_l B)‖²`, minimised over a classifier `B ≥ 0`, or the cross-entropy of `softmax(S_l B)`,
        minimised over `B` of any sign, which provides `predict_proba`. `L` masks unknown labels.
    code_l1, code_l2 : float
        The penalties `λ₁`, `λ₂` of the codes. They are part of every layer,
        `S_l = argmin_{S ≥ 0} ½‖S_{l−1} − S A_lᵀ‖² + λ₁ΣS + ½λ₂‖S‖²`, and twice their sum is added to the loss. They require
        `simplex=True` or penalties of the factors: otherwise the factors grow and the codes shrink without bound.
    factor_l1, factor_l2 : float
        The penalties `μ₁`, `μ₂` of the factors: `2μ₁ΣA_l + μ₂‖A_l‖²`, times the number of samples, is added to the loss.
    simplex : bool
        Whether the columns of all factors are constrained to sum to one.
    volume_weight : float
        The weight `ν` of a minimum-volume penalty `ν ‖X‖² Σ_l log det(A_lᵀA_l + δI)`; use it with `simplex=True`.
    volume_delta : float
        The `δ` of the minimum-volume penalty, greater than 0.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts and of the shuffling of batches. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    output_level : int or "all"
        The level whose codes `transform` returns by default, for example in a pipeline: an index from 0, -1 for the last level,
        or `"all"` to concatenate the codes of all levels.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The factors `A_l`. The columns of the last one have unit norm, unless `simplex` or a penalty fixes their scale.
    codes_ : list of arrays, `(n, k_l)`
        The codes `S_l` of the training samples.
    components_ : list of arrays, `(k_l, m)`
        The topics of level l over the features, `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (A_1 … A_l)ᵀ‖ / ‖X‖` of each level.
    level_ratios_ : array, `(L,)`
        The error of each level divided by that of the best single-level factorization of its rank: the price of the hierarchy.
        Only set if the fit computed these errors, as it does with the default parameters.
    n_iter_ : int
        Number of iterations of the fit that was kept.
    history_ : dict of arrays
        `"loss"` (relative to `‖X‖²`) and `"projected_gradient"` after each iteration.
    classifier_ : array, `(k_l, p)`
        The linear classifier of the labels on the codes; only set if labels were given.
    classes_ : array, `(p,)`
        The class labels; only set if labels were given.
    memberships_ : list of arrays, `(k_{l−1}, k_l)`
        The gathering matrix of each level, which shows how the topics of the level below gather into its topics: `A_l`, or the
        identity at level 0.
    sparsity_ : dict of arrays
        The fraction of zeros in the codes of each level (`"codes"`) and in each factor (`"factors"`).
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : array of str
        Names of the features seen in `fit`; only set if `X` had string column names.

    References
    ----------
    Gao, Haddock, Molitor, Needell, Sadovnik, Will, Zhang (2019), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, CAMSAP.
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), the same title, Sampl. Theory Signal Process.
    Data Anal. 21.

    Examples
    --------
    >>> from hntf import NeuralNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = NeuralNMF((9, 4, 2), random_state=0).fit(X)
    >>> model.reconstruction_err_.round(2)
    array([0.02, 0.28, 0.47])
    >>> model.transform(X[:5], level=1).shape
    (5, 4)
    """

    _matrices_only = True
    _for_tensors = "NeuralNTF"

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
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

    def _plan(
        self, given: Input, first: Data, random_state: np.random.RandomState, errors: list[float] | None = None
    ) -> Plan:
        ranks = check_ranks(self.n_components)
        weights = LevelWeights(self.loss, self.level_weights, len(ranks))
        init: Any = self.init
        shapes = level_shapes(given.shape[1], ranks)
        factors = check_init(init, tuple(INITIALIZERS), shapes, given, n_first=1)
        ready = []
        by_levels = factors is None and init == "levels"
        if errors is None and (by_levels or weights.balanced):
            singles = best_levels(first, ranks, random_state)
            errors = [single.error for single in singles]
            ready = [through_levels(singles)] if by_levels else []

        def start(data: Data) -> Hierarchy:
            if ready:
                found = ready.pop()
            elif factors is None:
                found = INITIALIZERS[init](data, ranks, random_state)
            else:
                found = completed(data, factors, ranks, random_state)
            found = balanced(found, on_simplex) if self.simplex else found
            return dense_hierarchy(found, l1=self.code_l1, l2=self.code_l2)

        return Plan(weights.data_loss(errors), start, len(ranks), shapes, max(ranks), errors)
