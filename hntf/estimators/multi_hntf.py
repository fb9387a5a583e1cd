"""Multi-HNTF: the components of one CP decomposition, gathered level by level by nonnegative matrices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from hntf.arrays import Array
from hntf.costs.targets import Labels
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.hierarchical_ncpd import fit_base
from hntf.estimators.inputs import Input
from hntf.estimators.results import cp_tensor
from hntf.estimators.starts import check_init, split_base
from hntf.estimators.supervised import Classifier
from hntf.estimators.training import DATA_LOSSES, LevelWeights, train
from hntf.fitting.initializers.components import gathers, ordered_base
from hntf.fitting.initializers.single_level import best_levels
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.report import Callback
from hntf.models import GatheredComponents
from hntf.validation import as_random_state, check_flag, check_ranks

BASE_SWEEPS, BASE_TOL = 1000, 1e-5
"""Maximum number of sweeps and tolerance for the base, which is fitted first; `max_iter` and `tol` apply to the second fit."""


class MultiHNTF(Classifier):
    r"""Hierarchical tensor factorization that gathers the components of a CP decomposition by nonnegative matrices.

    The base is an NCPD `[[U_1, …, U_N]]` of rank `k_0`; level l is a CP decomposition of rank `k_l`,

    .. math:: X \approx [[ U_1 W_{1} \cdots W_{l}, \ldots, U_N W_{1} \cdots W_{l} ]],

    with `W_l ≥ 0` of shape `(k_{l−1}, k_l)`, shared by all modes or one per mode. All `W` minimise the weighted sum of the
    squared errors of all levels together, with the base fixed or trained as well.

    Parameters
    ----------
    n_components : tuple of int
        The rank of the base and of each level above, for example `(7, 4, 2)`; it must not increase.
    shared : bool
        Whether all modes use the same gathering matrix at a level, as in the paper, or each mode has its own.
    train_base : bool
        Whether the base is trained as well, or fixed at the best NCPD found.
    loss : {"energy", "data-centric", "reconstruction"}
        `"energy"`, also called `"data-centric"`, counts the errors of all levels, `"reconstruction"` that of the last level only.
    level_weights : "balanced", sequence of float or None
        The weights `w_l` of the levels. `"balanced"` divides the squared error of each level by that of the best single-level
        factorization of its rank (errors below 1 % of the data count as 1 %), so that every level counts by its error relative to
        what it could reach on its own. None gives equal weights: where levels conflict, the finest one, whose error is the
        smallest, then yields to the others. Only `loss="energy"` is balanced.
    init : {"screened"}, list of arrays, CPTensor or fitted estimator
        Where the fit of the base starts, as in `NCPD`; or all factors, nested as in `factors_`, or an estimator to take them
        from.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
        The optimizer, as in `NeuralNMF`.
    max_iter, tol, learning_rate
        As in `NeuralNMF`, for the fit of the gathering matrices.
    random_state, verbose, output_level, callback
        As in `NeuralNMF`.
    n_init : int
        Number of starts of the base; the best one is kept.
    supervision_weight, supervision_level, supervision_loss
        As in `NeuralNMF`; level 0 is the base.

    Attributes
    ----------
    factors_ : list of lists of arrays
        `factors_[0] = [U_1, …, U_N]`, and `factors_[l]` holds the matrices `W_l`, one per mode.
    codes_ : list of arrays, `(n, k_l)`
        The factor of the samples at level l, `U_1 W_1 ⋯ W_l`.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[l][mode]` holds the components of level l over the entries of a mode, `(U_i W_1 ⋯ W_l)ᵀ`.
    memberships_ : list of arrays, `(k_{l−1}, k_l)`
        The gathering matrices `W_l`, the identity at level 0; with `shared=False` a list per level, one matrix per mode.
    reconstruction_err_ : array, `(L + 1,)`
        Relative Frobenius error of each level.
    level_ratios_ : array, `(L + 1,)`
        The error of each level divided by that of the best single-level factorization of its rank: the price of the hierarchy.
        Only set if the fit computed these errors, as it does with the default parameters.
    n_iter_, history_, classifier_, classes_
        As in `NeuralNMF`.

    References
    ----------
    Vendrow, Haddock, Needell (2022), *A generalized hierarchical nonnegative tensor decomposition*, ICASSP.

    Examples
    --------
    >>> from hntf import MultiHNTF
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = MultiHNTF((7, 4, 2), random_state=0).fit(X)
    >>> model.cp_tensor(level=1).rank
    4
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        shared: bool = True,
        train_base: bool = False,
        loss: str = "energy",
        level_weights: str | Sequence[float] | None = "balanced",
        init: Any = "screened",
        solver: str = "lbfgs",
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 8,
        learning_rate: float | None = None,
        supervision_weight: float = 0.1,
        supervision_level: int = -1,
        supervision_loss: str = "squared",
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.shared = shared
        self.train_base = train_base
        self.loss = loss
        self.level_weights = level_weights
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.learning_rate = learning_rate
        self.supervision_weight = supervision_weight
        self.supervision_level = supervision_level
        self.supervision_loss = supervision_loss
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    cp_tensor = cp_tensor

    def _fit(self, given: Input, labels: Labels | None) -> None:
        given = given.with_labels(labels)
        ranks = check_ranks(self.n_components)
        shared, train_base = check_flag(self.shared, "shared"), check_flag(self.train_base, "train_base")
        weights = LevelWeights(self.loss, self.level_weights, len(ranks), DATA_LOSSES)
        data = given.data
        settings = settings_of(self, tuple(OPTIMIZERS))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        random_state = as_random_state(self.random_state)
        of_base = settings._replace(solver="anls", max_iter=BASE_SWEEPS, tol=BASE_TOL)
        init, above = split_base(self.init)
        base_solution = fit_base(init, ranks[0], of_base, given, random_state)
        found = base_solution.found
        base, errors = ordered_base(found.factors), [found.error]
        if above is None or weights.balanced:
            levels = best_levels(data, ranks[1:], random_state)
            errors = [found.error, *(level.error for level in levels)]
        given_matrices = None if above is None else self._given_matrices(above, ranks, given)

        def start() -> GatheredComponents:
            matrices = given_matrices or gathers(base, levels, shared=shared)
            return GatheredComponents(base, matrices, train_base=train_base)

        loss = self._with_labels(weights.data_loss(errors), given, len(ranks))
        settings = settings._replace(n_init=1).after(base_solution)
        solution = train(start, loss, settings, given.parts, sum(ranks))
        if base_solution.ended.by_user:
            solution = solution._replace(ended=base_solution.ended)
        self._keep(solution.found, given, solution)
        self._keep_ratios(errors if len(errors) == len(ranks) else None)
        self._keep_classifier(given)

    def _given_matrices(self, above: list[list[Array]], ranks: Sequence[int], given: Input) -> list[list[Array]]:
        """Return the user's gathering matrices, mode by mode and then level by level, as the model holds them.

        A level holds one matrix per mode, as `factors_` does, or a single one for all modes.
        """
        order, n_given = len(given.data.shape), len(above[0])
        if n_given not in (1, order):
            raise ValueError(f"init must hold 1 or {order} gathering matrices per level above the base, got {n_given}")
        shapes = [shape for shape in pairwise(ranks) for _ in range(n_given)]
        matrices: Any = check_init(above, (), shapes, given)
        by_mode = [matrices[mode::n_given] for mode in range(n_given)]
        if not self.shared:
            return by_mode if n_given == order else by_mode * order
        for of_mode in by_mode[1:]:
            if any(float(abs(W - V).max()) > 0 for W, V in zip(by_mode[0], of_mode, strict=True)):
                raise ValueError("init must hold the same gathering matrices for all modes with shared=True")
        return by_mode[:1]
