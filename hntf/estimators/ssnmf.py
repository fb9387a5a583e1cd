"""Semi-supervised nonnegative matrix factorization (SSNMF): data and labels factorized with one code."""

from __future__ import annotations

from typing import Any

from hntf.costs.targets import Labels
from hntf.estimators.inputs import Input
from hntf.estimators.nmf import checked_nmf, nmf_model
from hntf.estimators.starts import joint_of, joint_starts
from hntf.estimators.supervised import Classifier, check_label_terms
from hntf.fitting.loop import run
from hntf.fitting.report import Callback


class SSNMF(Classifier):
    r"""Semi-supervised NMF: one code `S` factorizes both the data and the labels of the samples.

    .. math:: \min_{S, A, B \ge 0} \tfrac12 \| W \circ (X - S A^T) \|_F^2 + \tfrac12 \lambda \| L \circ (Y - S B) \|_F^2

    with masks or weights `W` of the data and `L` of the labels. Either term may be the Kullback–Leibler divergence instead, which
    gives four models. The labels of new samples are predicted from their features alone: first the code is computed with `A`,
    then `S B`. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int
        Number of components; a tuple with one integer is the same.
    loss : {"frobenius", "kullback-leibler"}
        The cost of the data.
    supervision_loss : {"squared", "kullback-leibler"}
        The cost of the labels.
    supervision_weight : float
        The weight of the labels relative to the data: 1 gives both terms the same value for a model of zero. For squared errors
        `λ` is this weight times `‖W∘X‖² / ‖L∘Y‖²`.
    solver : {"anls", "hals", "mu"}
        As in `NMF`. If one of the costs is Kullback–Leibler, `"mu"` is required.
    init, max_iter, tol, n_init, code_l1, code_l2, factor_l1, factor_l2, random_state, verbose, callback
        As in `NMF`.

    Attributes
    ----------
    factors_, codes_, components_, reconstruction_err_, sparsity_, n_iter_
        As in `NMF`; the codes of the training samples are those of the fit, to which the labels contributed.
    history_ : dict of arrays
        `"loss"`: the cost after each sweep, divided by the cost of the data for a model of zero.
    classifier_ : array, `(k, p)`
        The best classifier for the codes that the labelled samples have from their features alone; only set if labels were given.
    classes_ : array, `(p,)`
        The class labels; only set if labels were given.

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

    _matrices_only = True
    _takes_checkpoints = True
    _for_tensors = "NeuralNCPD"

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
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.loss = loss
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.code_l1 = code_l1
        self.code_l2 = code_l2
        self.factor_l1 = factor_l1
        self.factor_l2 = factor_l2
        self.random_state = random_state
        self.verbose = verbose
        self.supervision_loss = supervision_loss
        self.supervision_weight = supervision_weight
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        rank, settings, penalties = checked_nmf(self, given)
        check_label_terms(self.supervision_loss, self.solver)
        self._supervised_level(1)
        given = given.with_labels(labels)
        supervision = None if labels is None else (self.supervision_loss, self.supervision_weight)
        joint = joint_of(given.parts, self.loss, self.solver, penalties, supervision)
        start = joint_starts(self.init, rank, joint, given, given.generator(self.random_state))
        solution = run(start, settings, given.parts, rank)
        model, codes = nmf_model(solution.found, self.loss, penalties)
        exact = labels is None and self.loss == "frobenius"
        self._keep(model, given, solution, None if exact else codes)
        self._keep_classifier(given)
