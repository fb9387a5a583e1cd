"""Hierarchical NMF: one level after the other, each by itself; what a level loses stays lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.arrays import Array, cast_like
from hntf.data import Data, DenseData
from hntf.estimators.architecture import check_init
from hntf.estimators.base import level_index
from hntf.estimators.label_terms import check_label_terms, first_classifier, label_term, last_classifier
from hntf.estimators.stack import StackEstimator
from hntf.estimators.supervised import ClassifierMixin, checked_labels
from hntf.fitting.divergences import Frobenius
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS, code_of, matrix_start, positive
from hntf.fitting.joint import SOLVERS, Joint, Term, fit_joint
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import SweepSettings
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies.products import chain
from hntf.hierarchies.stack import dense_hierarchy
from hntf.losses.targets import Labels
from hntf.validation import check_choice, check_ranks


class HierarchicalNMF(ClassifierMixin, StackEstimator):
    r"""Hierarchical NMF, level by level: `S_{l−1} ≈ S_l A_lᵀ` by an NMF of the codes of the level below, `S_0 = X`.

    So `X ≈ S_l (A_1 … A_l)ᵀ`, with errors that propagate upwards; at one level labels may be factorized along, as in `SSNMF`. The
    baseline that `NeuralNMF` trains together. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, finest first; it must not grow.
    solver : {"anls", "hals", "mu"}
        As in `NMF`.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        Where the fit of every level starts, as in `NMF`, or the factors `[A_1, …, A_L]`.
    max_iter, tol, n_init
        As in `NMF`, of every level.
    supervision_weight : float
        As in `SSNMF`, of the level with labels; larger by default, as the codes below have lost what tells some classes apart.
    supervision_level : int
        The level, from 0, whose codes are factorized with the labels; -1 is the last.
    supervision_loss : {"squared", "kullback-leibler"}
        The term of the labels; Kullback–Leibler wants `solver="mu"`.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The `A_l`, with columns of unit norm.
    codes_ : list of arrays, `(n, k_l)`
        The `S_l = argmin_{S ≥ 0} ‖S_{l−1} − S A_lᵀ‖` of the training samples, from their features alone.
    components_ : list of arrays, `(k_l, m)`
        The topics of level l over the features, `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (A_1 … A_l)ᵀ‖ / ‖X‖` of each level.
    sparsity_ : dict of arrays
        The share of zeros in the codes of every level, `"codes"`, and in every factor, `"factors"`.
    n_iter_ : int
        Sweeps of all levels.
    history_ : dict of arrays
        `"loss"`: the cost by sweep, level after level, each relative to that of a model of zero.
    classifier_ : array, `(k_l, p)`
        And `classes_` `(p,)`, where labels were given.

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

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None, label_mask: Any = None) -> Self:
        """Fit level by level.

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
        check_choice(self.solver, "solver", SOLVERS)
        check_label_terms(self.supervision_loss, self.supervision_weight, self.solver)
        self._check_iterations()
        labelled = level_index(self.supervision_level, len(ranks), name="supervision_level")
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        labels = checked_labels(y, label_mask, given.data)
        random_state = check_random_state(self.random_state)
        shapes = list(zip([given.data.shape[1], *ranks], ranks, strict=False))
        inits = check_init(self.init, MATRIX_STARTS, shapes, given) or [self.init] * len(ranks)

        data, factors, fits, losses = given.data, [], [], []
        for level, (rank, init) in enumerate(zip(ranks, inits, strict=True)):
            of_level = labels if level == labelled else None
            found, history = self._fit_level(data, rank, init, of_level, random_state)
            A, norms = with_unit_columns(found.factors[0])
            if of_level is not None:
                self._set_classifier(last_classifier(found, norms, given.scale), of_level.classes, given.prototype)
            data = DenseData(found.S * norms)
            factors.append(A)
            fits.append(found)
            losses.append(history)
        if labels is None:
            self._set_classifier(None, None, given.prototype)
        self.n_iter_ = sum(fit.n_iter for fit in fits)
        warn_of_iterations(all(fit.converged for fit in fits), self.n_iter_, self.tol)
        self.history_ = {"loss": np.concatenate(losses)}
        self._keep_hierarchy(dense_hierarchy(factors), given)
        self.components_ = [cast_like(product.T, given.prototype) for product in chain(factors)]
        return self

    def _fit_level(
        self, data: Data, rank: int, init: Any, labels: Labels | None, random_state: np.random.RandomState
    ) -> tuple[Joint, np.ndarray]:
        """Factorize the codes of the level below, with the labels if there are some."""
        terms: list[Term] = [Frobenius(data)]
        if labels is not None:
            terms.append(label_term(labels, self.supervision_loss, self.supervision_weight, terms[0].scale))

        def start() -> tuple[Array, list[Array]]:
            S, A = (
                matrix_start(data, rank, init, random_state) if isinstance(init, str) else (code_of(data, init), init)
            )
            factors = [A] if labels is None else [A, first_classifier(S, labels)]
            return (positive(S), list(map(positive, factors))) if self.solver == "mu" else (S, factors)

        settings = SweepSettings(self.solver, self.max_iter, self.tol, self.n_init, bool(self.verbose))
        return fit_joint(terms, start, settings, rank=rank)
