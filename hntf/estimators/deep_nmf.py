"""Deep NMF: levels of NMF with pooling between them, then trained jointly by multiplicative updates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.arrays import Array
from hntf.costs.label_terms import first_classifier, label_term
from hntf.costs.squared import Frobenius
from hntf.costs.targets import Labels
from hntf.data import Data, DenseData
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.starts import check_init
from hntf.estimators.supervised import Classifier
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS, matrix_start, positive
from hntf.fitting.loop import run
from hntf.fitting.report import Callback
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.updates.up_propagation import Trained, UpPropagation
from hntf.models import Pooled, Product
from hntf.models.pooling import ACTIVATIONS, POOLINGS, Pooling
from hntf.models.product import best_code
from hntf.validation import as_random_state, check_choice, check_number, check_ranks


class DeepNMF(Classifier):
    r"""Deep NMF: `X ≈ S_1 A_1ᵀ`, `ρ(S_l) ≈ S_{l+1} A_{l+1}ᵀ`, fitted level by level and then all levels jointly.

    The pooling `ρ` is a pointwise activation of the mean or maximum over groups of components, or the identity. In the second
    stage the code of the last level reconstructs the data, `X̂ = Ŝ_1 A_1ᵀ`, `Ŝ_l = ρ†(Ŝ_{l+1} A_{l+1}ᵀ)`, `Ŝ_L = S_L`, where `ρ†`
    divides a pooled value among the components of its group in the proportions found in the first stage. The cost

    .. math:: \tfrac12 \| W \circ (X - \hat X) \|_F^2 + \tfrac12 \lambda \| L \circ (Y - S_L B) \|_F^2

    is minimised by multiplicative updates of `S_L`, every `A_l` and `B`, derived with the chain rule. With `ρ` the identity this
    is multiplicative up-propagation, whose cost never increases; with another activation, the ratios of an update are replaced by
    their roots until the cost does not increase. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        Number of components of each level, finest first; it must not increase.
    activation : {"identity", "sqrt", "log1p"}
        The pointwise part of `ρ`, applied after pooling.
    pooling : {"none", "mean", "max"}
        How the components of a group are combined into one.
    pool_size : int
        Number of components in a group; it must divide the number of components of every level but the last. Ignored with
        `pooling="none"`.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        Where the NMF of every level starts, as in `NMF`; or the factors `[A_1, …, A_L]`, which replace the first stage.
    max_iter : int
        Maximum number of sweeps of the second stage.
    tol : float
        Relative decrease of the cost per sweep below which the second stage stops.
    n_init : int
        Number of starts; the best fit is kept.
    supervision_weight : float
        The weight of the labels relative to the data, as in `SSNMF`.
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
    factors_ : list of arrays, `(k_{l−1} / pool_size, k_l)`
        The factors `A_l`; the first one is `(m, k_1)`.
    codes_ : list of arrays, `(n, k_l)`
        The code of level l that reconstructs the data best through the levels below, computed from the features alone.
    components_ : list of arrays, `(k_l, m)`
        The reconstruction of a unit code of each component; without pooling and activation `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of the reconstruction from each level, with the proportions of the components in their groups
        taken from the codes of the levels below. `inverse_transform` does not know these codes and uses equal proportions, with a
        larger error.
    n_iter_ : int
        Number of sweeps of the second stage.
    history_ : dict of arrays
        `"loss"`: the cost after each sweep of the second stage, divided by that of a model of zero.
    classifier_ : array, `(k_L, p)`
        The linear classifier of the labels on the codes; only set if labels were given.
    classes_ : array, `(p,)`
        The class labels; only set if labels were given.

    References
    ----------
    Flenner, Hunter (2018), *A deep non-negative matrix factorization neural network*, preprint.
    Ahn, Choi, Oh (2004), *A multiplicative up-propagation algorithm*, ICML.

    Examples
    --------
    >>> from hntf import DeepNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = DeepNMF((9, 4), random_state=0).fit(X)
    >>> model.reconstruction_err_.round(2)
    array([0.03, 0.28])
    >>> model.transform(X[:5], level=1).shape
    (5, 4)
    """

    _matrices_only = True
    _for_tensors = "NeuralNTF"

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        activation: str = "identity",
        pooling: str = "none",
        pool_size: int = 2,
        init: str = "screened",
        max_iter: int = 2000,
        tol: float = 1e-5,
        n_init: int = 1,
        supervision_weight: float = 0.1,
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.activation = activation
        self.pooling = pooling
        self.pool_size = pool_size
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.supervision_weight = supervision_weight
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        given = given.with_labels(labels)
        ranks = check_ranks(self.n_components)
        pooling = self._checked_pooling(ranks)
        settings = settings_of(self, ("anls",))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        self._supervised_level(len(ranks))
        random_state = as_random_state(self.random_state)
        inits = check_init(self.init, MATRIX_STARTS, pooled_shapes(given.data.shape[1], ranks, pooling), given)

        def descent() -> UpPropagation:
            at, proportions = self._level_by_level(given.data, ranks, inits, pooling, random_state)
            term, of_labels = Frobenius(given.data), None  # type: tuple[Frobenius, Any]
            if labels is not None:
                of_labels = label_term(labels, "squared", self.supervision_weight, term.scale)
                at = at._replace(label_factor=positive(first_classifier(at.S, labels)))
            return UpPropagation(term, of_labels, pooling, proportions, at)

        solution = run(descent, settings, given.data, max(ranks))
        factors = solution.found.at.factors
        model = Product(factors) if pooling == Pooling() else Pooled(factors, pooling)
        self._keep(model, given, solution)
        self._keep_classifier(given)

    def _checked_pooling(self, ranks: Sequence[int]) -> Pooling:
        check_choice(self.activation, "activation", tuple(ACTIVATIONS))
        check_choice(self.pooling, "pooling", POOLINGS)
        check_number(self.pool_size, "pool_size", low=1, integer=True)
        if self.pooling == "none":
            return Pooling(self.activation)
        if any(rank % self.pool_size for rank in ranks[:-1]):
            raise ValueError(f"pool_size must divide the components of all levels but the last, got {self.pool_size}")
        return Pooling(self.activation, self.pooling, int(self.pool_size))

    def _level_by_level(
        self,
        data: Data,
        ranks: Sequence[int],
        inits: list[Array] | None,
        pooling: Pooling,
        random_state: np.random.RandomState,
    ) -> tuple[Trained, list[Array]]:
        """Return the result of the first stage: the factors and the last code of an NMF of every level, and the proportions.

        The proportions are those of the components in their groups, level by level.
        """
        level, S, factors, proportions = data, None, [], []
        for i, rank in enumerate(ranks):
            if S is not None:
                pooled, proportion = pooling.pooled(S)
                proportions.append(proportion)
                level = DenseData(pooled)
            if inits is None:
                S, A, _ = matrix_start(level, rank, self.init, random_state, screened=best_single_level)
            else:
                S, A = best_code(level, inits[i]), inits[i]
            A, norms = with_unit_columns(A)
            S = positive(S * norms)
            factors.append(positive(A))
        return Trained(factors, S, None), proportions


def pooled_shapes(m: int, ranks: Sequence[int], pooling: Pooling) -> list[tuple[int, int]]:
    """Return the shapes of the factors of a hierarchy with pooling on `m` features."""
    return list(zip([m, *(rank // pooling.size for rank in ranks)], ranks, strict=False))
