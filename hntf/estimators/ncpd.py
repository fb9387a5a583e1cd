"""Nonnegative CP decomposition (NCPD) of a tensor of any order."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state
from tensorly.cp_tensor import CPTensor

from hntf.arrays import cast_like
from hntf.estimators.architecture import check_init
from hntf.estimators.cp_levels import CPLevel, CPLevelsEstimator, by_size
from hntf.fitting.alternating import UPDATES, SingleLevel, alternating_nnls, start_at
from hntf.fitting.initializers.components import even_scales
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import SweepSettings, fit_alternating
from hntf.hierarchies.cp_model import cp_relative_error
from hntf.validation import check_choice, check_number

INITS = ("screened", "random")


class NCPD(CPLevelsEstimator):
    r"""Nonnegative CP decomposition, `min ‖X − [[U_1, …, U_N]]‖²` over `U_i ≥ 0`; of a matrix, nonnegative matrix factorization.

    Entrywise `X[j_1, …, j_N] ≈ Σ_r U_1[j_1, r] ⋯ U_N[j_N, r]`. The factors are updated in turn, mode by mode. All modes but the
    last share one product with the data.

    Parameters
    ----------
    n_components : int
        The rank.
    solver : {"anls", "hals"}
        How a factor is updated: exact alternating nonnegative least squares, or some sweeps of accelerated HALS.
    init : {"screened", "random"}, list of arrays or CPTensor
        Where the fit starts: at the best of several random starts after a few sweeps, at random factors, or at given ones, one
        a mode.
    max_iter : int
        Most sweeps over all modes.
    tol : float
        A fit ends where a sweep lowers the relative error by less than this part of it.
    n_init : int
        Number of starts, of which the best fit is kept.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(d_i, k)`
        One a mode, samples first; components in the order of their size, the size of each spread evenly over the modes.
    codes_ : list with one array, `(n, k)`
        The factor of the samples.
    components_ : list of arrays, `(k, d_i)`
        The components over the entries of every mode.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"`: the squared relative error by sweep.

    References
    ----------
    Kim, Park (2011), *Fast nonnegative matrix factorization: an active-set-like method and comparisons*, SIAM J. Sci. Comput.
    Cichocki, Phan (2009), *Fast local algorithms for large scale nonnegative matrix and tensor factorizations*, IEICE Trans.
    Gillis, Glineur (2012), *Accelerated multiplicative updates and hierarchical ALS algorithms for NMF*, Neural Comput.

    Examples
    --------
    >>> import tensorly
    >>> from hntf import NCPD
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = NCPD(7, random_state=0).fit(X)
    >>> model.reconstruction_err_.round(3)
    array([0.095])
    >>> tensorly.cp_to_tensor(model.cp_tensor(normalize=True)).shape
    (40, 40, 40)
    """

    def __init__(
        self,
        n_components: int = 8,
        *,
        solver: str = "anls",
        init: Any = "screened",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 1,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> Self:
        """Fit to the data.

        Parameters
        ----------
        X : array or tensor of order 2 or more, or scipy.sparse matrix
            Nonnegative, samples along mode 0.
        y : ignored
            For scikit-learn's conventions.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights.
        weights : array, shape of `X`, optional
            Nonnegative weights of the squared residuals.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        check_number(self.n_components, "n_components", low=1, integer=True)
        check_choice(self.solver, "solver", tuple(UPDATES))
        self._check_iterations()
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        data, rank = given.data, int(self.n_components)
        random_state = check_random_state(self.random_state)
        factors = check_init(_as_factors(self.init), INITS, [(d, rank) for d in data.shape], given)

        def start() -> SingleLevel:
            if factors is not None:
                return start_at(factors)
            if self.init == "screened":
                return screened_start(data, rank, random_state)
            return start_at([random_factor(data, d, rank, random_state) for d in data.shape])

        settings = SweepSettings(self.solver, self.max_iter, self.tol, self.n_init, bool(self.verbose))
        level, losses = fit_alternating(data, start, alternating_nnls, settings, rank=rank)
        warn_of_iterations(level.converged, level.n_iter, self.tol)
        self.n_iter_, self.history_ = level.n_iter, {"loss": losses}
        model = by_size(even_scales(level.factors))
        self.reconstruction_err_ = np.array([cp_relative_error(data, model)])
        model = [model[0] / given.scale, *model[1:]]
        self.factors_ = [cast_like(U, given.prototype) for U in model]
        self.codes_ = self.factors_[:1]
        self.components_ = [U.T for U in self.factors_]
        self._keep_levels([CPLevel(model, rank, None)], given)
        return self


def _as_factors(init: Any) -> Any:
    """Return the factors of a CP tensor with its weights in the first one, and anything else as it is."""
    if not isinstance(init, CPTensor):
        return init
    first, *others = init.factors
    return [first if init.weights is None else first * init.weights, *others]
