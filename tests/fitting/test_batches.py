import numpy as np
import pytest
import scipy.sparse
import torch

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.fitting.batches import BatchTrainer, Epochs
from hntf.fitting.loop import advance
from hntf.fitting.objective import Objective
from hntf.fitting.parts import InMemory
from hntf.losses import Energy, Penalised
from hntf.models.stack import dense_hierarchy


@pytest.fixture(scope="module")
def blocks():
    return make_hierarchical_blocks(random_state=0)


@pytest.mark.parametrize("solver", ["auto", "adam", "sgd"])
def test_batches_come_near_all_samples(blocks, solver):
    options = {"init": "nndsvdar", "random_state": 0, "tol": 1e-4}
    whole = hntf.NeuralNMF((6, 3), **options).fit(blocks.X)
    parts, again = (hntf.NeuralNMF((6, 3), batch_size=30, solver=solver, **options).fit(blocks.X) for _ in range(2))
    assert np.sum(parts.reconstruction_err_**2) < 1.06 * np.sum(whole.reconstruction_err_**2)
    np.testing.assert_array_equal(again.factors_[0], parts.factors_[0])


@pytest.mark.parametrize("kind", ["sparse", "torch", "weights", "nan"])
def test_batches_of_any_data(blocks, kind):
    X, options = blocks.X.copy(), {}
    if kind == "sparse":
        X = scipy.sparse.csr_matrix(X)
    elif kind == "torch":
        X = torch.tensor(X, dtype=torch.float32)
    elif kind == "weights":
        options["weights"] = np.random.default_rng(0).uniform(0.5, 1.5, X.shape)
    else:
        X[::7, ::5] = np.nan
        options["mask"] = "nan"
    model = hntf.NeuralNMF((4, 2), batch_size=20, max_iter=20, tol=1e-2, random_state=0).fit(
        X, blocks.supergroups, **options
    )
    assert model.reconstruction_err_[0] < 0.32
    assert model.codes_[0].shape == (90, 4)
    assert np.mean(model.predict(blocks.X) == blocks.supergroups) == 1.0


def test_batches_of_a_tensor():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X
    whole, parts = (
        hntf.NeuralNTF((7, 4), batch_size=size, random_state=0).fit(X).reconstruction_err_ for size in (None, 10)
    )
    assert np.sum(parts**2) < 1.05 * np.sum(whole**2)
    with pytest.raises(ValueError, match="modes must not hold 0"):
        hntf.NeuralNTF(((3, 3, 3),), batch_size=10).fit(X)


@pytest.mark.slow
@pytest.mark.parametrize("supervision_loss", ["squared", "cross_entropy"])
def test_partial_fit_learns_from_a_loader(blocks, supervision_loss):
    torch.manual_seed(0)
    dataset = torch.utils.data.TensorDataset(torch.tensor(blocks.X), torch.tensor(blocks.groups))
    loader = torch.utils.data.DataLoader(dataset, batch_size=30, shuffle=True)
    model = hntf.NeuralNMF((9, 4), init="random", level_weights=None, supervision_loss=supervision_loss, random_state=0)
    for _ in range(80):
        for X, y in loader:
            model.partial_fit(X, y, classes=range(4))
    assert model.n_iter_ == 240
    assert model.history_["loss"][-15:].mean() < 0.5 * model.history_["loss"][:3].mean()
    assert model.score(torch.tensor(blocks.X), blocks.groups) > 0.95
    assert isinstance(model.factors_[0], torch.Tensor)


def test_partial_fit_takes_batches_without_labels(blocks):
    model = hntf.NeuralNMF((9, 4), random_state=0)
    model.partial_fit(blocks.X, blocks.groups)
    before = model.classifier_.copy()
    model.partial_fit(blocks.X[:10]).partial_fit(blocks.X[10:20], [-1] * 10)
    np.testing.assert_array_equal(model.classifier_, before)
    with pytest.raises(ValueError, match="classes that were named before"):
        model.partial_fit(blocks.X[:2], [0, 9])
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(blocks.X[:, :5])
    # A fit begins anew, and so does the training after it.
    assert model.fit(blocks.X).n_iter_ > 3
    assert not hasattr(model, "classifier_")
    assert model.partial_fit(blocks.X).n_iter_ == 1


def test_a_short_batch_bears_its_fraction_of_the_penalties(rng):
    loss = Penalised(Energy(), factor_l1=1.0, factor_l2=2.0, volume=3.0)
    stack, X = dense_hierarchy([rng.random((5, 2))]), rng.random((30, 5))
    whole, plain = (each.value_and_grad(stack, X)[0] for each in (loss, Energy()))
    parts = [X[:25], X[25:]]
    sums = []
    for each in (loss, Energy()):
        objectives = [
            Objective(each, stack, InMemory.of(hntf.as_data(part)), fraction=len(part) / 30) for part in parts
        ]
        sums.append(sum(objective(objective.start).value / objective.scale for objective in objectives))
    np.testing.assert_allclose(sums, [whole, plain])
    seen = []

    class Counted(Energy):
        def with_cost_of_factors(self, factors, value, gradients, fraction=1.0):
            seen.append(fraction)
            return value, gradients

    trainer, random_state = BatchTrainer(stack, "adam", None), np.random.RandomState(0)
    descent = Epochs(trainer, hntf.as_data(X), None, Counted(), batch_size=25, tol=0.0, random_state=random_state)
    advance(descent, max_iter=1, tol=0.0)
    np.testing.assert_allclose(seen, [25 / 30, 5 / 30])


def test_bad_batches_are_named(blocks):
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        hntf.NeuralNMF((4, 2), batch_size=0).fit(blocks.X)
    with pytest.raises(ValueError, match="solver, for batches, must be one of"):
        hntf.NeuralNMF((4, 2), batch_size=10, solver="lbfgs").fit(blocks.X)
    with pytest.raises(ValueError, match="largest entry between"):
        hntf.NeuralNMF((4, 2)).partial_fit(blocks.X * 1e200)
