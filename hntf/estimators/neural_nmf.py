"""Neural NMF: a hierarchy of exact nonnegative least-squares layers, all levels trained together."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from hntf.arrays import Array, as_float64, is_torch, to_numpy
from hntf.estimators.base import HierarchicalEstimator, Input
from hntf.fitting.fit import Settings, fit_hierarchy
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.losses import Energy, Loss, Reconstruction
from hntf.validation import check_choice, check_number, check_ranks, check_real_array, check_same_home, check_shape

LOSSES = ("energy", "reconstruction")


class NeuralNMF(HierarchicalEstimator):
    r"""Hierarchical nonnegative matrix factorization trained end to end through exact NNLS layers.

    The codes are `S_0 = X`, `S_l = argmin_{S ≥ 0} ‖S_{l−1} − S A_lᵀ‖²`, and the factors `A_1, …, A_L ≥ 0` minimise

    .. math:: \sum_l w_l \, \| X - S_l (A_1 A_2 \cdots A_l)^T \|_F^2

    (`loss="energy"`), or its last term alone (`loss="reconstruction"`). Every factor learns from every level: the layers
    are differentiated exactly. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, finest first, for example `(9, 4, 2)`; it must not grow, as each level
        gathers the components of the one before.
    loss : {"energy", "reconstruction"}
        Whether all levels count, or the last one alone.
    level_weights : sequence of float, optional
        Weights `w_l` of the energy, all 1 by default.
    init : {"levels", "sequential", "nndsvd", "nndsvda", "nndsvdar", "random"} or list of arrays
        Where the fit starts. `"levels"` fits each rank by itself and finds the factors between; `"sequential"` factorizes the
        codes level by level; the others are the nonnegative double SVD with zeros kept, filled with the mean or with small
        random numbers, and random numbers. Or the factors `[A_1, …, A_L]` themselves.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
        The bounded quasi-Newton method needs no learning rate; projected gradient finds its steps too.
    max_iter : int
        Most iterations of the solver.
    tol : float
        Where to stop: relative projected gradient `‖A‖ ‖∇⁺‖ / ‖X‖²` of the loss. A minimum may lie at a kink, so a fit ends
        too where the loss fell by less than `tol²`, relatively, in 20 iterations (200 for SGD and Adam), or where no step
        lowers it.
    n_init : int
        Number of starts, of which the best fit is kept.
    learning_rate : float, optional
        Relative to the size of the starting factors; each solver has a default.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The `A_l`; the columns of the last one have unit norm.
    codes_ : list of arrays, `(n, k_l)`
        The `S_l` of the training samples.
    components_ : list of arrays, `(k_l, m)`
        The topics of level l over the features, `(A_1 … A_l)ᵀ`.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error `‖X − S_l (A_1 … A_l)ᵀ‖ / ‖X‖` of each level.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"` (relative to `‖X‖²`) and `"projected_gradient"` by iteration.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where `X` had string column names.

    References
    ----------
    Gao, Haddock, Molitor, Needell, Sadovnik, Will, Zhang (2019), *Neural nonnegative matrix factorization for
    hierarchical multilayer topic modeling*, CAMSAP.
    Will, Zhang, Sadovnik, Gao, Vendrow, Haddock, Molitor, Needell (2023), the same title, Sampl. Theory Signal Process.
    Data Anal. 21.

    Examples
    --------
    >>> from hntf import NeuralNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = NeuralNMF((9, 4, 2), random_state=0).fit(X)
    >>> model.reconstruction_err_.round(2)
    array([0.02, 0.28, 0.47])
    >>> model.transform(X[:5], level=1).shape
    (5, 4)
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        loss: str = "energy",
        level_weights: Sequence[float] | None = None,
        init: str | Sequence[Array] = "levels",
        solver: str = "lbfgs",
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 1,
        learning_rate: float | None = None,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_components = n_components
        self.loss = loss
        self.level_weights = level_weights
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> Self:
        """Fit all levels to the data.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Nonnegative. A sparse matrix is never made dense; a tensor is fitted on its device.
        y : ignored
            For scikit-learn's conventions.
        mask : bool array, `(n, m)`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN. For dense `X`, as are weights.
        weights : array, `(n, m)`, optional
            Nonnegative weights of the squared residuals.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        ranks = check_ranks(self.n_components)
        loss = self._checked_loss(len(ranks))
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        settings = self._checked_settings(given, ranks)
        fit = fit_hierarchy(given.data, ranks, loss, settings, check_random_state(self.random_state))
        if not fit.minimum.converged:
            warnings.warn(
                f"the fit stopped after {fit.minimum.n_iter} iterations at a relative projected gradient of "
                f"{fit.history['projected_gradient'][-1]:.1e}, above tol={self.tol:g}: {fit.minimum.message}. "
                "Raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.n_iter_ = fit.minimum.n_iter
        self.history_ = fit.history
        self._keep(fit.hierarchy, fit.hierarchy.solve(given.data), given)
        return self

    def _checked_loss(self, levels: int) -> Loss:
        check_choice(self.loss, "loss", LOSSES)
        if self.loss == "reconstruction":
            if self.level_weights is not None:
                raise ValueError("level_weights must be None with loss='reconstruction', which has no weights")
            return Reconstruction()
        if self.level_weights is not None and len(self.level_weights) != levels:
            raise ValueError(f"level_weights must have one entry a level, {levels}; got {len(self.level_weights)}")
        return Energy(self.level_weights)

    def _checked_settings(self, given: Input, ranks: Sequence[int]) -> Settings:
        check_choice(self.solver, "solver", tuple(OPTIMIZERS))
        check_number(self.max_iter, "max_iter", low=1, integer=True)
        check_number(self.tol, "tol")
        check_number(self.n_init, "n_init", low=1, integer=True)
        if self.learning_rate is not None:
            check_number(self.learning_rate, "learning_rate", strict=True)
        if isinstance(self.init, str):
            check_choice(self.init, "init", tuple(INITIALIZERS))
            init: str | list[Array] = self.init
        else:
            init = self._checked_factors(given, ranks)
        return Settings(init, self.solver, self.max_iter, self.tol, self.n_init, self.learning_rate, bool(self.verbose))

    def _checked_factors(self, given: Input, ranks: Sequence[int]) -> list[Array]:
        if len(self.init) != len(ranks):
            raise ValueError(f"init must hold one factor a level, {len(ranks)}; got {len(self.init)}")
        factors = []
        for level, (A, shape) in enumerate(
            zip(self.init, zip([given.data.shape[1], *ranks], ranks, strict=False), strict=True)
        ):
            A = check_real_array(A, f"init[{level}]", orders=(2,), nonnegative=True)  # noqa: PLW2901
            check_shape(A, f"init[{level}]", shape, "components of the level below × components")
            check_same_home({f"init[{level}]": A, "X": given.prototype})
            factors.append(as_float64(A) if is_torch(given.data.prototype) else to_numpy(as_float64(A)))
        return factors
