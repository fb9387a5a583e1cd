"""Nonnegative matrix factorization (NMF): one level, by exact least squares, HALS or multiplicative updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.arrays import Array
from hntf.estimators.architecture import check_init
from hntf.estimators.base import Input
from hntf.estimators.stack import StackEstimator
from hntf.fitting.divergences import DIVERGENCES
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS, code_of, matrix_start, positive
from hntf.fitting.joint import SOLVERS, Joint, Penalties, fit_joint, kullback_leibler_code
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import SweepSettings
from hntf.fitting.scaling import with_unit_columns
from hntf.hierarchies.stack import dense_hierarchy
from hntf.validation import check_choice, check_number


class NMF(StackEstimator):
    r"""Nonnegative matrix factorization, `min D(X ; S Aᵀ)` over `S, A ≥ 0`.

    .. math:: \tfrac12 \| X - S A^T \|^2 + \lambda_1 \sum S + \tfrac12 \lambda_2 \| S \|^2
              + \mu_1 \sum A + \tfrac12 \mu_2 \| A \|^2

    or, in place of the first term, the Kullback–Leibler divergence `Σ X∘log(X / S Aᵀ) − X + S Aᵀ`. The papers write the
    transpose, samples in columns.

    Parameters
    ----------
    n_components : int
        The rank.
    loss : {"frobenius", "kullback-leibler"}
        The latter, for counts, wants `solver="mu"`.
    solver : {"anls", "hals", "mu"}
        How code and factor are updated in turn: exact alternating nonnegative least squares, some sweeps of accelerated HALS, or a
        multiplicative update, `S ← S∘(X A)/(S AᵀA)`, where a denominator of zero leaves an entry as it is.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        Where the fit starts: at the best of several random starts after a few sweeps, at a random factor, at the nonnegative double
        SVD with zeros kept, filled with the mean or with small random numbers, or at `[A]`. Multiplicative updates get
        zeros filled with a hundredth of the mean.
    max_iter : int
        Most sweeps.
    tol : float
        A fit ends where a sweep lowers the cost by less than this part of it.
    n_init : int
        Number of starts, of which the best fit is kept.
    code_l1, code_l2, factor_l1, factor_l2 : float
        The penalties `λ₁`, `λ₂`, `μ₁`, `μ₂`, at least 0; those of the code want one of the factor, or it grows.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list with one array, `(m, k)`
        The `A`; its columns have unit norm where no penalty fixes their scale.
    codes_ : list with one array, `(n, k)`
        The `S` of the training samples.
    components_ : list with one array, `(k, m)`
        `Aᵀ`, the topics over the features.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error `‖X − S Aᵀ‖ / ‖X‖`.
    sparsity_ : dict of arrays
        The share of zeros in the code, `"codes"`, and in the factor, `"factors"`.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"`: the cost by sweep, relative to that of a model of zero (Kullback–Leibler: to the sum of `X`).

    References
    ----------
    Lee, Seung (2001), *Algorithms for non-negative matrix factorization*, NIPS.
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    Cichocki, Phan (2009), *Fast local algorithms for large scale nonnegative matrix and tensor factorizations*, IEICE Trans.
    Gillis, Glineur (2012), *Accelerated multiplicative updates and hierarchical ALS algorithms for NMF*, Neural Comput.

    Examples
    --------
    >>> from hntf import NMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = NMF(9, random_state=0).fit(X)
    >>> model.reconstruction_err_.round(3)
    array([0.024])
    >>> model.transform(X[:5]).shape
    (5, 9)
    """

    _matrices_only = True
    _for_tensors = "NCPD"

    def __init__(
        self,
        n_components: int = 8,
        *,
        loss: str = "frobenius",
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

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> Self:
        """Fit to the data.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Nonnegative. A sparse matrix is never made dense.
        y : ignored
            For scikit-learn's conventions.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights. The code of a
            sample and the weights of a feature with no observed entry are zero.
        weights : array, shape of `X`, optional
            Nonnegative weights of the residuals.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        self._check_parameters()
        given = self._validated_moderately(X, mask, weights)
        start = self._starts(given, check_random_state(self.random_state))
        term = DIVERGENCES[self.loss](given.data)
        found, losses = fit_joint([term], start, self._settings(), self._penalties(), rank=int(self.n_components))
        self._keep(found, losses, given, exact_codes=self.loss == "frobenius")
        return self

    def _validated_moderately(self, X: Any, mask: Any, weights: Any) -> Input:
        """Return the checked data to fit, of moderate scale where there are penalties, which have their units."""
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        if any(self._penalties()):
            self._check_moderate(given, "with penalties")
        return given

    def _check_parameters(self) -> None:
        check_number(self.n_components, "n_components", low=1, integer=True)
        check_choice(self.loss, "loss", tuple(DIVERGENCES))
        check_choice(self.solver, "solver", SOLVERS)
        if self.loss != "frobenius" and self.solver != "mu":
            raise ValueError(f"solver must be 'mu' with loss={self.loss!r}, got {self.solver!r}")
        for name in Penalties._fields:
            check_number(getattr(self, name), name)
        self._check_iterations()

    def _settings(self) -> SweepSettings:
        return SweepSettings(self.solver, self.max_iter, self.tol, self.n_init, bool(self.verbose))

    def _penalties(self) -> Penalties:
        return Penalties(self.code_l1, self.code_l2, self.factor_l1, self.factor_l2)

    def _starts(self, given: Input, random_state: np.random.RandomState) -> Callable[[], tuple[Array, list[Array]]]:
        """Return what draws a start: the code and the factor."""
        rank = int(self.n_components)
        factors = check_init(self.init, MATRIX_STARTS, [(given.data.shape[1], rank)], given)

        def start() -> tuple[Array, list[Array]]:
            if factors is not None:
                S, A = code_of(given.data, factors[0]), factors[0]
            else:
                S, A = matrix_start(given.data, rank, self.init, random_state)
            S, A = self._penalties().balanced(S, A)
            return (positive(S), [positive(A)]) if self.solver == "mu" else (S, [A])

        return start

    def _keep(self, found: Joint, losses: np.ndarray, given: Input, *, exact_codes: bool) -> Array:
        """Set the fitted attributes; return the norms that went from the columns of the factor to the code."""
        warn_of_iterations(found.converged, found.n_iter, self.tol)
        self.n_iter_, self.history_ = found.n_iter, {"loss": losses}
        A, norms = with_unit_columns(found.factors[0])
        if any(self._penalties()):
            A, norms = found.factors[0], 0 * norms + 1
        hierarchy = dense_hierarchy([A], l1=self.code_l1, l2=self.code_l2)
        self._keep_hierarchy(hierarchy, given, None if exact_codes else [found.S * norms])
        self.components_ = [A.T for A in self.factors_]
        return norms

    def _encode(self, given: Input, level: int) -> Array:
        if self.loss == "frobenius":
            return super()._encode(given, level)
        if self.code_l1:
            self._check_moderate(given, "with penalties")
        (A,) = self._hierarchy_like(given.data.prototype).factors
        return kullback_leibler_code(given.data, A, self.code_l1, self.code_l2)
