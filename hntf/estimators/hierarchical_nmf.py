"""Hierarchical NMF: NMF of the data, then of its codes, level by level; errors propagate to the levels above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.costs.penalties import NO_PENALTIES
from hntf.costs.targets import Labels
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.starts import check_init, joint_of, joint_updates, level_shapes
from hntf.estimators.supervised import Classifier, check_label_terms
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS
from hntf.fitting.loop import Settings, Solution, joined, run
from hntf.fitting.parts import Parts
from hntf.fitting.report import Callback
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.updates.joint import SOLVERS
from hntf.models.stack import dense_hierarchy
from hntf.validation import check_ranks


class HierarchicalNMF(Classifier):
    r"""Hierarchical NMF, level by level: `S_{l−1} ≈ S_l A_lᵀ` by an NMF of the codes of the level below, `S_0 = X`.

    Hence `X ≈ S_l (A_1 … A_l)ᵀ`, with errors that propagate to the levels above. Labels can be factorized together with the codes
    of one level, as in `SSNMF`. `NeuralNMF` trains the same model end to end. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        Number of components of each level, finest first; it must not increase.
    solver : {"anls", "hals", "mu"}
        As in `NMF`.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        Where the fit of every level starts, as in `NMF`; or the factors `[A_1, …, A_L]`, or `[A_1]`
        alone, for example those of a fitted `NMF`.
    max_iter, tol, n_init
        As in `NMF`, for every level.
    supervision_weight : float
        As in `SSNMF`, for the level with labels. The default is larger than there, because the codes of lower levels have lost
        part of what distinguishes some classes.
    supervision_level : int
        Index of the level, from 0, whose codes are factorized together with the labels; -1 is the last.
    supervision_loss : {"squared", "kullback-leibler"}
        The cost of the labels; `"kullback-leibler"` requires `solver="mu"`.
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
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The factors `A_l`, with columns of unit norm.
    codes_ : list of arrays, `(n, k_l)`
        The codes `S_l = argmin_{S ≥ 0} ‖S_{l−1} − S A_lᵀ‖` of the training samples, computed from their features alone.
    components_ : list of arrays, `(k_l, m)`
        The topics of level l over the features, `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (A_1 … A_l)ᵀ‖ / ‖X‖` of each level.
    sparsity_ : dict of arrays
        The fraction of zeros in the codes of each level (`"codes"`) and in each factor (`"factors"`).
    n_iter_ : int
        Total number of sweeps of all levels.
    history_ : dict of arrays
        `"loss"`: the cost after each sweep, level after level, each divided by that of a model of zero for the level.
    classifier_ : array, `(k_l, p)`
        The linear classifier of the labels on the codes; only set if labels were given.
    classes_ : array, `(p,)`
        The class labels; only set if labels were given.

    References
    ----------
    Cichocki, Zdunek (2006), *Multilayer nonnegative matrix factorisation*, Electron. Lett. 42.

    Examples
    --------
    >>> from hntf import HierarchicalNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = HierarchicalNMF((9, 4, 2), random_state=0).fit(X)
    >>> model.reconstruction_err_.shape
    (3,)
    >>> model.transform(X[:5], level=1).shape
    (5, 4)
    """

    _matrices_only = True
    _takes_checkpoints = True
    _for_tensors = "HierarchicalNCPD"

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        solver: str = "anls",
        init: Any = "screened",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 1,
        supervision_weight: float = 3.0,
        supervision_level: int = -1,
        supervision_loss: str = "squared",
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.supervision_weight = supervision_weight
        self.supervision_level = supervision_level
        self.supervision_loss = supervision_loss
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        ranks = check_ranks(self.n_components)
        settings = settings_of(self, SOLVERS, given)
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.shape)
        check_label_terms(self.supervision_loss, self.solver)
        labelled = self._supervised_level(len(ranks))
        random_state = given.generator(self.random_state)
        given = given.with_labels(labels)
        found = check_init(self.init, MATRIX_STARTS, level_shapes(given.shape[1], ranks), given, n_first=1)
        inits = [self.init] * len(ranks) if found is None else [*found, *["screened"] * (len(ranks) - len(found))]

        parts, factors, solutions = given.parts, [], []
        for level, (rank, init) in enumerate(zip(ranks, inits, strict=True)):
            supervised = labels is not None and level == labelled
            supervision = (self.supervision_loss, self.supervision_weight) if supervised else None
            solution = _fit_level(parts, rank, init, self.solver, supervision, settings, random_state)
            settings = settings.after(solution)
            A, norms = with_unit_columns(solution.found.factors[0])
            parts = parts.derived(solution.found.codes(norms), columns=rank)
            factors.append(A)
            solutions.append(solution)
        self._keep(dense_hierarchy(factors), given, joined(solutions))
        self._keep_classifier(given)


def _fit_level(
    parts: Parts,
    rank: int,
    init: Any,
    solver: str,
    supervision: tuple[str, float] | None,
    settings: Settings,
    random_state: np.random.RandomState,
) -> Solution:
    """Factorize the codes of the level below, together with the labels if the level is supervised."""
    joint = joint_of(parts, "frobenius", solver, NO_PENALTIES, supervision)
    return run(lambda: joint_updates(parts, joint, init, rank, random_state), settings, parts, rank)
