"""Nonnegative matrix factorization (NMF): one level, by exact least squares, HALS or multiplicative updates."""

from __future__ import annotations

from typing import Any, NamedTuple

from hntf.costs.kullback_leibler import DIVERGENCES
from hntf.costs.penalties import Penalties, warn_of_one_sided
from hntf.costs.targets import Labels
from hntf.estimators.base import Estimator
from hntf.estimators.checks import check_moderate, settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.starts import joint_of, joint_starts
from hntf.fitting.loop import Settings, run
from hntf.fitting.parts import OfPart
from hntf.fitting.report import Callback
from hntf.fitting.scaling import with_unit_columns
from hntf.fitting.updates.joint import SOLVERS, JointUpdates
from hntf.models import Model, Product
from hntf.models.stack import dense_hierarchy
from hntf.validation import check_choice, check_number, check_rank


class NMF(Estimator):
    r"""Nonnegative matrix factorization, `min D(X ; S Aᵀ)` over `S, A ≥ 0`.

    .. math:: \tfrac12 \| X - S A^T \|^2 + \lambda_1 \sum S + \tfrac12 \lambda_2 \| S \|^2
              + n \left( \mu_1 \sum A + \tfrac12 \mu_2 \| A \|^2 \right)

    With `loss="kullback-leibler"` the first term is the Kullback–Leibler divergence `Σ X∘log(X / S Aᵀ) − X + S Aᵀ` instead. The
    papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int
        Number of components; a tuple with one integer is the same.
    loss : {"frobenius", "kullback-leibler"}
        The cost of the data; `"kullback-leibler"`, for counts, requires `solver="mu"`.
    solver : {"anls", "hals", "mu"}
        How the code and the factor are updated in turn: `"anls"` solves for each one exactly (alternating nonnegative least
        squares), `"hals"` takes several sweeps of accelerated HALS, and `"mu"` a multiplicative update, `S ← S∘(X A)/(S AᵀA)`,
        which leaves entries with a zero denominator as they are.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        Where the fit starts. `"screened"` takes the best of several random starts after a few sweeps, `"random"` a random factor.
        `"nndsvd"`, `"nndsvda"` and `"nndsvdar"` take the nonnegative double SVD with its zeros kept, filled with the mean, or
        filled with small random numbers. Or a list `[A]` with the factor. For `solver="mu"`, zeros are filled with a hundredth of
        the mean.
    max_iter : int
        Maximum number of sweeps.
    tol : float
        Relative decrease of the cost per sweep below which a fit stops.
    n_init : int
        Number of starts; the best fit is kept.
    code_l1, code_l2, factor_l1, factor_l2 : float
        The penalties `λ₁`, `λ₂`, `μ₁`, `μ₂`, at least 0. Penalise the code and the factor together: if only one of them is
        penalised, the other grows without bound and the penalty has no effect.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_ : list with one array, `(m, k)`
        The factor `A`, with columns of unit norm unless a penalty fixes their scale.
    codes_ : list with one array, `(n, k)`
        The code `S` of the training samples.
    components_ : list with one array, `(k, m)`
        `Aᵀ`, the components over the features.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error `‖X − S Aᵀ‖ / ‖X‖`.
    sparsity_ : dict of arrays
        The fraction of zeros in the codes of each level (`"codes"`) and in each factor (`"factors"`).
    n_iter_ : int
        Number of sweeps of the fit that was kept, including those that screened its start.
    history_ : dict of arrays
        `"loss"`: the cost after each sweep, divided by that of a model of zero (for Kullback–Leibler by the sum of `X`).

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
    _takes_checkpoints = True
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
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        rank, settings, penalties = checked_nmf(self, given)
        joint = joint_of(given.parts, self.loss, self.solver, penalties, None)
        start = joint_starts(self.init, rank, joint, given, given.generator(self.random_state))
        solution = run(start, settings, given.parts, rank)
        model, codes = nmf_model(solution.found, self.loss, penalties)
        # For the squared error the model has exact codes of its own.
        self._keep(model, given, solution, None if self.loss == "frobenius" else codes)


class CheckedNMF(NamedTuple):
    """The checked parameters of a factorization of one matrix."""

    rank: int
    settings: Settings
    penalties: Penalties


def checked_nmf(estimator: Any, given: Input) -> CheckedNMF:
    """Return the checked parameters that `NMF` and `SSNMF` have in common."""
    rank = check_rank(estimator.n_components)
    check_choice(estimator.loss, "loss", tuple(DIVERGENCES))
    settings = settings_of(estimator, SOLVERS, given)
    check_divergence(estimator.loss, estimator.solver)
    penalties = checked_penalties(estimator, given)
    warn_of_rank(rank, given.shape)
    return CheckedNMF(rank, settings, penalties)


def nmf_model(found: JointUpdates, loss: str, penalties: Penalties) -> tuple[Model, OfPart]:
    """Return the model of a factorization and the codes that the fit found, as a function of a part.

    The columns of the factor have unit norm unless a penalty fixes their scale.
    """
    A, norms = with_unit_columns(found.factors[0])
    if any(penalties):
        A, norms = found.factors[0], 0 * norms + 1
    codes = found.codes(norms)
    if loss == "frobenius":
        return dense_hierarchy([A], l1=penalties.code_l1, l2=penalties.code_l2), codes
    return Product([A], divergence=loss, penalties=penalties), codes


def check_divergence(loss: str, solver: str) -> None:
    """Raise `ValueError` if the solver does not support the divergence."""
    if loss != "frobenius" and solver != "mu":
        raise ValueError(f"solver must be 'mu' with loss={loss!r}, got {solver!r}")


def checked_penalties(estimator: Any, given: Input) -> Penalties:
    """Return the checked penalties of an estimator; those of the factor are multiplied by the number of samples."""
    for name in Penalties._fields:
        check_number(getattr(estimator, name), name)
    n = given.shape[0]
    penalties = Penalties(estimator.code_l1, estimator.code_l2, n * estimator.factor_l1, n * estimator.factor_l2)
    if any(penalties):
        check_moderate(given, "with penalties")
    warn_of_one_sided(penalties)
    return penalties
