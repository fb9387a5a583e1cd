"""Multilayer NTF: the tensor of the components of one mode, factorized again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils import check_random_state

from hntf.arrays import Array, cast_like, identity_like
from hntf.data import Data, DenseData
from hntf.data.protocol import cp_dense
from hntf.estimators.architecture import check_mode
from hntf.estimators.cp_levels import CPLevel, CPLevelsEstimator, by_size
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import fit_screened_cp
from hntf.fitting.scaling import unit_components
from hntf.hierarchies.cp_model import cp_relative_error
from hntf.hierarchies.products import chain
from hntf.least_squares.solver import solve
from hntf.validation import check_ranks


class MultilayerNTF(CPLevelsEstimator):
    r"""Multilayer nonnegative tensor factorization: level by level, along one lead mode.

    The base is an NCPD `[[U_1, …, U_N]]`. For a lead mode m the tensor `[[U_1, …, I, …, U_N]]`, with the identity in place of
    `U_m`, holds its components one by one; it is factorized by NCPD again, `[[V_1, …, V_N]]` with `V_m` `(k_{l−1}, k_l)`, and
    level l approximates the data by `[[V_1, …, U_m V_m, …, V_N]]`: the lead factors multiply up, those of the other modes are
    new at every level. Errors of lower levels propagate.

    The columns of the lead factors have unit norm, so that the components' sizes are in the tensor that the next level sees.

    Parameters
    ----------
    n_components : tuple of int
        The rank of every level, for example `(7, 4, 2)`; it must not grow.
    lead_mode : int
        The mode whose factors multiply up; negative ones count from the last.
    max_iter, tol, n_init : int, float, int
        Of the NCPD of every level, as in `NCPD`.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show progress bars.

    Attributes
    ----------
    factors_ : list of lists of arrays
        `factors_[i][l]` is the factor `V_i` of mode i that level l found: `(k_{l−1}, k_l)` in the lead mode above the base,
        else `(d_i, k_l)`.
    codes_ : list of lists of arrays, `(k_0, k_l)`
        `codes_[i][l]`: how much of each component of level l is in those of the base. In the lead mode the product of the lead
        factors above the base; in other modes, whose components are new at every level, the best nonnegative combination of
        them.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[i][l]` are the components of level l over the entries of mode i.
    reconstruction_err_ : array, `(L + 1,)`
        Relative Frobenius error of each level.
    lead_mode_ : int
        The lead mode, from 0.
    n_iter_ : int
        Sweeps of all levels.

    References
    ----------
    Cichocki, Zdunek, Choi, Plemmons, Amari (2007), *Nonnegative tensor factorization using alpha and beta divergences*, ICASSP, on
    multilayer NTF; Vendrow, Haddock, Needell (2022), *A generalized hierarchical nonnegative tensor decomposition*, ICASSP.

    Examples
    --------
    >>> from hntf import MultilayerNTF
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> model = MultilayerNTF((7, 4, 2), lead_mode=1, random_state=0).fit(X)
    >>> [V.shape for V in model.factors_[1]]
    [(40, 7), (7, 4), (4, 2)]
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        lead_mode: int = 0,
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 8,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_components = n_components
        self.lead_mode = lead_mode
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> Self:
        """Fit level by level; the parameters are those of `HierarchicalNCPD.fit`."""
        ranks = check_ranks(self.n_components)
        settings = self._cp_settings()
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        order = len(given.data.shape)
        lead = check_mode(self.lead_mode, order, "lead_mode")
        random_state = check_random_state(self.random_state)
        data: Data = given.data
        found: list[list[Array]] = []
        self.n_iter_ = 0
        for rank in ranks:
            level = fit_screened_cp(data, rank, settings, random_state)
            warn_of_iterations(level.converged, level.n_iter, self.tol)
            self.n_iter_ += level.n_iter
            factors = _with_unit_lead(by_size(level.factors), lead)
            found.append(factors)
            components = list(factors)
            components[lead] = identity_like(rank, factors[0])
            data = DenseData(cp_dense(components[0], components))
        leads = chain([factors[lead] for factors in found])
        models = [
            [product if mode == lead else U for mode, U in enumerate(factors)]
            for product, factors in zip(leads, found, strict=True)
        ]
        self.reconstruction_err_ = np.array([cp_relative_error(given.data, model) for model in models])
        # Mode 1 carries the scale where mode 0 leads: the lead factors have unit columns.
        models = [[U / given.scale if mode == 0 else U for mode, U in enumerate(model)] for model in models]
        self.lead_mode_ = lead
        self._keep_levels([CPLevel(model, model[0].shape[1], None) for model in models], given)
        prototype = given.prototype
        self.factors_ = [[cast_like(factors[mode], prototype) for factors in found] for mode in range(order)]
        self.components_ = [[cast_like(model[mode].T, prototype) for model in models] for mode in range(order)]
        gathered = chain([identity_like(ranks[0], leads[0]), *(factors[lead] for factors in found[1:])])
        self.codes_ = [
            [cast_like(R, prototype) for R in (gathered if mode == lead else _memberships([m[mode] for m in models]))]
            for mode in range(order)
        ]
        return self


def _with_unit_lead(factors: Sequence[Array], lead: int) -> list[Array]:
    """Return a CP decomposition whose lead factor has unit columns, the sizes spread evenly over the other modes."""
    units, sizes = unit_components(factors)
    share = sizes ** (1.0 / (len(units) - 1))
    return [U if mode == lead else U * share for mode, U in enumerate(units)]


def _memberships(components: Sequence[Array]) -> list[Array]:
    """Return how much of each level's components is in those of the base: `argmin_{R ≥ 0} ‖U − V Rᵀ‖`, the identity at level 0."""
    base, *upper = components
    return [identity_like(base.shape[1], base), *(solve(V.T @ V, base.T @ V).S for V in upper)]
