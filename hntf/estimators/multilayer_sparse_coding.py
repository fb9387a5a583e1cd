"""Multilayer sparse coding: elastic-net layers with dictionaries of any sign, trained through the layers' exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.arrays import Array, cast_like, from_numpy, to_numpy
from hntf.estimators.base import DATA_LOSSES, checked_loss
from hntf.estimators.network import NetworkEstimator
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.semi_nmf import start_dictionaries
from hntf.hierarchies import SparseCoding
from hntf.hierarchies.products import chain
from hntf.validation import check_number, check_ranks


class MultilayerSparseCoding(NetworkEstimator):
    r"""Layers of nonnegative sparse coding, with dictionaries of any sign and a linear classifier on top, trained end to end.

    .. math:: S_l = \mathrm{argmin}_{S \ge 0} \; \tfrac12 \| S_{l-1} - S D_l^T \|^2
              + \lambda_{1,l} \sum S + \tfrac12 \lambda_{2,l} \| S \|^2, \qquad S_0 = X

    The columns of every `D_l` have unit norm. All dictionaries minimise the squared error of the data at every level, `‖X − S_l
    (D_1 … D_l)ᵀ‖²`, or at the last, and the loss of the labels where there are some; then the penalties are trained along.
    Without labels they are held: the error of the data alone would only lower them. Wide and slim layers may alternate.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, from the data up; it may grow.
    code_l1 : float
        The `λ_{1,l}` of all levels at the start, relative to the root mean square of the samples' norms.
    code_l2 : float
        The `λ_{2,l}` of all levels at the start, at least 0; positive where a level has more components than its input features.
    loss : {"energy", "data-centric", "reconstruction"}
        Whether the errors of all levels count, or that of the last one alone.
    level_weights : sequence of float, optional
        Weights of the levels, all 1 by default.
    solver, max_iter, tol, n_init, learning_rate
        As in `NeuralNMF`.
    supervision_weight, supervision_level
        As in `NeuralNMF`.
    supervision_loss : {"cross_entropy", "squared"}
        As in `NeuralNMF`.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The dictionaries `D_l`.
    penalties_ : array, `(L, 2)`
        `λ_{1,l}` and `λ_{2,l}` as trained.
    codes_ : list of arrays, `(n, k_l)`
        The `S_l` of the training samples.
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

    def __init__(
        self,
        n_components: int | Sequence[int] = (16, 4),
        *,
        code_l1: float = 0.01,
        code_l2: float = 0.01,
        loss: str = "energy",
        level_weights: Sequence[float] | None = None,
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
    ) -> None:
        self.n_components = n_components
        self.code_l1 = code_l1
        self.code_l2 = code_l2
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
        """Train the network.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Of any sign. A sparse matrix is never made dense.
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, -1 where unknown, or a nonnegative matrix of soft or multiple labels, a row of NaN where unknown.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights.
        weights : array, shape of `X`, optional
            Nonnegative weights of the residuals.
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
        ranks = check_ranks(self.n_components, may_grow=True)
        data_loss = checked_loss(self.loss, self.level_weights, len(ranks), DATA_LOSSES)
        check_number(self.code_l1, "code_l1")
        check_number(self.code_l2, "code_l2")
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        loss, labels = self._with_labels(data_loss, y, given.data, len(ranks), label_mask)
        settings = self._checked_settings(tuple(OPTIMIZERS))
        random_state = check_random_state(self.random_state)
        size = (given.data.norm_squared() / given.data.shape[0]) ** 0.5
        penalties = from_numpy(np.array([[self.code_l1 * size, self.code_l2]] * len(ranks)), given.data.prototype)

        def start() -> SparseCoding:
            pairs = start_dictionaries(given.data, ranks, random_state)
            return SparseCoding(pairs, penalties, train_penalties=labels is not None)

        model = self._fit_network(start, loss, settings, given, labels, max(ranks))
        self.factors_ = [cast_like(D, given.prototype) for D in model.dictionaries]
        self.penalties_ = to_numpy(self._model.penalties)
        self.components_ = [cast_like(product.T, given.prototype) for product in chain(model.dictionaries)]
        return self

    def _in_units(self, model: Any, c: float) -> Any:
        return model.in_units(c)

    def _decode(self, S: Array, level: int) -> Array:
        return S @ chain(self._model_like(S).dictionaries)[level].T
