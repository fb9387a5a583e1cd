"""Deep NMF: levels of NMF with pooling between them, then trained as one network by multiplicative updates."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.arrays import Array
from hntf.data import Data, DenseData
from hntf.estimators.base import Input
from hntf.estimators.decoded import DecodedEstimator
from hntf.estimators.label_terms import first_classifier, label_term
from hntf.estimators.supervised import ClassifierMixin, checked_labels
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.divergences import Frobenius
from hntf.fitting.initializers.single_level import best_single_level
from hntf.fitting.initializers.single_matrix import FILL, MATRIX_STARTS, code_of, matrix_start, positive
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.sweeps import SweepCallback, best_of_starts
from hntf.fitting.up_propagation import Network, Propagated, propagated_code, up_propagation
from hntf.hierarchies.pooled import ACTIVATIONS, POOLINGS, Pooling, decoded
from hntf.hierarchies.products import chain, decoded_code
from hntf.losses.targets import Labels
from hntf.validation import check_choice, check_number, check_ranks


class DeepNMF(ClassifierMixin, DecodedEstimator):
    r"""Deep NMF: `X ≈ S_1 A_1ᵀ`, `ρ(S_l) ≈ S_{l+1} A_{l+1}ᵀ`, first level by level, then all factors on the cost of the whole.

    The pooling `ρ` is a pointwise activation of the mean or maximum over groups of components, or the identity. In the second
    stage the top code stands for data, `X̂ = Ŝ_1 A_1ᵀ`, `Ŝ_l = ρ†(Ŝ_{l+1} A_{l+1}ᵀ)`, `Ŝ_L = S_L`, with the shares that components
    have in their groups kept from the first stage, and

    .. math:: \tfrac12 \| W \circ (X - \hat X) \|_F^2 + \tfrac12 \lambda \| L \circ (Y - S_L B) \|_F^2

    falls by multiplicative updates of `S_L`, every `A_l` and `B`, made from the chain rule. With `ρ` the identity it is
    multiplicative up-propagation, whose cost never rises; through another activation the updates take roots of their ratios
    until it does not either. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, finest first; it must not grow.
    activation : {"identity", "sqrt", "log1p"}
        The pointwise part of `ρ`.
    pooling : {"none", "mean", "max"}
        What a group of components becomes.
    pool_size : int
        Components in a group; it must divide the number of components of every level but the last.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"}
        Where the NMF of every level starts.
    max_iter : int
        Most sweeps of the second stage.
    tol : float
        The second stage ends where a sweep lowers the cost by less than this part of it.
    n_init : int
        Number of starts, of which the best fit is kept.
    supervision_weight : float
        The weight of the labels relative to the data, as in `SSNMF`.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1} / pool_size, k_l)`
        The `A_l`; those of the first level have `m` rows.
    codes_ : list of arrays, `(n, k_l)`
        The code of level l that gives the data best through the levels below, from the features alone.
    components_ : list of arrays, `(k_l, m)`
        What a unit code of each level stands for; with no pooling `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of what the code of each level stands for, with the shares that components have in their pooled
        groups in the codes below: with even shares, as in `inverse_transform`, it is larger.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"`: the cost by sweep of the second stage, relative to that of a model of zero.
    classifier_ : array, `(k_L, p)`
        And `classes_` `(p,)`, where labels were given.

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

    supervision_level = -1
    supervision_loss = "squared"

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

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None, label_mask: Any = None) -> Self:
        """Fit level by level, then all levels together.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Nonnegative. A sparse matrix is never made dense.
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, -1 where unknown, or a nonnegative matrix of soft or multiple labels, a row of NaN where unknown.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights.
        weights : array, shape of `X`, optional
            Nonnegative weights of the squared residuals.
        label_mask : bool array, `(n,)` or the shape of a matrix `y`, optional
            True where a label is known, besides those that are -1 or NaN.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter, `X` or `y` is not as described; the message names it.
        """
        ranks = check_ranks(self.n_components)
        self._pooling = self._checked_pooling(ranks)
        check_choice(self.init, "init", MATRIX_STARTS)
        check_number(self.supervision_weight, "supervision_weight")
        self._check_iterations()
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        labels = checked_labels(y, label_mask, given.data)
        random_state = check_random_state(self.random_state)
        with blas_threads_for(given.data, max(ranks)):
            scale = Frobenius(given.data).scale
            found, losses = best_of_starts(
                partial(self._fit_once, given.data, ranks, labels, random_state),
                n_init=self.n_init,
                max_iter=self.max_iter,
                verbose=bool(self.verbose),
                cost=lambda fit: fit.cost,
                loss=lambda cost: cost / scale,
            )
            self._keep(found, losses, labels, given)
        return self

    def _checked_pooling(self, ranks: Sequence[int]) -> Pooling:
        check_choice(self.activation, "activation", tuple(ACTIVATIONS))
        check_choice(self.pooling, "pooling", POOLINGS)
        check_number(self.pool_size, "pool_size", low=1, integer=True)
        if self.pooling == "none":
            return Pooling(self.activation)
        if any(rank % self.pool_size for rank in ranks[:-1]):
            raise ValueError(f"pool_size must divide the components of all levels but the last, got {self.pool_size}")
        return Pooling(self.activation, self.pooling, int(self.pool_size))

    def _fit_once(
        self,
        data: Data,
        ranks: Sequence[int],
        labels: Labels | None,
        random_state: np.random.RandomState,
        callback: SweepCallback,
    ) -> Propagated:
        """Fit level by level, then all factors together."""
        level, factors, shares = data, [], []
        codes: list[Array] = []
        for rank in ranks:
            if codes:
                pooled, share = self._pooling.pooled(codes[-1])
                shares.append(share)
                level = DenseData(pooled)
            S, A = matrix_start(level, rank, self.init, random_state, screened=best_single_level)
            A, norms = with_unit_columns(A)
            codes.append(positive(S * norms))
            factors.append(positive(A))
        term = Frobenius(data)
        label_factor = None if labels is None else positive(first_classifier(codes[-1], labels))
        of_labels: Any = None
        if labels is not None:
            of_labels = label_term(labels, "squared", self.supervision_weight, term.scale)
        return up_propagation(
            Network(term, of_labels, self._pooling, shares),
            factors,
            codes[-1],
            label_factor,
            max_iter=self.max_iter,
            tol=self.tol,
            callback=callback,
        )

    def _keep(self, found: Propagated, losses: np.ndarray, labels: Labels | None, given: Input) -> None:
        """Set the fitted attributes."""
        warn_of_iterations(found.converged, found.n_iter, self.tol)
        self.n_iter_, self.history_ = found.n_iter, {"loss": losses}
        self._keep_levels(found.parts.factors, given)
        if found.parts.label_factor is None or labels is None:
            self._set_classifier(None, None, given.prototype)
        else:
            self._set_classifier(found.parts.label_factor.T * given.scale, labels.classes, given.prototype)

    def _data_of(self, S: Array, factors: Sequence[Array]) -> Array:
        # Components of a pooled group share alike.
        return decoded(factors, S, self._pooling, [None] * (len(factors) - 1))[0] @ factors[0].T

    def _code(self, data: Data, factors: Sequence[Array]) -> tuple[Array, Array]:
        if self._pooling == Pooling():
            S = code_of(data, chain(factors)[-1])
            return S, decoded_code(S, factors[1:])
        S = code_of(data, factors[0])
        shares = []
        for A in factors[1:]:
            pooled, share = self._pooling.pooled(S)
            shares.append(share)
            S = code_of(DenseData(pooled), A)
        network = Network(Frobenius(data), None, self._pooling, shares)
        # Zeros are filled sample by sample: a code must not depend on what else is coded.
        means = S.mean(1)[:, None]
        S = propagated_code(network, factors, S + (S == 0) * FILL * means)
        return S, decoded(factors, S, self._pooling, shares)[0]
