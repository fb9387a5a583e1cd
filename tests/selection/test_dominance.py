"""What outweighs all other data is named, wherever the data are, and nothing is said of data in which nothing does."""

import numpy as np
import pytest
import scipy.sparse
import torch

import hntf
from hntf.estimators.inputs import as_input
from hntf.selection.dominance import warning_of_dominance

RNG = np.random.default_rng(0)
X = RNG.exponential(size=(60, 40))
T = RNG.exponential(size=(20, 10, 8))


def warning(X, mask=None):
    return warning_of_dominance(as_input(X, mask, None, nonnegative=False, together=False).parts)


def changed(X, index, factor):
    X = X.copy()
    X[index] *= factor
    return X


HOMES = {
    "numpy": np.asarray,
    "torch": torch.from_numpy,
    "sparse": scipy.sparse.csr_array,
    "blocks": lambda X: [X[:25], X[25:]],
}


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize(
    ("index", "factor", "said"),
    [
        (np.s_[30, 7], 1.0, ""),
        (np.s_[30, 7], 500.0, "One entry has 9"),
        (np.s_[30], 100.0, "Of the samples, number 30, "),
        (np.s_[:, 7], 50.0, "Of the features, number 7, "),
        (np.s_[:], 0.0, ""),
    ],
)
def test_one_entry_sample_or_feature(home, index, factor, said):
    found = warning(HOMES[home](changed(X, index, factor)))
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_modes_of_a_tensor_are_numbered():
    assert warning(changed(T, np.s_[:, :, 3], 30.0)).startswith("Of the entries of mode 2, number 3, ")
    assert not warning(T)


@pytest.mark.parametrize("data", [(RNG.random((2, 30)) * [[100.0], [1.0]]), RNG.standard_normal((50, 40))])
def test_few_slices_and_data_of_any_sign(data):
    assert not warning(data)


def test_what_is_hidden_outweighs_nothing():
    mask = np.ones(X.shape, dtype=bool)
    mask[30, 7] = False
    assert not warning(changed(X, np.s_[30, 7], 500.0), mask)


def test_the_reason_of_a_selection_names_it():
    reason = hntf.select_ranks(changed(X, np.s_[:, 7], 50.0), [1, 2], hntf.NMF, random_state=0).reason
    assert reason.endswith("scale the features if they are to count alike.")
    assert "outweighs" not in hntf.select_ranks(X, [1, 2], hntf.NMF, random_state=0).reason
