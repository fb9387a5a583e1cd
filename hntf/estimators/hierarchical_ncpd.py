"""Hierarchical NCPD: a CP decomposition whose components are factorized level by level, the baseline of Neural NCPD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from sklearn.utils import check_random_state

from hntf.estimators.cp_levels import CPLevelsEstimator, by_size
from hntf.fitting.initializers.components import even_scales, factorized_components
from hntf.fitting.progress import warn_of_iterations
from hntf.fitting.restarts import fit_screened_cp
from hntf.hierarchies import ComponentStacks
from hntf.validation import check_ranks


class HierarchicalNCPD(CPLevelsEstimator):
    r"""Hierarchical nonnegative CP decomposition, level by level: errors of lower levels propagate, on purpose.

    The base is the best NCPD `[[U_1, …, U_N]]` of rank `k_0` found. Then in every mode the components are factorized by
    nonnegative matrix factorization, `S_{i,l−1} ≈ S_{i,l} A_{i,l}ᵀ` from `S_{i,0} = U_iᵀ`, and level l is `[[Û_{1,l}, …,
    Û_{N,l}]]` with `Û_{i,l} = A_{i,1} ⋯ A_{i,l} S_{i,l}ᵀ`. `NeuralNCPD` trains the same model as a whole.

    Parameters
    ----------
    n_components : tuple of int
        The rank of the base and the number of topics of each level above; it must not grow.
    max_iter, tol : int, float
        Of the base, as in `NCPD`.
    n_init : int
        Number of starts of the base, of which the best is kept.
    random_state : int, RandomState or None
    verbose : bool or int
        Whether to show a progress bar.

    Attributes
    ----------
    factors_, codes_, components_, reconstruction_err_
        As in `NeuralNCPD`.
    n_iter_ : int
        Sweeps of the base.

    References
    ----------
    Vendrow, Haddock, Needell (2021), *Neural nonnegative CP decomposition for hierarchical tensor analysis*, Asilomar, where it
    is the standard method; Cichocki, Zdunek (2006), *Multilayer nonnegative matrix factorisation*, Electron. Lett.

    Examples
    --------
    >>> from hntf import HierarchicalNCPD
    >>> from hntf.datasets import make_hierarchical_tensor
    >>> X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    >>> HierarchicalNCPD((7, 4, 2), random_state=0).fit(X).reconstruction_err_.shape
    (3,)
    """

    def __init__(
        self,
        n_components: int | Sequence[int] = (8, 4, 2),
        *,
        max_iter: int = 500,
        tol: float = 1e-5,
        n_init: int = 8,
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
        """Fit level by level.

        Parameters
        ----------
        X : array or tensor of order 2 or more
            Nonnegative, samples along mode 0.
        y : ignored
            For scikit-learn's conventions.
        mask : bool array, shape of `X`, or "nan", optional
            True where an entry is observed; `"nan"` takes the entries that are no NaN.
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
        ranks = check_ranks(self.n_components)
        given = self._validated(X, mask=mask, weights=weights, reset=True)
        random_state = check_random_state(self.random_state)
        level = fit_screened_cp(given.data, ranks[0], self._cp_settings(), random_state)
        warn_of_iterations(level.converged, level.n_iter, self.tol)
        self.n_iter_ = level.n_iter
        base = by_size(even_scales(level.factors))
        stacks = factorized_components(base, ranks[1:], random_state)
        self._keep_model(ComponentStacks(base, stacks), given)
        return self
