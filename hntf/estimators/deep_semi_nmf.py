"""Deep semi-NMF: data and factors of any sign, nonnegative codes at every level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sklearn.utils import check_random_state

from hntf.arrays import Array
from hntf.data import Data
from hntf.data.weighted import WeightedData
from hntf.estimators.decoded import DecodedEstimator
from hntf.fitting.blas import blas_threads_for
from hntf.fitting.divergences import Frobenius
from hntf.fitting.initializers.single_matrix import code_of
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.semi_nmf import SemiFit, deep_semi_nmf, semi_levels
from hntf.fitting.sweeps import SweepCallback, best_of_starts
from hntf.hierarchies.products import chain, decoded_code
from hntf.validation import check_ranks


class DeepSemiNMF(DecodedEstimator):
    r"""Deep semi-NMF, `X ≈ S_L (A_1 … A_L)ᵀ` with `S_L ≥ 0`, and `X` and all `A_l` of any sign.

    It starts from a semi-NMF of the data, of its codes, and so on. Then in turn, level by level, `A_l ← Ψ† Xᵀ (S̃_l)†ᵀ` with `Ψ =
    A_1 … A_{l−1}` and the code `S̃_l` of level l rebuilt from above, and with `Φ = A_1 … A_L`

    .. math:: S_L \leftarrow S_L \circ \sqrt{([X\Phi]^+ + S_L [\Phi^T\Phi]^-) / ([X\Phi]^- + S_L [\Phi^T\Phi]^+)},

    so that the cost `½‖X − S_L Φᵀ‖²` never rises. As the code rebuilt from above has the rank of the top, so has every `A_l` in the
    end: the levels below explain no more than the top does. The papers write the transpose, samples in columns.

    Parameters
    ----------
    n_components : int or tuple of int
        The number of components of each level, finest first; it must not grow.
    max_iter : int
        Most sweeps over all levels.
    tol : float
        A fit ends where a sweep lowers the cost by less than this part of it.
    n_init : int
        Number of starts, of which the best fit is kept.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_ : list of arrays, `(k_{l−1}, k_l)`
        The `A_l`.
    codes_ : list of arrays, `(n, k_l)`
        `argmin_{S ≥ 0} ‖X − S (A_1 … A_l)ᵀ‖` of every level, exactly.
    components_ : list of arrays, `(k_l, m)`
        `(A_1 … A_l)ᵀ`, of any sign.
    reconstruction_err_ : array, `(L,)`
        Relative Frobenius error of each level with these codes.
    sparsity_ : dict of arrays
        The share of zeros in the codes of every level, `"codes"`, and in every factor, `"factors"`.
    n_iter_ : int
    history_ : dict of arrays
        `"loss"`: the cost by sweep, relative to that of a model of zero.

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

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 1,
        random_state: Any = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.n_init = n_init
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, mask: Any = None, weights: Any = None) -> Self:
        """Fit to the data.

        Parameters
        ----------
        X : array, tensor or scipy.sparse matrix, `(n, m)`
            Of any sign. A sparse matrix is never made dense.
        y : ignored
            For scikit-learn's conventions.
        mask, weights : None
            The method takes complete data without weights only.

        Returns
        -------
        self

        Raises
        ------
        TypeError, ValueError
            If a parameter or `X` is not as described; the message names it.
        """
        ranks = check_ranks(self.n_components)
        self._check_iterations()
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        if isinstance(given.data, WeightedData):
            raise ValueError("mask and weights must be None: DeepSemiNMF takes complete data without weights")
        random_state = check_random_state(self.random_state)
        scale = Frobenius(given.data).scale

        def fit(callback: SweepCallback) -> SemiFit:
            factors, S = semi_levels(given.data, ranks, random_state)
            return deep_semi_nmf(given.data, factors, S, max_iter=self.max_iter, tol=self.tol, callback=callback)

        with blas_threads_for(given.data, max(ranks)):
            found, losses = best_of_starts(
                fit,
                n_init=self.n_init,
                max_iter=self.max_iter,
                verbose=bool(self.verbose),
                cost=lambda fit: fit.cost,
                loss=lambda cost: cost / scale,
            )
        warn_of_iterations(found.converged, found.n_iter, self.tol)
        self.n_iter_, self.history_ = found.n_iter, {"loss": losses}
        self._keep_levels(found.factors, given)
        return self

    def _code(self, data: Data, factors: Sequence[Array]) -> tuple[Array, Array]:
        S = code_of(data, chain(factors)[-1])
        return S, decoded_code(S, factors[1:])

    def _data_of(self, S: Array, factors: Sequence[Array]) -> Array:
        return S @ chain(factors)[-1].T
