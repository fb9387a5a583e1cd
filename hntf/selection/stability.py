"""Whether the components and the edges of a hierarchy come back when it is fitted again: `stability`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from hntf.algebra import MATRIX
from hntf.arrays import to_numpy
from hntf.data import Data
from hntf.estimators.base import Estimator
from hntf.estimators.checks import check_shape
from hntf.estimators.inputs import as_input
from hntf.metrics.matching import matched, unit
from hntf.selection.candidates import described
from hntf.selection.problem import fitted, given
from hntf.selection.resampling import RESAMPLES, WITH_REPLACEMENT, check_starts, redrawn, with_one_less
from hntf.selection.runner import in_processes
from hntf.tables import Table
from hntf.validation import as_random_state, check_choice, check_number


@dataclass(frozen=True)
class Stability:
    """How alike the components of several fits are.

    Attributes
    ----------
    components : list of arrays, `(k_l,)`
        For every level the score of each component of the reference fit, between 0 and 1: the mean over the fits of the similarity
        of its partner, the product of the congruences over all modes that the fits share.
    edges : list of arrays, `(k_{l−1}, k_l)`
        For every level above the finest the score of each edge: the fraction of the fits in which the partner of the finer
        component gives most of its weight to the partner of the coarser one. Edges of the reference tree are those of `parents`.
    parents : list of arrays, `(k_{l−1},)`
        The coarser component to which each finer one gives most of its weight in the reference fit.
    intervals : list of arrays, `(2, k_l, m)`, or None
        For every level the bounds of the weights of the features in each component, scaled to unit norm, in 90 % of the fits; of a
        tensor a list by mode, `(2, k_l, d_mode)`, with None for the samples where they are drawn anew.
    n_fits : int
        The number of fits.
    """

    components: list[np.ndarray]
    edges: list[np.ndarray]
    parents: list[np.ndarray]
    intervals: list[Any] | None
    n_fits: int

    @property
    def table(self) -> Table:
        """A row for each component of every level: its score, its parent and the score of that edge."""
        columns: dict[str, list[Any]] = {name: [] for name in ("level", "component", "score", "parent", "edge")}
        for level, scores in enumerate(self.components):
            for index, score in enumerate(scores):
                parent = int(self.parents[level][index]) if level < len(self.parents) else None
                edge = None if parent is None else float(self.edges[level][index, parent])
                for name, value in zip(columns, (level, index, float(score), parent, edge), strict=True):
                    columns[name].append(value)
        return Table(columns)

    def __str__(self) -> str:
        return str(self.table)

    def plot(self, *, ax: Any = None) -> Any:
        """Draw the scores of all components, level by level; see `hntf.plot.stability`."""
        from hntf.plot import stability as draw

        return draw(self, ax=ax)


def stability(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    n_fits: int = 20,
    resample: str = "bootstrap",
    mask: Any = None,
    weights: Any = None,
    intervals: bool = False,
    n_jobs: int | None = None,
    random_state: Any = None,
) -> Stability:
    """Fit a model again and again, and tell for every component and edge how well it comes back.

    Components of each fit are matched to those of the reference so that the sum of their similarities is largest (Hungarian
    method), on all modes but that of the samples where samples are drawn anew, on all modes otherwise.

    Parameters
    ----------
    model : estimator
        The model; if it is fitted, its fit is the reference, otherwise a copy is fitted to `X`.
    X : array, tensor, sparse matrix or tensor, path, blocks, `(n, …)`
        The data, as in `fit`. Samples in parts, and those of sparse tensors, stay where they are: how often one is drawn is its
        weight.
    y : array, `(n,)`, optional
        Labels, as in `fit`.
    n_fits : int
        Number of fits.
    resample : {"bootstrap", "fewer", "starts", "halves", "entries"}
        What differs from fit to fit: samples drawn with replacement; these, and one component less at the finest level, so that
        one of the reference must be given up; only the random starts; random halves of the samples; or a random tenth of the
        entries, which is hidden.
    mask, weights
        As in `fit`.
    intervals : bool
        Whether to keep intervals of the weights of the features.
    n_jobs : int, optional
        Number of processes, among which the cores are shared.
    random_state : int, RandomState, Generator or None
        Seed.

    Returns
    -------
    Stability
        `components`, `edges`, `table`, and `plot()`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described; the message names it.

    Examples
    --------
    >>> import hntf
    >>> from hntf.datasets import make_hierarchical_blocks
    >>> X = make_hierarchical_blocks(random_state=0).X
    >>> found = hntf.stability(hntf.NMF(9, random_state=0), X, n_fits=5, random_state=0)
    >>> bool(found.components[0].min() > 0.8)
    True
    """
    check_number(n_fits, "n_fits", low=2, integer=True)
    check_choice(resample, "resample", RESAMPLES)
    _check_model(model, y, resample)
    if resample == "fewer" and intervals:
        raise ValueError("intervals must be False for resample='fewer', where a component has no partner")
    if isinstance(X, Data) and resample == "entries":
        raise TypeError("X must be an array for resample='entries', not a data object, which has its mask")
    data = as_input(X, mask, weights, nonnegative=False, together=False)
    X = np.asarray(X) if isinstance(X, list) and data.is_dense else X
    # Rows of dense arrays and of sparse matrices are drawn; other samples stay where they are.
    staying = None if data.is_dense or scipy.sparse.issparse(X) or isinstance(X, Data) else data.shape
    if resample == "halves" and data.shape[0] < 2:
        raise ValueError(f"X must have two samples or more for resample='halves', got {data.shape[0]}")
    if y is not None and staying and resample in (*WITH_REPLACEMENT, "halves"):
        raise TypeError(f"X must be an array for resample={resample!r} with labels, got {type(X).__name__}")
    if y is not None and len(y) != data.shape[0]:
        raise ValueError(f"y must have one label for each of the {data.shape[0]} samples, got {len(y)}")
    rng = as_random_state(random_state)
    options = given(y=y, mask=mask, weights=weights)
    if not hasattr(model, "model_"):
        model = fitted(model, X, int(rng.randint(2**31 - 1)), **options)
    check_shape(model, data.described(X), data.shape, reset=False)
    if resample in OF_SAME_SAMPLES and len(model.codes_[0]) != data.shape[0]:
        raise ValueError(
            f"X must hold the {len(model.codes_[0])} samples of the fit for resample={resample!r}, got {data.shape[0]}"
        )
    reference, parents = _profiles(model, resample), _parents(model)
    refitted = with_one_less(model) if resample == "fewer" else model
    seeds = rng.randint(2**31 - 1, size=n_fits).tolist()
    fits = list(in_processes(n_jobs, _refitted, [(refitted, X, staying, options, resample, seed) for seed in seeds]))
    orders, scores = zip(*[_matched_levels(reference, profiles) for profiles, _ in fits], strict=True)
    components = [np.mean([of_fit[level] for of_fit in scores], axis=0) for level in range(len(reference))]
    edges = [
        np.mean([_edges(orders[i][level], orders[i][level + 1], fits[i][1][level]) for i in range(n_fits)], axis=0)
        for level in range(len(parents))
    ]
    bounds = None
    if intervals:
        order = len(model.feature_shape_) + 1
        bounds = [
            _bounds([[U[:, orders[i][level]] for U in fits[i][0][level]] for i in range(n_fits)], order)
            for level in range(len(reference))
        ]
    return Stability(components, edges, parents, bounds, n_fits)


def _check_model(model: Any, y: Any, resample: str) -> None:
    """Raise `TypeError` or `ValueError` if a model is no estimator of this library, or cannot be fitted again as is asked."""
    if not isinstance(model, Estimator):
        raise TypeError(f"model must be an estimator of hntf, got {described(model)}")
    if resample == "starts":
        check_starts(model, "resample='starts'")
    if y is None and hasattr(model, "model_") and getattr(model, "classes_", None) is not None:
        raise ValueError(
            "y must be given for a model that was fitted with labels, so that it is fitted with them again"
        )


def _bounds(matched_fits: list[list[np.ndarray]], order: int) -> Any:
    """Return the bounds of the weights of components by mode, for a matrix those of its features, from the factors of all fits."""
    bounds = [
        np.quantile([unit(U).T for U in of_fits], [0.05, 0.95], axis=0) for of_fits in zip(*matched_fits, strict=True)
    ]
    return bounds[-1] if order == MATRIX else [*[None] * (order - len(bounds)), *bounds]


OF_SAME_SAMPLES = ("starts", "entries")
"""What draws the same samples for every fit, so that their codes are compared, too."""

Profiles = list[list[np.ndarray]]
"""For every level the factors of the modes on which fits are compared."""


def _refitted(
    model: Any, X: Any, staying: tuple[int, ...] | None, options: dict[str, Any], resample: str, seed: int
) -> tuple[Profiles, list[np.ndarray]]:
    """Return the profiles of a fit, and the parents of its components; `staying` is the shape of samples that are not drawn."""
    X, options = redrawn(X, staying, options, resample, seed)
    again = fitted(model, X, seed, **options)
    return _profiles(again, resample), _parents(again)


def _profiles(model: Any, resample: str) -> Profiles:
    """Return the factors of all levels by mode: those of the samples only where all fits have the same samples."""
    levels = []
    for codes, profiles in zip(model.codes_, model.components_, strict=True):
        modes = profiles[1:] if isinstance(profiles, list) else [profiles]
        of_modes = [to_numpy(P).T for P in modes]
        levels.append([to_numpy(codes), *of_modes] if resample in OF_SAME_SAMPLES else of_modes)
    return levels


def _parents(model: Any) -> list[np.ndarray]:
    """Return for every level above the finest to which of its components the finer ones give most of their weight."""
    parents = []
    for level in range(1, len(model.codes_)):
        R = model.memberships_[level]
        # Where every mode gathers for itself, the modes vote by the products of their weights.
        weights = np.prod([to_numpy(of_mode) for of_mode in R], axis=0) if isinstance(R, list) else to_numpy(R)
        masses = np.linalg.norm(to_numpy(model.codes_[level]), axis=0)
        parents.append(np.argmax(np.abs(weights) * masses, axis=1))
    return parents


def _matched_levels(reference: Profiles, profiles: Profiles) -> tuple[list[np.ndarray], list[np.ndarray]]:
    pairs = [matched(one, other) for one, other in zip(reference, profiles, strict=True)]
    return [order for order, _ in pairs], [np.clip(score, 0.0, 1.0) for _, score in pairs]


def _edges(order: np.ndarray, order_above: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Return which edges between components of the reference the partners in a fit have, `(k, k')`."""
    return (parents[order][:, None] == order_above[None, :]) * (order >= 0)[:, None] * 1.0
