"""Nonnegative CP decomposition (NCPD) of a tensor of any order."""

from __future__ import annotations

from typing import Any

from hntf.arrays import Array
from hntf.costs.targets import Labels
from hntf.estimators.base import Estimator
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.results import cast_nested, cp_tensor
from hntf.estimators.starts import check_init
from hntf.fitting.initializers.random import random_factor
from hntf.fitting.initializers.single_level import screened_start
from hntf.fitting.loop import run
from hntf.fitting.parts import START_SAMPLES
from hntf.fitting.report import Callback
from hntf.fitting.updates.alternating import UPDATES, AlternatingCP
from hntf.models import GatheredComponents
from hntf.validation import check_rank


class NCPD(Estimator):
    r"""Nonnegative CP decomposition, `min ‖X − [[U_1, …, U_N]]‖²` over `U_i ≥ 0`; for a matrix, this is NMF.

    Entrywise `X[j_1, …, j_N] ≈ Σ_r U_1[j_1, r] ⋯ U_N[j_N, r]`. The factors are updated in turn, mode by mode; all modes but the
    last use the same product with the data.

    Parameters
    ----------
    n_components : int
        Number of components, the rank of the decomposition.
    solver : {"anls", "hals"}
        How a factor is updated: `"anls"` solves for it exactly (alternating nonnegative least squares), `"hals"` takes several
        sweeps of accelerated HALS.
    init : {"screened", "random"}, list of arrays, CPTensor or fitted estimator
        Where the fit starts. `"screened"` takes the best of several random starts after a few sweeps, `"random"` random factors.
        Or the factors to start from, one per mode.
    max_iter : int
        Maximum number of sweeps over all modes.
    tol : float
        Relative decrease of the relative error per sweep below which a fit stops.
    n_init : int
        Number of starts; the best fit is kept.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_ : list of arrays, `(d_i, k)`
        One factor per mode, samples first. Components are sorted by decreasing size, which is spread evenly over the modes.
    codes_ : list with one array, `(n, k)`
        The factor of the samples.
    components_ : list with one list of arrays, `(k, d_i)`
        `components_[0][mode]` holds the components over the entries of a mode. For a matrix the list is `[U_2ᵀ]`.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error.
    n_iter_ : int
        Number of sweeps of the fit that was kept, including those that screened its start.
    history_ : dict of arrays
        `"loss"`: the squared relative error after each sweep.

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

    _takes_checkpoints = True

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
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.solver = solver
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    cp_tensor = cp_tensor

    @property
    def factors_(self) -> list[Array]:
        """The factors, one per mode."""
        (_, *features), (codes,) = super().factors_[0], self.codes_
        return [*cast_nested([codes], codes), *features]

    def _fit(self, given: Input, labels: Labels | None) -> None:
        settings = settings_of(self, tuple(UPDATES), given)
        parts, rank = given.parts, check_rank(self.n_components)
        warn_of_rank(rank, given.shape)
        random_state = given.generator(self.random_state)
        factors = check_init(self.init, ("screened", "random"), [(d, rank) for d in given.shape], given)

        parts.check_solver(self.solver)

        def descent() -> AlternatingCP:
            if factors is not None:
                return AlternatingCP(parts, factors, self.solver)
            data = parts.sample(START_SAMPLES, random_state)
            if self.init == "screened":
                return screened_start(data, rank, random_state).on(parts).with_solver(self.solver)
            return AlternatingCP(parts, [random_factor(data, d, rank, random_state) for d in data.shape], self.solver)

        solution = run(descent, settings, parts, rank)
        features, codes = solution.found.ordered()
        # The factor of the samples stays where they are.
        self._keep(GatheredComponents([features[0][:0], *features], [[]]), given, solution, codes)
