"""Multilayer NTF: repeated factorization of the tensor of the components along one mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.algebra import chain
from hntf.arrays import Array, identity_like
from hntf.costs.targets import Labels
from hntf.data import Data
from hntf.data.low_rank import CPData
from hntf.estimators.architecture import check_mode
from hntf.estimators.base import Estimator
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.hierarchical_ncpd import fit_base
from hntf.estimators.inputs import Input
from hntf.estimators.results import cp_tensor
from hntf.estimators.starts import split_base
from hntf.fitting.initializers.components import by_size
from hntf.fitting.loop import joined
from hntf.fitting.report import Callback
from hntf.fitting.scaling import unit_components
from hntf.models import GatheredComponents, Model, SeparateLevels
from hntf.validation import as_random_state, check_ranks


class MultilayerNTF(Estimator):
    r"""Multilayer nonnegative tensor factorization, level by level along one lead mode.

    The base is an NCPD `[[U_1, …, U_N]]`. For a lead mode m, the tensor `[[U_1, …, I, …, U_N]]`, with the identity in place of
    `U_m`, stacks the components of the base along mode m. It is factorized by NCPD again, `[[V_1, …, V_N]]` with `V_m` of shape
    `(k_{l−1}, k_l)`, and level l approximates the data by `[[V_1, …, U_m V_m, …, V_N]]`: the factors of the lead mode are
    multiplied together, those of the other modes are new at every level. Errors of lower levels propagate to the levels above.

    The columns of the lead factors have unit norm, so that the tensor which the next level factorizes carries the sizes of the
    components.

    Parameters
    ----------
    n_components : tuple of int
        The rank of every level, for example `(7, 4, 2)`; it must not increase.
    lead_mode : int
        The mode whose factors are multiplied together; negative numbers count from the last mode.
    init : {"screened"}, list of arrays, CPTensor or fitted estimator
        Where the fit of the base starts, as in `NCPD`; or all factors, nested as in `factors_`, or an estimator to take them
        from.
    max_iter, tol, n_init : int, float, int
        As in `NCPD`, for the fit of every level.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    output_level : int or "all"
        The level whose codes `transform` returns by default, for example in a pipeline: an index from 0, -1 for the last level,
        or `"all"` to concatenate the codes of all levels.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_ : list of lists of arrays
        `factors_[l][mode]` is the factor `V_i` that level l found for a mode: `(k_{l−1}, k_l)` for the lead mode above the base,
        otherwise `(d_i, k_l)`.
    codes_ : list of arrays, `(n, k_l)`
        The factor of the samples at level l.
    components_ : list of lists of arrays, `(k_l, d_i)`
        `components_[l][mode]` holds the components of level l over the entries of a mode.
    memberships_ : list of arrays, `(k_{l−1}, k_l)`
        The lead factor of each level: how much each component of the level below contributes to each component of level l. The
        identity at level 0.
    reconstruction_err_ : array, `(L + 1,)`
        Relative Frobenius error of each level.
    lead_mode_ : int
        The lead mode as an index from 0.
    n_iter_ : int
        Total number of sweeps of all levels.

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
    >>> [level[1].shape for level in model.factors_]
    [(40, 7), (7, 4), (4, 2)]
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        lead_mode: int = 0,
        init: Any = "screened",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 8,
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.lead_mode = lead_mode
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    cp_tensor = cp_tensor

    def _fit(self, given: Input, labels: Labels | None) -> None:
        ranks = check_ranks(self.n_components)
        settings = settings_of(self, ("anls",))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        order = len(given.data.shape)
        lead = check_mode(self.lead_mode, order, "lead_mode")
        random_state = as_random_state(self.random_state)
        data: Data = given.data
        found: list[list[Array]] = []
        solutions = []
        for rank, init in zip(ranks, self._inits(len(ranks)), strict=True):
            solutions.append(fit_base(init, rank, settings, given.with_data(data), random_state))
            settings = settings.after(solutions[-1])
            factors = _with_unit_lead(by_size(solutions[-1].found.factors), lead)
            found.append(factors)
            components = list(factors)
            components[lead] = identity_like(rank, factors[0])
            data = CPData(components)
        self.lead_mode_ = lead
        self._keep(lead_levels(found, lead), given, joined(solutions))

    def _inits(self, n_levels: int) -> list[Any]:
        """Return the start of every level."""
        base, above = split_base(self.init)
        inits = [base, *(above or ["screened"] * (n_levels - 1))]
        if len(inits) != n_levels:
            raise ValueError(f"init must hold the factors of {n_levels} levels, got {len(inits)}")
        return inits


def lead_levels(found: Sequence[Sequence[Array]], lead: int) -> SeparateLevels:
    """Return the CP decompositions of all levels: the lead factors are multiplied together, the others belong to their level."""
    models: list[Model] = []
    for level, product in enumerate(chain([factors[lead] for factors in found])):
        factors = [product if mode == lead else U for mode, U in enumerate(found[level])]
        models.append(GatheredComponents(factors, [[]]))
    return SeparateLevels(models, [factors[lead] for factors in found[1:]], found, lead=lead)


def _with_unit_lead(factors: Sequence[Array], lead: int) -> list[Array]:
    """Return a CP decomposition whose lead factor has unit columns, with the sizes spread evenly over the other modes."""
    units, sizes = unit_components(factors)
    of_mode = sizes ** (1.0 / (len(units) - 1))
    return [U if mode == lead else U * of_mode for mode, U in enumerate(units)]
