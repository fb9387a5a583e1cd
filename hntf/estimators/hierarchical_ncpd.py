"""Hierarchical NCPD: a CP decomposition whose components are factorized level by level, the baseline of Neural NCPD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.costs.targets import Labels
from hntf.estimators.base import Estimator
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.results import cp_tensor
from hntf.estimators.starts import check_init, split_base
from hntf.fitting.initializers.components import factorized_components, ordered_base
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.loop import Settings, Solution, run
from hntf.fitting.report import Callback
from hntf.fitting.updates.alternating import AlternatingCP
from hntf.models import ComponentStacks
from hntf.validation import as_random_state, check_ranks


class HierarchicalNCPD(Estimator):
    r"""Hierarchical nonnegative CP decomposition, fitted level by level: errors of lower levels propagate to the levels above.

    The base is the best NCPD `[[U_1, …, U_N]]` of rank `k_0` found. Then in every mode the components are factorized by NMF,
    `S_{i,l−1} ≈ S_{i,l} A_{i,l}ᵀ` from `S_{i,0} = U_iᵀ`, and level l is `[[Û_{1,l}, …, Û_{N,l}]]` with
    `Û_{i,l} = A_{i,1} ⋯ A_{i,l} S_{i,l}ᵀ`. `NeuralNCPD` trains the same model end to end.

    Parameters
    ----------
    n_components : tuple of int
        The rank of the base and the number of topics of each level above; it must not increase.
    init : {"screened"}, list of arrays, CPTensor or fitted estimator
        Where the fit of the base starts, as in `NCPD`.
    max_iter, tol : int, float
        As in `NCPD`, for the fit of the base.
    n_init : int
        Number of starts of the base; the best one is kept.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    output_level : int or "all"
        The level whose codes `transform` returns by default, for example in a pipeline: an index from 0, -1 for the last level,
        or `"all"` to concatenate the codes of all levels.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_, codes_, components_, memberships_, reconstruction_err_
        As in `NeuralNCPD`.
    n_iter_ : int
        Number of sweeps of the fit of the base.

    References
    ----------
    Vendrow, Haddock, Needell (2021), *Neural nonnegative CP decomposition for hierarchical tensor analysis*, Asilomar, where it
    is the standard method; Cichocki, Zdunek (2006), *Multilayer nonnegative matrix factorisation*, Electron. Lett.

    Examples
    --------
    >>> from hntf import HierarchicalNCPD
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> HierarchicalNCPD((7, 4, 2), random_state=0).fit(X).reconstruction_err_.shape
    (3,)
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        init: Any = "screened",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 8,
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    cp_tensor = cp_tensor

    def _fit(self, given: Input, labels: Labels | None) -> None:
        ranks = check_ranks(self.n_components)
        settings = settings_of(self, ("anls",))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        random_state = as_random_state(self.random_state)
        solution = fit_base(split_base(self.init)[0], ranks[0], settings, given, random_state)
        base = ordered_base(solution.found.factors)
        stacks = factorized_components(base, ranks[1:], random_state)
        self._keep(ComponentStacks(base, stacks), given, solution)


def fit_base(init: Any, rank: int, settings: Settings, given: Input, random_state: np.random.RandomState) -> Solution:
    """Fit the CP decomposition at the base of a hierarchy, from screened random starts or from given factors."""
    data = given.data
    factors = check_init(init, ("screened",), [(d, rank) for d in data.shape], given)

    def descent() -> AlternatingCP:
        return screened_start(data, rank, random_state) if factors is None else AlternatingCP(data, factors)

    return run(descent, settings, data, rank)
