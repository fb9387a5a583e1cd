"""Deep semi-NMF: data and factors of any sign, nonnegative codes at every level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hntf.costs.targets import Labels
from hntf.estimators.base import Estimator
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.starts import check_init, level_shapes
from hntf.fitting.loop import run
from hntf.fitting.report import Callback
from hntf.fitting.updates.semi_nmf import SemiUpdates, semi_code, semi_levels
from hntf.models import Product
from hntf.validation import as_random_state, check_ranks


class DeepSemiNMF(Estimator):
    r"""Deep semi-NMF, `X ≈ S_L (A_1 … A_L)ᵀ` with `S_L ≥ 0`, and `X` and all `A_l` of any sign.

    The fit starts from a semi-NMF of the data, then of its code, and so on. Each sweep then updates, level by level,
    `A_l ← Ψ† Xᵀ (S̃_l)†ᵀ` with `Ψ = A_1 … A_{l−1}` and the code of level l as the last level reconstructs it,
    `S̃_l = S_L (A_{l+1} … A_L)ᵀ`; and last, with `Φ = A_1 … A_L`,

    .. math:: S_L \leftarrow S_L \circ \sqrt{([X\Phi]^+ + S_L [\Phi^T\Phi]^-) / ([X\Phi]^- + S_L [\Phi^T\Phi]^+)},

    so that the cost `½‖X − S_L Φᵀ‖²` never increases. As the rank of `S̃_l` is at most `k_L`, so is the rank of every `A_l` in
    the end: the lower levels explain no more than the last one does. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        Number of components of each level, finest first; it must not increase.
    init : {"levels"} or list of arrays
        Where the fit starts. `"levels"` takes a semi-NMF of the data, then of its code, and so on. Or a list of factors
        `[A_1, …, A_L]`, of any sign.
    max_iter : int
        Maximum number of sweeps over all levels.
    tol : float
        Relative decrease of the cost per sweep below which a fit stops.
    n_init : int
        Number of starts; the best fit is kept.
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
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The factors `A_l`, of any sign.
    codes_ : list of arrays, `(n, k_l)`
        The exact codes `argmin_{S ≥ 0} ‖X − S (A_1 … A_l)ᵀ‖` of the training samples at each level.
    components_ : list of arrays, `(k_l, m)`
        `(A_1 … A_l)ᵀ`, of any sign.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of each level with these codes.
    sparsity_ : dict of arrays
        The fraction of zeros in the codes of each level (`"codes"`) and in each factor (`"factors"`).
    n_iter_ : int
        Number of sweeps of the fit that was kept.
    history_ : dict of arrays
        `"loss"`: the cost after each sweep, divided by that of a model of zero.

    References
    ----------
    Trigeorgis, Bousmalis, Zafeiriou, Schuller (2014), *A deep semi-NMF model for learning hidden representations*, ICML.
    Trigeorgis, Bousmalis, Zafeiriou, Schuller (2016), *A deep matrix factorization method for learning attribute
    representations*, IEEE Trans. Pattern Anal. Mach. Intell.
    Ding, Li, Jordan (2010), *Convex and semi-nonnegative matrix factorizations*, IEEE Trans. Pattern Anal. Mach. Intell.

    Examples
    --------
    >>> import numpy as np
    >>> from hntf import DeepSemiNMF
    >>> X = np.random.default_rng(0).standard_normal((30, 8))
    >>> model = DeepSemiNMF((4, 2), max_iter=2000, random_state=0).fit(X)
    >>> [S.shape for S in model.codes_], bool(model.codes_[-1].min() >= 0)
    ([(30, 4), (30, 2)], True)
    """

    _takes_signs = True
    _matrices_only = True
    _for_tensors = "NeuralNTF"

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        init: Any = "levels",
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 1,
        random_state: Any = None,
        verbose: bool | int = False,
        output_level: int | str = -1,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.init = init
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose
        self.output_level = output_level
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        ranks = check_ranks(self.n_components)
        settings = settings_of(self, ("anls",))
        self._check_levels(len(ranks))
        warn_of_rank(ranks[0], given.data.shape)
        data = given.data
        random_state = as_random_state(self.random_state)
        shapes = level_shapes(data.shape[1], ranks)
        factors = check_init(self.init, ("levels",), shapes, given, nonnegative=False)

        def descent() -> SemiUpdates:
            if factors is not None:
                return SemiUpdates(data, factors, semi_code(data, factors))
            return SemiUpdates(data, *semi_levels(data, ranks, random_state))

        solution = run(descent, settings, data, max(ranks))
        self._keep(Product(solution.found.factors), given, solution)
