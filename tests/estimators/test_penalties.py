"""Penalties of estimators: per sample, on both sides, in the units of the data."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf import as_data
from hntf.costs import Energy, Penalised
from hntf.datasets import make_hierarchical_blocks
from hntf.fitting.objective import Objective
from hntf.fitting.parts import InMemory
from hntf.models.stack import dense_hierarchy

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = make_hierarchical_blocks(random_state=0).X


@pytest.mark.parametrize("Model", [hntf.NMF, hntf.SSNMF, hntf.NeuralNMF])
def test_more_samples_of_a_kind_change_nothing(Model):
    zeros = []
    for times in (1, 10):
        model = Model(9, code_l1=2.0, factor_l2=0.1, random_state=0).fit(np.tile(X, (times, 1)))
        zeros.append(model.sparsity_["codes"][0])
    assert zeros[1] == pytest.approx(zeros[0], abs=0.01)


def test_batches_add_up_to_the_penalties_of_all_samples():
    rng = np.random.default_rng(0)
    model = dense_hierarchy([rng.random((87, 4)), rng.random((4, 2))], l1=0.5)
    loss = Penalised(Energy(), code_l1=0.5, factor_l1=90 * 0.2, factor_l2=90 * 0.1, volume=3.0)
    whole = Objective(loss, model, InMemory.of(as_data(X)))
    total = 0.0
    for start in range(0, 90, 30):
        batch = as_data(X[start : start + 30])
        of_batch = Objective(loss, model, InMemory.of(batch), fraction=1 / 3)
        total += of_batch(of_batch.start).value / of_batch.scale
    np.testing.assert_allclose(total, whole(whole.start).value / whole.scale)


@pytest.mark.parametrize("penalty", ["code_l1", "code_l2", "factor_l1", "factor_l2"])
@pytest.mark.parametrize("Model", [hntf.NMF, hntf.SSNMF, hntf.NeuralNMF])
def test_a_penalty_of_one_side_alone_warns_once_with_the_remedy(Model, penalty):
    other = "factor" if penalty.startswith("code") else "code"
    with pytest.warns(UserWarning, match=f"give {other}_l1 or {other}_l2") as caught:
        Model(3, max_iter=3, random_state=0, **{penalty: 0.1}).fit(X)
    assert len([w for w in caught if "penalty" in str(w.message)]) == 1
    assert caught[0].filename == __file__


def test_a_simplex_bounds_the_factors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        hntf.NeuralNMF((3, 2), simplex=True, code_l1=0.1, max_iter=3).fit(X)
