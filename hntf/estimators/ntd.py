"""Nonnegative Tucker decomposition (NTD) of a tensor of any order."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from hntf.algebra import unfold
from hntf.arrays import Array, cast_like, to_numpy
from hntf.costs.targets import Labels
from hntf.estimators.architecture import check_ranks_of_modes
from hntf.estimators.base import Estimator
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.results import tucker_tensor
from hntf.estimators.starts import check_init
from hntf.fitting.loop import run
from hntf.fitting.report import Callback
from hntf.fitting.updates.alternating import UPDATES
from hntf.fitting.updates.tucker import TUCKER_INITIALIZERS, AlternatingTucker
from hntf.models import Tucker
from hntf.validation import as_random_state


class NTD(Estimator):
    r"""Nonnegative Tucker decomposition, `min ‖X − G ×_1 U_1 ⋯ ×_N U_N‖²` over a core `G ≥ 0` and factors `U_i ≥ 0`.

    The core and the factors are updated in turn. The core is the exact solution of one nonnegative least-squares problem, whose
    Gram matrix, the Kronecker product of the `U_iᵀU_i`, is not formed if it is large.

    Parameters
    ----------
    n_components : int or tuple of int
        The rank of every mode, samples first; a single integer is used for all modes.
    solver : {"anls", "hals"}
        How a factor is updated: `"anls"` solves for it exactly, `"hals"` takes several sweeps of accelerated HALS.
    init : {"modes", "random"}, list of arrays, TuckerTensor or fitted estimator
        Where the fit starts. `"modes"` takes each factor from an NMF of the unfolding of the data along its mode, `"random"`
        random factors. Or the factors to start from, one per mode.
    max_iter : int
        Maximum number of sweeps over the core and the factors.
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
    factors_ : list of arrays, `(d_i, r_i)`
        One factor per mode, samples first, with columns of unit norm in decreasing order of the norm of their slices of the core.
    core_ : array, `(r_1, …, r_N)`
        The core.
    codes_ : list with one array, `(n, r_1)`
        The factor of the samples.
    components_ : list with one list of arrays, `(r_1, d_i)`
        `components_[0][mode]` is the profile along a mode of each slice of the core along mode 0, expanded by the other factors
        and summed over the remaining modes; for a matrix, the expanded slices themselves, `(r_1, m)`. The components of a single
        mode are the columns of `factors_[mode]`.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error.
    n_iter_ : int
        Number of sweeps of the fit that was kept.
    history_ : dict of arrays
        `"loss"`: the squared relative error after each sweep.

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

    tucker_tensor = tucker_tensor

    @property
    def core_(self) -> Array:
        """The core."""
        return cast_like(self.model_.core, self.codes_[0])  # type: ignore[attr-defined]

    def _fit(self, given: Input, labels: Labels | None) -> None:
        settings = settings_of(self, tuple(UPDATES))
        data = given.data
        ranks = self._checked_ranks(len(data.shape))
        for d, rank in zip(data.shape, ranks, strict=True):
            warn_of_rank(rank, (d, math.prod(data.shape) // d))
        random_state = as_random_state(self.random_state)
        shapes = list(zip(data.shape, ranks, strict=True))
        factors = check_init(self.init, tuple(TUCKER_INITIALIZERS), shapes, given)

        def descent() -> AlternatingTucker:
            start = factors or TUCKER_INITIALIZERS[self.init](data, ranks, random_state)
            return AlternatingTucker(data, start, self.solver)

        solution = run(descent, settings, data, max(ranks))
        self._keep(Tucker(*_by_size(solution.found.core, solution.found.factors)), given, solution)

    def _checked_ranks(self, order: int) -> tuple[int, ...]:
        ranks = [self.n_components] * order if isinstance(self.n_components, numbers.Integral) else self.n_components
        checked = check_ranks_of_modes(ranks, ranks)
        if len(checked) != order:
            raise ValueError(f"n_components must have one rank a mode, {order}; got {self.n_components!r}")
        return checked


def _by_size(core: Array, factors: Sequence[Array]) -> tuple[Array, list[Array]]:
    """Return the decomposition with the components of every mode sorted by decreasing norm of their slices of the core."""
    ordered = []
    for mode, U in enumerate(factors):
        slices = to_numpy(unfold(core, mode))
        order = np.argsort(-np.linalg.norm(slices, axis=1), kind="stable").tolist()
        ordered.append(U[:, order])
        core = core[(slice(None),) * mode + (order,)]
    return core, ordered
