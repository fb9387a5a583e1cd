"""Multilayer sparse coding: elastic-net layers with dictionaries of any sign, trained through the layers' exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import from_numpy, to_numpy
from hntf.costs.targets import Labels
from hntf.estimators.checks import settings_of
from hntf.estimators.inputs import Input
from hntf.estimators.starts import check_init, level_shapes
from hntf.estimators.supervised import Classifier
from hntf.estimators.training import DATA_LOSSES, LevelWeights, train
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.report import Callback
from hntf.fitting.updates.semi_nmf import start_dictionaries
from hntf.models import SparseCoding
from hntf.validation import as_random_state, check_number, check_ranks


class MultilayerSparseCoding(Classifier):
    r"""Layers of nonnegative sparse coding, with dictionaries of any sign and a linear classifier on top, trained end to end.

    .. math:: S_l = \mathrm{argmin}_{S \ge 0} \; \tfrac12 \| S_{l-1} - S D_l^T \|^2
              + \lambda_{1,l} \sum S + \tfrac12 \lambda_{2,l} \| S \|^2, \qquad S_0 = X

    The columns of every `D_l` have unit norm. All dictionaries minimise the squared error `‖X − S_l (D_1 … D_l)ᵀ‖²` of all
    levels, or of the last one, plus the loss of the labels if there are labels. With labels the penalties are trained as well;
    without labels they are fixed, because the error of the data alone would always decrease them. Levels may have more components
    than the level below, or fewer.

    Parameters
    ----------
    n_components : int or tuple of int
        Number of components of each level, from the data up; it may increase.
    code_l1 : float
        The initial `λ_{1,l}` of all levels, relative to the root mean square of the norms of the samples.
    code_l2 : float
        The initial `λ_{2,l}` of all levels, at least 0. It should be positive if a level has more components than input features.
    loss : {"energy", "data-centric", "reconstruction"}
        `"energy"`, also called `"data-centric"`, counts the errors of all levels, `"reconstruction"` that of the last level only.
    level_weights : sequence of float, optional
        The weights of the levels, all 1 by default.
    init : {"levels"} or list of arrays
        Where the fit starts. `"levels"` takes the dictionaries of a semi-NMF of the data, then of its code, and so on. Or a list
        of dictionaries, of any sign.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
        The optimizer, as in `NeuralNMF`.
    max_iter, tol, n_init, learning_rate
        As in `NeuralNMF`.
    supervision_weight, supervision_level
        As in `NeuralNMF`.
    supervision_loss : {"cross_entropy", "squared"}
        As in `NeuralNMF`.
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
        The dictionaries `D_l`.
    penalties_ : array, `(L, 2)`
        The trained `λ_{1,l}` and `λ_{2,l}`.
    codes_ : list of arrays, `(n, k_l)`
        The codes `S_l` of the training samples.
    components_ : list of arrays, `(k_l, m)`
        `(D_1 … D_l)ᵀ`, of any sign.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (D_1 … D_l)ᵀ‖ / ‖X‖` of each level.
    sparsity_, n_iter_, history_, classifier_, classes_
        As in `NeuralNMF`.

    References
    ----------
    Sun, Nasrabadi, Tran (2018), *Supervised deep sparse coding networks for image classification*, IEEE Trans. Image Process.

    Examples
    --------
    >>> from hntf import MultilayerSparseCoding
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X, _, groups, _ = make_hierarchical_blocks(random_state=0)
    >>> model = MultilayerSparseCoding((9, 4), max_iter=1000, random_state=0).fit(X, groups)
    >>> model.score(X, groups)
    1.0
    >>> model.predict_proba(X[:5]).shape
    (5, 4)
    """

    _takes_signs = True
    _matrices_only = True
    _for_tensors = "NeuralNTF"

    def __init__(
        self,
        n_components: int | Sequence[int] = (16, 4),
        *,
        code_l1: float = 0.01,
        code_l2: float = 0.01,
        loss: str = "energy",
        level_weights: Sequence[float] | None = None,
        init: Any = "levels",
        solver: str = "lbfgs",
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 1,
        learning_rate: float | None = None,
        supervision_weight: float = 0.1,
        supervision_level: int = -1,
        supervision_loss: str = "cross_entropy",
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.code_l1 = code_l1
        self.code_l2 = code_l2
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

    def _fit(self, given: Input, labels: Labels | None) -> None:
        given = given.with_labels(labels)
        ranks = check_ranks(self.n_components, may_grow=True)
        weights = LevelWeights(self.loss, self.level_weights, len(ranks), DATA_LOSSES)
        check_number(self.code_l1, "code_l1")
        check_number(self.code_l2, "code_l2")
        data = given.data
        settings = settings_of(self, tuple(OPTIMIZERS))
        self._check_levels(len(ranks))
        loss = self._with_labels(weights.data_loss(None), given, len(ranks))
        random_state = as_random_state(self.random_state)
        size = (data.norm_squared() / data.shape[0]) ** 0.5
        penalties = from_numpy(np.array([[self.code_l1 * size, self.code_l2]] * len(ranks)), data.prototype)
        shapes = level_shapes(data.shape[1], ranks)
        factors = check_init(self.init, ("levels",), shapes, given, nonnegative=False)

        def start() -> SparseCoding:
            if factors is None:
                pairs = start_dictionaries(data, ranks, random_state)
            else:
                pairs = [(D * (D > 0), -D * (D < 0)) for D in factors]
            return SparseCoding(pairs, penalties, train_penalties=labels is not None)

        solution = train(start, loss, settings, given.parts, max(ranks))
        self._keep(solution.found, given, solution)
        self.penalties_ = to_numpy(self.model_.penalties)  # type: ignore[attr-defined]
        self._keep_classifier(given)
