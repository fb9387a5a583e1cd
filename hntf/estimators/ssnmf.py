"""Semi-supervised nonnegative matrix factorization (SSNMF): data and labels factorized with one code."""

from __future__ import annotations

from typing import Any, Self

from sklearn.utils import check_random_state

from hntf.arrays import Array
from hntf.estimators.label_terms import check_label_terms, first_classifier, label_term, last_classifier
from hntf.estimators.nmf import NMF
from hntf.estimators.supervised import ClassifierMixin, checked_labels
from hntf.fitting.divergences import DIVERGENCES
from hntf.fitting.initializers.single_matrix import positive
from hntf.fitting.joint import fit_joint


class SSNMF(ClassifierMixin, NMF):
    r"""Semi-supervised NMF: the code of the data tells the labels too.

    .. math:: \min_{S, A, B \ge 0} \tfrac12 \| W \circ (X - S A^T) \|_F^2 + \tfrac12 \lambda \| L \circ (Y - S B) \|_F^2

    with masks or weights `W` of the data and `L` of the labels; either term may be the Kullback–Leibler divergence in its place,
    which makes four models. The labels of new samples come from their features alone: a code from `A`, then `S B`. The papers write
    the transpose, samples in columns.

    Parameters
    ----------
    n_components : int
        The rank.
    loss : {"frobenius", "kullback-leibler"}
        The term of the data.
    supervision_loss : {"squared", "kullback-leibler"}
        The term of the labels.
    supervision_weight : float
        The weight of the labels relative to the data: the terms of a model of zero are as 1 to this, so that `λ` is this times
        `‖W∘X‖² / ‖L∘Y‖²` for squared errors.
    solver : {"anls", "hals", "mu"}
        As in `NMF`; with a Kullback–Leibler term `"mu"`, whose updates sum the parts of both terms.
    init, max_iter, tol, n_init, code_l1, code_l2, factor_l1, factor_l2, random_state, verbose
        As in `NMF`.

    Attributes
    ----------
    factors_, codes_, components_, reconstruction_err_, sparsity_, n_iter_
        As in `NMF`; the codes of the training samples are those that the labels took part in.
    history_ : dict of arrays
        `"loss"`: the cost by sweep, relative to the term of the data for a model of zero.
    classifier_ : array, `(k, p)`
        The `B`, where labels were given.
    classes_ : array, `(p,)`

    References
    ----------
    Lee, Yoo, Choi (2010), *Semi-supervised nonnegative matrix factorization*, IEEE Signal Process. Lett.
    Haddock, Kassab, Li, Kryshchenko, Grotheer, Sizikova, Wang, Merkh, Madushani, Ahn, Needell, Leonard (2020),
    *Semi-supervised nonnegative matrix factorization models for document classification*, Asilomar.

    Examples
    --------
    >>> from hntf import SSNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X, classes, *_ = make_hierarchical_blocks(random_state=0)
    >>> y = classes.copy()
    >>> y[::2] = -1
    >>> model = SSNMF(9, random_state=0).fit(X, y)
    >>> model.score(X, classes)
    1.0
    """

    supervision_level = -1

    def __init__(
        self,
        n_components: int = 8,
        *,
        loss: str = "frobenius",
        supervision_loss: str = "squared",
        supervision_weight: float = 0.1,
        solver: str = "anls",
        init: Any = "screened",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 1,
        code_l1: float = 0.0,
        code_l2: float = 0.0,
        factor_l1: float = 0.0,
        factor_l2: float = 0.0,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        super().__init__(
            n_components,
            loss=loss,
            solver=solver,
            init=init,
            max_iter=max_iter,
            tol=tol,
            n_init=n_init,
            code_l1=code_l1,
            code_l2=code_l2,
            factor_l1=factor_l1,
            factor_l2=factor_l2,
            random_state=random_state,
            verbose=verbose,
        )
        self.supervision_loss = supervision_loss
        self.supervision_weight = supervision_weight

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None, label_mask: Any = None) -> Self:
        """Fit to the data and the labels.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Nonnegative. A sparse matrix is never made dense.
        y : array, `(n,)` or `(n, p)`, optional
            Class labels, -1 where unknown, or a nonnegative matrix of soft or multiple labels, a row of NaN where unknown. Without
            labels this is `NMF`.
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
        self._check_parameters()
        check_label_terms(self.supervision_loss, self.supervision_weight, self.solver)
        given = self._validated_moderately(X, mask, weights)
        labels = checked_labels(y, label_mask, given.data)
        terms = [DIVERGENCES[self.loss](given.data)]
        if labels is not None:
            terms.append(label_term(labels, self.supervision_loss, self.supervision_weight, terms[0].scale))
        start_of_data = self._starts(given, check_random_state(self.random_state))

        def start() -> tuple[Array, list[Array]]:
            S, factors = start_of_data()
            if labels is not None:
                B = first_classifier(S, labels)
                factors = [*factors, positive(B) if self.solver == "mu" else B]
            return S, factors

        found, losses = fit_joint(terms, start, self._settings(), self._penalties(), rank=int(self.n_components))
        norms = self._keep(found, losses, given, exact_codes=labels is None and self.loss == "frobenius")
        if labels is None:
            self._set_classifier(None, None, given.prototype)
        else:
            self._set_classifier(last_classifier(found, norms, given.scale), labels.classes, given.prototype)
        return self
