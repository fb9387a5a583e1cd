"""Every estimator, in small: one that joins this list is tested as all others are."""

import warnings
from typing import NamedTuple

import numpy as np
import pytest
import tensorly
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

import hntf

KL = {"solver": "mu", "loss": "kullback-leibler"}
SHORT = {"max_iter": 50}

MATRIX_METHODS = {
    "NMF": hntf.NMF(3),
    "NMF hals": hntf.NMF(3, solver="hals"),
    "NMF mu": hntf.NMF(3, solver="mu"),
    "NMF KL": hntf.NMF(3, **KL),
    "SSNMF": hntf.SSNMF(3),
    "SSNMF KL": hntf.SSNMF(3, supervision_loss="kullback-leibler", **KL),
    "HierarchicalNMF": hntf.HierarchicalNMF((3, 2)),
    "DeepNMF": hntf.DeepNMF((3, 2)),
    "DeepSemiNMF": hntf.DeepSemiNMF((3, 2)),
    "UnfoldedNMF": hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, **SHORT),
    "UnfoldedNMF KL": hntf.UnfoldedNMF(3, n_steps=5, n_untied=2, beta=1, **SHORT),
    "MultilayerSparseCoding": hntf.MultilayerSparseCoding((5, 2), **SHORT),
    "NeuralNMF": hntf.NeuralNMF((4, 3, 2), max_iter=40),
    "NeuralNMF penalties": hntf.NeuralNMF((3, 2), code_l1=0.1, code_l2=0.1, factor_l1=0.01, factor_l2=0.01, **SHORT),
    "NeuralNMF simplex": hntf.NeuralNMF((3, 2), simplex=True, volume_weight=1e-3, loss="layer-centric", **SHORT),
    "NeuralNMF batches": hntf.NeuralNMF((3, 2), batch_size=10, max_iter=10),
}
TENSOR_METHODS = {
    "NCPD": hntf.NCPD(3),
    "NCPD hals": hntf.NCPD(3, solver="hals", init="random"),
    "NTD": hntf.NTD((3, 2, 2)),
    "NTD hals": hntf.NTD(2, solver="hals", init="random"),
    "HierarchicalNCPD": hntf.HierarchicalNCPD((4, 2), n_init=2),
    "NeuralNCPD": hntf.NeuralNCPD((4, 3, 2), max_iter=40, n_init=2),
    "NeuralNCPD held": hntf.NeuralNCPD((4, 2), train_base=False, init="sequential", max_iter=40, n_init=1),
    "NeuralNCPD one level": hntf.NeuralNCPD(3, max_iter=40),
    "MultiHNTF": hntf.MultiHNTF((4, 2), n_init=2),
    "MultiHNTF by mode": hntf.MultiHNTF((4, 2), shared=False, train_base=True, max_iter=40, n_init=2),
    "MultilayerNTF": hntf.MultilayerNTF((4, 2), n_init=2),
    "MultilayerNTF last": hntf.MultilayerNTF((4, 2), lead_mode=-1, n_init=2),
    "NeuralNTF": hntf.NeuralNTF((4, 2), max_iter=40),
    "NeuralNTF Tucker": hntf.NeuralNTF(((3, 3), (2, 2)), max_iter=40),
    "NeuralNTF Tucker dense": hntf.NeuralNTF(((3, 3), 4, 2), max_iter=40),
    "NeuralNTF one mode": hntf.NeuralNTF(((3,), (2,)), modes=[2], max_iter=40),
    "NeuralNTF all modes": hntf.NeuralNTF(((3, 3, 2), (2, 2, 2)), max_iter=40),
}
ON_MATRICES = {
    "NCPD": hntf.NCPD(3),
    "NTD": hntf.NTD((4, 3)),
    "HierarchicalNCPD": hntf.HierarchicalNCPD((4, 2), n_init=2),
    "NeuralNCPD": hntf.NeuralNCPD((4, 2), n_init=1, max_iter=40),
    "MultiHNTF": hntf.MultiHNTF((4, 2), n_init=2),
    "MultilayerNTF": hntf.MultilayerNTF((4, 2), n_init=2),
    "NeuralNTF": hntf.NeuralNTF((4, 2), max_iter=40),
    "NeuralNTF Tucker": hntf.NeuralNTF(((4,), (2,)), max_iter=40),
}
"""The methods for tensors, on a matrix."""

SIGNED = {"DeepSemiNMF", "MultilayerSparseCoding"}
"""Those that take data of any sign, and whose factors have any."""

EVEN_SHARES = {"DeepNMF pooled": hntf.DeepNMF((4, 2), pooling="max", activation="sqrt", max_iter=100)}
"""Those whose `inverse_transform` knows less than the fit: how the components of a pooled group shared what was pooled."""


class Case(NamedTuple):
    """An estimator with data to fit it to, and classes of the samples."""

    name: str
    estimator: object
    X: np.ndarray
    y: np.ndarray

    def fit(self, X=None, **options):
        """Fit a fresh copy, to other data or with other options of `fit`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self.copy().fit(self.X if X is None else X, **options)

    def copy(self, **params):
        """Return a fresh copy, with other parameters."""
        return clone(self.estimator).set_params(random_state=0, **params)


def matrix():
    """Draw a matrix of samples with three topics, and the one that each has most of."""
    rng = np.random.default_rng(0)
    S, topics = rng.random((25, 3)) * (rng.random((25, 3)) < 0.7), rng.random((3, 9)) * (rng.random((3, 9)) < 0.7)
    return S @ topics + 0.1 * rng.random((25, 9)), np.argmax(S, axis=1)


def tensor():
    """Draw a tensor of samples with four components, and the one that each has most of."""
    rng = np.random.default_rng(0)
    factors = [rng.random((d, 4)) * (rng.random((d, 4)) < 0.6) for d in (9, 8, 7)]
    return tensorly.cp_to_tensor((None, factors)) + 0.05 * rng.random((9, 8, 7)), np.argmax(factors[0], axis=1)


def soon_done(estimator):
    """Let fits end where only digits change that no test looks at."""
    return estimator.set_params(tol=max(estimator.tol, 1e-3))


CASES = [
    *(Case(name, soon_done(method), *matrix()) for name, method in {**MATRIX_METHODS, **EVEN_SHARES}.items()),
    *(Case(name, soon_done(method), *tensor()) for name, method in TENSOR_METHODS.items()),
    *(Case(f"{name} of a matrix", soon_done(method), *matrix()) for name, method in ON_MATRICES.items()),
]
EVERYDAY = {
    "NMF", "SSNMF", "DeepNMF", "DeepSemiNMF", "UnfoldedNMF", "MultilayerSparseCoding", "NeuralNMF",
    "NCPD", "NTD", "NeuralNCPD", "MultiHNTF", "NeuralNTF Tucker",
}  # fmt: skip
"""Those that differ most from each other, for the everyday run; the others are tested in the whole one."""


def parameters(cases):
    """Return cases as parameters of a test, the less common ones marked as slow."""
    return [pytest.param(case, id=case.name, marks=() if case.name in EVERYDAY else pytest.mark.slow) for case in cases]


ONE_OF_EACH = [case for case in CASES if case.name in EVERYDAY]
EXACT_CASES = [case for case in CASES if case.name not in EVEN_SHARES]
CLASSIFIERS = [case for case in CASES if is_classifier(case.estimator)]
