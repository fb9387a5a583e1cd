"""Nonnegative Tucker decomposition (NTD) of a tensor of any order."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from tensorly.tucker_tensor import TuckerTensor

from hntf.arrays import Array, cast_like, to_numpy
from hntf.data.protocol import matricised
from hntf.estimators.architecture import check_init, check_ranks_of_modes
from hntf.estimators.base import Estimator, level_index
from hntf.estimators.slices import core_slices, data_of_slice_codes, slice_codes
from hntf.fitting.alternating import UPDATES
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import SweepSettings, fit_alternating
from hntf.fitting.tucker import TUCKER_INITIALIZERS, Tucker, alternating_tucker, tucker_start
from hntf.maps import ModeProduct
from hntf.validation import check_choice


class NTD(Estimator):
    r"""Nonnegative Tucker decomposition, `min ‖X − G ×_1 U_1 ⋯ ×_N U_N‖²` over a core `G ≥ 0` and factors `U_i ≥ 0`.

    Core and factors are updated in turn. The core is solved for exactly: one nonnegative least-squares problem, whose Gram
    matrix, the Kronecker product of the `U_iᵀU_i`, is not formed where it is large.

    Parameters
    ----------
    n_components : int or tuple of int
        The rank of every mode, the first one that of the samples; one integer is the rank of all.
    solver : {"anls", "hals"}
        How a factor is updated: exactly, or by some sweeps of accelerated HALS.
    init : {"modes", "random"} or list of arrays
        Where the fit starts: each factor from a factorization of the matrix whose features are the entries of its mode, random
        factors, or given ones, one a mode.
    max_iter : int
        Most sweeps over core and factors.
    tol : float
        A fit ends where a sweep lowers the relative error by less than this part of it.
    n_init : int
        Number of starts, of which the best fit is kept.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(d_i, r_i)`
        One a mode, samples first, with columns of unit norm, in the order of the size of their slices of the core.
    core_ : array, `(r_1, …, r_N)`
    codes_ : list with one array, `(n, r_1)`
        The factor of the samples.
    components_ : list of arrays, `(r_i, d_i)`
        The components over the entries of every mode.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"`: the squared relative error by sweep.

    References
    ----------
    Kim, Choi (2007), *Nonnegative Tucker decomposition*, CVPR.
    Phan, Cichocki (2011), *Extended HALS algorithm for nonnegative Tucker decomposition*, Neurocomputing.

    Examples
    --------
    >>> from hntf import NTD
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = NTD((6, 7, 7), random_state=0).fit(X)
    >>> model.tucker_tensor().core.shape
    (6, 7, 7)
    >>> model.transform(X[:3]).shape
    (3, 6)
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = 4,
        *,
        solver: str = "anls",
        init: Any = "modes",
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
        check_choice(self.solver, "solver", tuple(UPDATES))
        self._check_iterations()
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        data = given.data
        ranks = self._checked_ranks(len(data.shape))
        random_state = check_random_state(self.random_state)
        shapes = list(zip(data.shape, ranks, strict=True))
        factors = check_init(self.init, tuple(TUCKER_INITIALIZERS), shapes, given)

        def start() -> Tucker:
            return tucker_start(factors or TUCKER_INITIALIZERS[self.init](data, ranks, random_state))

        settings = SweepSettings(self.solver, self.max_iter, self.tol, self.n_init, bool(self.verbose))
        tucker, losses = fit_alternating(data, start, alternating_tucker, settings, rank=max(ranks))
        self.history_ = {"loss": losses}
        self.n_iter_ = tucker.n_iter
        warn_of_iterations(tucker.converged, tucker.n_iter, self.tol)
        core, factors = _by_size(tucker.core, tucker.factors)
        code = core.reshape(len(core), -1)
        residual = ModeProduct(factors, range(len(ranks))).residual_norm_squared(data, code)
        self.reconstruction_err_ = np.array([(residual / (data.norm_squared() or 1.0)) ** 0.5])
        self._core, self._factors = core / given.scale, factors
        self.core_ = cast_like(self._core, given.prototype)
        self.factors_ = [cast_like(U, given.prototype) for U in factors]
        self.codes_ = self.factors_[:1]
        self.components_ = [U.T for U in self.factors_]
        return self

    def _checked_ranks(self, order: int) -> tuple[int, ...]:
        ranks = [self.n_components] * order if isinstance(self.n_components, numbers.Integral) else self.n_components
        checked = check_ranks_of_modes(ranks, ranks)
        if len(checked) != order:
            raise ValueError(f"n_components must have one rank a mode, {order}; got {self.n_components!r}")
        return checked

    def tucker_tensor(self, level: int = 0) -> TuckerTensor:
        """Return the model, a Tucker tensor of TensorLy, in the backend and floating dtype of the training data."""
        check_is_fitted(self, "factors_")
        level_index(level, 1)
        return TuckerTensor((self.core_, list(self.factors_)))

    def transform(self, X: Any, level: int = 0, *, mask: Any = None, weights: Any = None) -> Array:
        """Return the codes of samples, `(n, r_1)`: how much each slice of the core takes part in them.

        Parameters
        ----------
        X : array or tensor, `(n, d_2, …, d_N)`
            Nonnegative, of the features that were fitted.
        level : int
            0: there is one level.
        mask, weights
            As in `fit`.
        """
        check_is_fitted(self, "factors_")
        level_index(level, 1)
        given = self._validated(X, mask=mask, weights=weights)
        return slice_codes(self._slices(given.data.prototype), given)

    def inverse_transform(self, S: Array, level: int = 0) -> Array:
        """Return the data that codes stand for, `(n, d_2, …, d_N)`."""
        check_is_fitted(self, "factors_")
        level_index(level, 1)
        return data_of_slice_codes(S, self._slices(S), 0, self.feature_shape_)

    def _slices(self, reference: Any) -> Array:
        return core_slices(self._core, self._factors[1:], range(1, len(self._factors)), reference)

    @property
    def _n_features_out(self) -> int:
        return self.core_.shape[0]


def _by_size(core: Array, factors: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return the decomposition with the components of every mode in the order of the size of their slices of the core."""
    ordered = []
    for mode, U in enumerate(factors):
        slices = to_numpy(matricised(core, mode))
        order = np.argsort(-np.linalg.norm(slices, axis=1), kind="stable").tolist()
        ordered.append(U[:, order])
        core = core[(slice(None),) * mode + (order,)]
    return core, ordered
