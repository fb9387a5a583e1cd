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
from hntf.fitting.initializers.levels import through_levels, without_dead_columns
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

    (`loss="energy"`, by another name `"data-centric"`), its last term alone (`"reconstruction"`), or what every layer leaves of
    its own input, `Σ_l w_l ‖S_{l−1} − S_l A_lᵀ‖²` (`"layer-centric"`, which wants `simplex`). Every factor learns from every
    level: the layers are differentiated exactly. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, finest first, for example `(9, 4, 2)`; it must not grow, as each level
        gathers the components of the one before.
    loss : {"energy", "data-centric", "reconstruction", "layer-centric"}
        Whether all levels count, the last one alone, or every layer by its own input.
    level_weights : "balanced", sequence of float or None
        Weights `w_l` of the levels. Where levels conflict, equal ones (None) trade the finest level away, whose error is the
        smallest: `"balanced"` divides each by the squared error of the best single level of its rank, which the start finds, but
        at least 1 % of the data, so that every level counts by what the hierarchy costs it. Only the energy is balanced.
    init : {"levels", "sequential", "nndsvd", "nndsvda", "nndsvdar", "random"} or list of arrays
        Where the fit starts. `"levels"` fits each rank by itself and finds the factors between; `"sequential"` factorizes the
        codes level by level; the others are the nonnegative double SVD with zeros kept, filled with the mean or with small
        random numbers, and random numbers. Or the factors `[A_1, …, A_L]` themselves.
    solver : {"auto", "lbfgs", "projected_gradient", "sgd", "adam"}
        The bounded quasi-Newton method `"lbfgs"` needs no learning rate; projected gradient finds its steps too. `"auto"` is
        `"lbfgs"`, and `"adam"` for training on batches, which can be `"sgd"` too.
    batch_size : int, optional
        Samples of a batch: then an iteration is an epoch of projected steps on shuffled batches. By default every iteration takes
        all samples.
    max_iter : int
        Most iterations of the solver.
    tol : float
        Where to stop: relative projected gradient `‖A‖ ‖∇⁺‖ / ‖X‖²` of the loss. A minimum may lie at a kink, so a fit ends
        too where the loss fell by less than `tol²`, relatively, in 20 iterations (200 for SGD and Adam), or where no step
        lowers it. On batches, an epoch that lowers the mean loss by less than `tol`, relatively, halves the learning rate, and the
        fifth such epoch ends the fit.
    n_init : int
        Number of starts, of which the best fit is kept.
    learning_rate : float, optional
        Relative to the size of the starting factors; each solver has a default.
    supervision_weight : float
        The `λ` of labels given to `fit`: the loss gains `λ ‖X‖²` times what the labels lose, relative to what a model that knows
        nothing of them does. `L` leaves out unknown labels.
    supervision_level : int
        The level, from 0, whose codes tell the labels; -1 is the last.
    supervision_loss : {"squared", "cross_entropy"}
        `‖L∘(Y − S_l B)‖²` over a classifier `B ≥ 0`, or the cross-entropy of `softmax(S_l B)` over `B` of any sign, which gives
        `predict_proba`.
    code_l1, code_l2 : float
        Penalties of the codes, exact in every layer and its derivative: `S_l = argmin_{S ≥ 0} ½‖S_{l−1} − S A_lᵀ‖² + λ₁ΣS +
        ½λ₂‖S‖²`, and twice their sum is added to the loss. They want `simplex` or penalties of the factors: else the factors
        grow and the codes shrink.
    factor_l1, factor_l2 : float
        Penalties of the factors: `2μ₁ΣA_l + μ₂‖A_l‖²` is added to the loss.
    simplex : bool
        Whether the columns of all factors are held at sum one.
    volume_weight : float
        The `ν` of a minimum-volume penalty `ν ‖X‖² Σ_l log det(A_lᵀA_l + δI)`; use it with `simplex`.
    volume_delta : float
        The `δ`, greater than 0.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.
    output_level : int or "all"
        The level whose codes `transform` returns where it is not told one, in a pipeline for example; `"all"` puts the codes of
        all levels side by side.
    callback : callable, optional
        Called after every iteration with a `Progress`: start, iteration and loss. The fit stops where it returns a true value.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The `A_l`; the columns of the last one have unit norm, where neither `simplex` nor a penalty fixes their scale.
    codes_ : list of arrays, `(n, k_l)`
        The `S_l` of the training samples.
    components_ : list of arrays, `(k_l, m)`
        The topics of level l over the features, `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (A_1 … A_l)ᵀ‖ / ‖X‖` of each level.
    level_ratios_ : array, `(L,)`
        The error of each level over that of the best single level of its rank: what the hierarchy costs; set where the start
        knows those errors.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"` (relative to `‖X‖²`) and `"projected_gradient"` by iteration.
    classifier_ : array, `(k_l, p)`
        The `B`, and `classes_` `(p,)`, where labels were given.
    memberships_ : list of arrays, `(k_{l−1}, k_l)`
        How topics gather into those of level l: `A_l`, the identity at level 0.
    sparsity_ : dict of arrays
        The fraction of zeros in the codes of every level, `"codes"`, and in every factor, `"factors"`.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where `X` had string column names.

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
        factors = check_init(init, tuple(INITIALIZERS), level_shapes(given.data.shape[1], ranks), given)
        ready = []
        by_levels = factors is None and init == "levels"
        if errors is None and (by_levels or weights.balanced):
            singles = best_levels(first, ranks, random_state)
            errors = [single.error for single in singles]
            ready = [through_levels(singles)] if by_levels else []

        def start(data: Data) -> Hierarchy:
            if factors is not None:
                found = [without_dead_columns(A) for A in factors]
            else:
                found = ready.pop() if ready else INITIALIZERS[init](data, ranks, random_state)
            found = balanced(found, on_simplex) if self.simplex else found
            return dense_hierarchy(found, l1=self.code_l1, l2=self.code_l2)

        return Plan(weights.data_loss(errors), start, len(ranks), max(ranks), errors)
