"""Unfolded NMF: multiplicative updates of the code unrolled into layers whose dictionaries are trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from hntf.costs import Reconstruction
from hntf.costs.targets import Labels
from hntf.estimators.checks import settings_of, warn_of_rank
from hntf.estimators.inputs import Input
from hntf.estimators.starts import check_init
from hntf.estimators.supervised import Classifier
from hntf.estimators.training import train
from hntf.fitting.initializers.single_matrix import MATRIX_STARTS, matrix_start, positive
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.report import Callback
from hntf.fitting.scaling import with_unit_columns
from hntf.models import Unrolled
from hntf.validation import as_random_state, check_number, check_rank


class UnfoldedNMF(Classifier):
    r"""Unfolded NMF: `K` multiplicative updates of the code, unrolled and trained end to end, `X ≈ S⁽ᴷ⁾ A⁽ᴷ⁾ᵀ`.

    .. math:: S^{(t+1)} = S^{(t)} \circ \frac{(X \circ \hat X_t^{\beta-2}) A^{(t)}}{\hat X_t^{\beta-1} A^{(t)} + \mu},
              \qquad \hat X_t = S^{(t)} A^{(t)T}

    The last `C` updates have a dictionary each, all earlier ones use the first dictionary, and the last dictionary reconstructs
    the data. All dictionaries minimise the squared error `‖X − S⁽ᴷ⁾ A⁽ᴷ⁾ᵀ‖²`, plus the loss of the labels if there are labels.
    This is not a hierarchy: all layers have the same number of components. The paper writes the transpose, samples in columns.

    Parameters
    ----------
    n_components : int
        Number of components; a tuple with one integer is the same.
    n_steps : int
        Number of updates `K`.
    n_untied : int
        Number `C` of last updates with a dictionary of their own, at most `K`.
    beta : {2, 1}
        Whether the updates are those of the squared error (2) or of the Kullback–Leibler divergence (1).
    sparsity : float
        The sparsity penalty `μ`, at least 0; with `beta=2` it is relative to the root mean square of the data. If it is positive,
        the columns of the dictionaries are constrained to sum to one, because otherwise they grow until the penalty has no
        effect.
    init : {"screened", "random", "nndsvd", "nndsvda", "nndsvdar"} or list of arrays
        The NMF start, as in `NMF`, whose factor is the start of all dictionaries; or a list of dictionaries, in the order of
        `factors_`. Zeros are filled with a hundredth of the mean.
    solver : {"lbfgs", "projected_gradient", "sgd", "adam"}
        The optimizer, as in `NeuralNMF`.
    max_iter, tol, n_init, learning_rate
        As in `NeuralNMF`.
    supervision_weight, supervision_loss
        As in `NeuralNMF`.
    random_state : int, RandomState, Generator or None
        Seed or generator of the random starts. Pass an int for reproducible results.
    verbose : bool or int
        Whether to show a progress bar.
    callback : callable, optional
        Called after every iteration with a `Progress` (start, iteration, loss). The fit stops if it returns a true value.

    Attributes
    ----------
    factors_ : list of arrays, `(m, k)`
        The first dictionary and those of the last `C` updates; the last one reconstructs the data.
    codes_ : list with one array, `(n, k)`
        The code `S⁽ᴷ⁾` of the training samples.
    components_ : list with one array, `(k, m)`
        The components over the features, `A⁽ᴷ⁾ᵀ`.
    reconstruction_err_ : array, `(1,)`
        Relative Frobenius error.
    sparsity_, n_iter_, history_, classifier_, classes_
        As in `NeuralNMF`.

    References
    ----------
    Le Roux, Hershey, Weninger (2015), *Deep NMF for speech separation*, ICASSP.

    Examples
    --------
    >>> from hntf import UnfoldedNMF
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> model = UnfoldedNMF(4, n_steps=10, n_untied=2, random_state=0).fit(X)
    >>> len(model.factors_), model.transform(X[:5]).shape
    (3, (5, 4))
    """

    _matrices_only = True
    _for_tensors = "NeuralNTF"

    def __init__(
        self,
        n_components: int = 8,
        *,
        n_steps: int = 15,
        n_untied: int = 3,
        beta: int = 2,
        sparsity: float = 0.0,
        init: str = "screened",
        solver: str = "lbfgs",
        max_iter: int = 500,
        tol: float = 1e-3,
        n_init: int = 1,
        learning_rate: float | None = None,
        supervision_weight: float = 0.1,
        supervision_loss: str = "squared",
        random_state: Any = None,
        verbose: bool | int = False,
        callback: Callback | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_steps = n_steps
        self.n_untied = n_untied
        self.beta = beta
        self.sparsity = sparsity
        self.init = init
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.learning_rate = learning_rate
        self.supervision_weight = supervision_weight
        self.supervision_loss = supervision_loss
        self.random_state = random_state
        self.verbose = verbose
        self.callback = callback

    def _fit(self, given: Input, labels: Labels | None) -> None:
        given = given.with_labels(labels)
        self._check_updates()
        data, rank = given.data, check_rank(self.n_components)
        warn_of_rank(rank, given.data.shape)
        settings = settings_of(self, tuple(OPTIMIZERS))._replace(simplex=self.sparsity > 0)
        loss = self._with_labels(Reconstruction(), given, 1)
        random_state = as_random_state(self.random_state)
        size = (data.norm_squared() / np.prod(data.shape)) ** 0.5
        sparsity = self.sparsity * (size if self.beta == 2 else 1.0)
        # If all updates are untied, the first dictionary would not be used.
        count = min(self.n_untied + 1, self.n_steps)
        factors = check_init(self.init, MATRIX_STARTS, [(data.shape[1], rank)] * count, given, n_first=1)

        def start() -> Unrolled:
            if factors is None:
                _, A, _ = matrix_start(data, rank, self.init, random_state)
                dictionaries = [positive(with_unit_columns(A)[0])] * count
            else:
                dictionaries = [positive(A) for A in factors] * (count // len(factors))
            return Unrolled([1 * A for A in dictionaries], n_steps=self.n_steps, beta=self.beta, sparsity=sparsity)

        solution = train(start, loss, settings, given.parts, rank)
        self._keep(solution.found, given, solution)
        self._keep_classifier(given)

    def _check_updates(self) -> None:
        check_number(self.n_steps, "n_steps", low=1, integer=True)
        check_number(self.n_untied, "n_untied", integer=True)
        if self.n_untied > self.n_steps:
            raise ValueError(f"n_untied must be at most n_steps={self.n_steps}, got {self.n_untied}")
        if self.beta not in (1, 2):
            raise ValueError(f"beta must be 1 or 2, got {self.beta!r}")
        check_number(self.sparsity, "sparsity")
