"""Multi-HNTF: the components of one CP decomposition, gathered level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sklearn.utils import check_random_state

from hntf.estimators.base import DATA_LOSSES, checked_loss
from hntf.estimators.cp_levels import CPLevelsEstimator, by_size
from hntf.estimators.supervised import SupervisedMixin
from hntf.fitting.fit import fit_model
from hntf.fitting.initializers.components import even_scales, gathers
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.restarts import SweepSettings, fit_screened_cp
from hntf.hierarchies import GatheredComponents
from hntf.validation import check_flag, check_ranks

BASE_SWEEPS = 1000
BASE_TOL = 1e-5
"""Of the NCPD of the base, which starts a fit and is no part of it: `max_iter` and `tol` are those of the gathering."""


class MultiHNTF(SupervisedMixin, CPLevelsEstimator):
    r"""Hierarchical tensor factorization that gathers the components of a CP decomposition by nonnegative matrices.

    The base is an NCPD `[[U_1, …, U_N]]` of rank `k_0`; level l is a CP decomposition of rank `k_l`,

    .. math:: X \approx [[ U_1 W_{1} \cdots W_{l}, \ldots, U_N W_{1} \cdots W_{l} ]],

    with `W_l ≥ 0` of shape `(k_{l−1}, k_l)` shared by all modes, or one for each mode. All `W` minimise the weighted sum of the
    levels' squared errors together, with the base held or trained along.

    Parameters
    ----------
    n_components : tuple of int
        The rank of the base and of each level above, for example `(7, 4, 2)`; it must not grow.
    shared : bool
        Whether one matrix a level gathers the components of all modes, as in the paper, or each mode has its own.
    train_base : bool
        Whether the base is trained along, or held as the best NCPD found.
    loss : {"energy", "data-centric", "reconstruction"}
        Whether all levels count, or the last one alone.
    level_weights : sequence of float, optional
        The weights of the levels' errors, one a level from the base, all 1 by default.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
    max_iter, tol, learning_rate, random_state, verbose
        As in `NeuralNMF`.
    n_init : int
        Number of starts of the base, of which the best is kept.
    supervision_weight, supervision_level, supervision_loss
        As in `NeuralNMF`, with levels from the base.

    Attributes
    ----------
    factors_ : list of lists of arrays
        `factors_[i] = [U_i, W_1, …, W_L]`, mode by mode.
    codes_ : list of lists of arrays, `(k_0, k_l)`
        `codes_[i][l]` is `W_1 ⋯ W_l` of mode i, how much of each component of level l is in those of the base; the identity at
        level 0.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[i][l]` is `(U_i W_1 ⋯ W_l)ᵀ`.
    reconstruction_err_ : array, `(L + 1,)`
        Relative Frobenius error of each level.
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
        level_weights: Sequence[float] | None = None,
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
    ) -> None:
        self.n_components = n_components
        self.shared = shared
        self.train_base = train_base
        self.loss = loss
        self.level_weights = level_weights
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

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None, label_mask: Any = None) -> Self:
        """Fit all levels to the data; the parameters are those of `NeuralNCPD.fit`."""
        ranks = check_ranks(self.n_components)
        shared, train_base = check_flag(self.shared, "shared"), check_flag(self.train_base, "train_base")
        data_loss = checked_loss(self.loss, self.level_weights, len(ranks), DATA_LOSSES)
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        settings = self._checked_settings(tuple(OPTIMIZERS))._replace(n_init=1)
        random_state = check_random_state(self.random_state)
        base_settings = SweepSettings("anls", BASE_SWEEPS, BASE_TOL, self.n_init, bool(self.verbose))
        level = fit_screened_cp(given.data, ranks[0], base_settings, random_state)
        base = by_size(even_scales(level.factors))

        def start() -> GatheredComponents:
            matrices = gathers(given.data, base, ranks[1:], random_state, shared=shared)
            return GatheredComponents(base, matrices, train_base=train_base)

        loss, labels = self._with_labels(data_loss, y, given.data, len(ranks), label_mask)
        fit = fit_model(given.data, start, loss, settings, rank=sum(ranks), labels=labels)
        self._report(fit)
        samples = self._keep_model(fit.model, given)
        self._keep_classifier(labels, samples, given.prototype)
        return self
