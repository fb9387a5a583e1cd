"""Neural NCPD: a CP decomposition with a stack of exact nonnegative least-squares layers on every mode, trained together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np

from hntf.costs.targets import Labels
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.results import cp_tensor
from hntf.estimators.starts import check_init, split_base
from hntf.estimators.supervised import Classifier
from hntf.estimators.training import DATA_LOSSES, LevelWeights, train
from hntf.fitting.initializers.components import (
    STACK_INITIALIZERS,
    StackStart,
    by_size,
    component_unit,
    even_scales,
    factorized_components,
)
from hntf.fitting.initializers.single_level import best_levels
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.report import Callback
from hntf.models import ComponentStacks
from hntf.validation import as_random_state, check_flag, check_ranks


class NeuralNCPD(Classifier):
    r"""Hierarchical nonnegative CP decomposition trained end to end through exact NNLS layers.

    The base is `[[U_1, …, U_N]]` of rank `k_0`. In every mode its components are the data of a hierarchy, `S_{i,0} = U_iᵀ`,
    `S_{i,l} = argmin_{S ≥ 0} ‖S_{i,l−1} − S A_{i,l}ᵀ‖²`, which gathers them into `k_l` topics at level l. All factors minimise

    .. math:: \sum_l w_l \, \| X - [[\hat U_{1,l}, \ldots, \hat U_{N,l}]] \|^2, \quad
              \hat U_{i,l} = A_{i,1} \cdots A_{i,l} S_{i,l}^T .

    Each mode gathers the components of the base on its own: topic j of a level in one mode and topic j in another need not belong
    together. `memberships_` shows which components of the base each topic gathers. In `MultiHNTF` components span all modes.

    Parameters
    ----------
    n_components : tuple of int
        The rank of the base and the number of topics of each level above, for example `(7, 4, 2)`; it must not increase.
    train_base : bool
        Whether the base is trained as well, or fixed at the one of the start.
    loss : {"energy", "data-centric", "reconstruction"}
        `"energy"`, also called `"data-centric"`, counts the errors of all levels, `"reconstruction"` that of the last level only.
    level_weights : "balanced", sequence of float or None
        The weights `w_l` of the levels. `"balanced"` divides the squared error of each level by that of the best single-level
        factorization of its rank (errors below 1 % of the data count as 1 %), so that every level counts by its error relative to
        what it could reach on its own. None gives equal weights: where levels conflict, the finest one, whose error is the
        smallest, then yields to the others. Only `loss="energy"` is balanced.
    init : {"levels", "sequential", "random"}, list of arrays or fitted estimator
        Where the fit starts. `"levels"` computes the base and the factors from the best of several single-level NCPDs of each
        rank; `"sequential"` computes the base in the same way and factorizes its components level by level, as `HierarchicalNCPD`
        does; `"random"` draws all factors at random. Or all factors, nested as in `factors_`, or an estimator to take them from.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
        The optimizer, as in `NeuralNMF`.
    max_iter, tol, n_init, learning_rate, random_state, verbose, output_level, callback
        As in `NeuralNMF`.
    supervision_weight, supervision_level, supervision_loss
        As in `NeuralNMF`; level 0 is the base. The codes of the samples are `A_{1,1} ⋯ A_{1,l}`, or `U_1` at level 0.

    Attributes
    ----------
    factors_ : list of lists of arrays
        `factors_[0] = [U_1, …, U_N]`, and `factors_[l] = [A_{1,l}, …, A_{N,l}]` for the levels above.
    codes_ : list of arrays, `(n, k_l)`
        The topics of level l in the samples, `A_{1,1} ⋯ A_{1,l}`; `U_1` at level 0.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[l][mode]` holds the topics of level l over the entries of a mode, `(A_{i,1} ⋯ A_{i,l})ᵀ`; `U_iᵀ` at level 0.
    memberships_ : list of lists of arrays, `(k_{l−1}, k_l)`
        `memberships_[l][mode]` shows how the level below gathers into the topics of level l: at level 1 the codes `S_{i,1}` of
        the components of the base, above it the factors `A_{i,l}`; the identity at level 0.
    reconstruction_err_ : array, `(L + 1,)`
        Relative Frobenius error of each level.
    level_ratios_ : array, `(L + 1,)`
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
    Vendrow, Haddock, Needell (2021), *Neural nonnegative CP decomposition for hierarchical tensor analysis*, Asilomar.

    Examples
    --------
    >>> from hntf import NeuralNCPD
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = NeuralNCPD((7, 4, 2), random_state=0).fit(X)
    >>> model.reconstruction_err_.round(1)
    array([0.1, 0.2, 0.5])
    >>> model.cp_tensor(level=1).shape
    (40, 40, 40)
    >>> model.components_[1][2].shape
    (4, 40)
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        train_base: bool = True,
        loss: str = "energy",
        level_weights: str | Sequence[float] | None = "balanced",
        init: Any = "levels",
        solver: str = "lbfgs",
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 4,
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
        train_base = check_flag(self.train_base, "train_base")
        weights = LevelWeights(self.loss, self.level_weights, len(ranks), DATA_LOSSES)
        data = given.data
        settings = settings_of(self, tuple(OPTIMIZERS))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        random_state = as_random_state(self.random_state)
        starts = self._starts(given, ranks, random_state)
        first = next(starts)
        errors = first.errors
        if errors is None and weights.balanced:
            errors = [single.error for single in best_levels(data, ranks, random_state)]
        starts, unit = chain([first], starts), component_unit(data)

        def start() -> ComponentStacks:
            base, stacks, _ = next(starts)
            return ComponentStacks(by_size(base), stacks, train_base=train_base, unit=unit)

        loss = self._with_labels(weights.data_loss(errors), given, len(ranks))
        solution = train(start, loss, settings, given.parts, sum(ranks))
        self._keep(solution.found, given, solution)
        self._keep_ratios(errors)
        self._keep_classifier(given)

    def _starts(self, given: Input, ranks: Sequence[int], random_state: np.random.RandomState) -> Iterator[StackStart]:
        """Return an iterator over starts, from the named initializer or from the user's factors."""
        shape, levels = given.data.shape, len(ranks) - 1
        shapes = [(d, ranks[0]) for d in shape]
        for level, rank in enumerate(ranks[1:], start=1):
            shapes.extend((d if level == 1 else ranks[level - 1], rank) for d in shape)
        base, above = (None, None) if isinstance(self.init, str) else split_base(self.init)
        if levels and above is None and isinstance(base, Sequence) and len(base) == len(shape):
            given_base: Any = check_init(base, (), shapes[: len(shape)], given)
            checked = even_scales(
                given_base
            )  # the gradients of modes of very different scale hardly move the small ones
            return repeat(StackStart(checked, factorized_components(checked, ranks[1:], random_state)))
        factors = check_init(self.init, tuple(STACK_INITIALIZERS), shapes, given)
        if factors is None:
            return STACK_INITIALIZERS[self.init](given.data, ranks, random_state)
        base, upper = factors[: len(shape)], factors[len(shape) :]
        return repeat(StackStart(base, [upper[mode :: len(shape)] for mode in range(len(shape))]))
