"""Right gradients, hard ones among them."""

import numpy as np
import scipy.sparse
import torch
from gradients.other_bugs import ENERGY, AndLabels, Y, of_torch, second, with_loss
from gradients.problems import ILL, cp, layer, samples, stack, tucker

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense
from hntf.models.stack import dense_hierarchy


def scaled(rng):
    A = rng.random((7, 4))
    scale = 10.0 ** rng.uniform(-6, 6, 4)
    return NNLSLayer(Dense(A * scale)), [samples(rng, A)]


def scaled_rows(rng):
    A = rng.random((7, 4)) * (10.0 ** rng.uniform(-4, 4, 7))[:, None]
    return NNLSLayer(Dense(A)), [rng.random((4, 7)) * 10.0 ** rng.uniform(-4, 4, (4, 1))]


def zero_rows(rng):
    A, X = rng.random((7, 3)), rng.random((5, 7))
    A[rng.integers(7)] = 0.0
    X[rng.integers(5)] = 0.0
    return dense_hierarchy([A, rng.random((3, 2))]), [X]


def small_margin(rng):
    """Codes or duals of 1e-9 to 1e-4."""
    A = rng.random((7, 4))
    codes = rng.uniform(0.3, 1.0, (4, 4))
    duals = np.zeros((4, 4))
    for i in range(4):
        size = 10.0 ** rng.uniform(-9, -4)
        if rng.random() < 0.5:
            codes[i, rng.integers(4)] = size
        else:
            j = rng.integers(4)
            codes[i, j], duals[i, j] = 0.0, size
    return NNLSLayer(Dense(A)), [codes @ A.T - duals @ np.linalg.pinv(A)]


def sparse(rng):
    X = scipy.sparse.random_array((6, 8), density=0.5, rng=rng, format="csr")
    return dense_hierarchy([rng.random((8, 3)), rng.random((3, 2))]), [X]


def torch_weighted(rng):
    weights = torch.tensor(rng.uniform(0, 1, (4, 6)) * (rng.random((4, 6)) < 0.8))
    return (lambda X, A: hntf.torch.nnls(X, A, weights=weights, l1=0.02)), [
        torch.tensor(rng.random((4, 6))), torch.tensor(rng.random((6, 3)))]  # fmt: skip


def torch_second(rng):
    return hntf.torch.nnls, [torch.tensor(rng.random((3, 5))), torch.tensor(rng.random((5, 3)))], 2


def torch_tucker(rng):
    torch.manual_seed(int(rng.integers(2**31)))
    return hntf.torch.Tucker((4, 3), (2, 2), nonnegative=True).double(), [torch.tensor(rng.random((4, 4, 3)))]


def duplicate(rng):
    A = rng.random((7, 3))
    return NNLSLayer(Dense(A[:, [0, 1, 2, 0]])), [rng.random((4, 7))]


def in_single_precision(rng):
    W = torch.tensor(rng.standard_normal((6, 4)), dtype=torch.float32)
    return (lambda x: torch.softmax(x.float() @ W, -1).square().sum()), [torch.tensor(rng.standard_normal((4, 6)))]


def partly_in_single_precision(rng):
    W = torch.tensor(rng.standard_normal((6, 4)), dtype=torch.float32)
    return (lambda x: torch.tanh(x.float() @ W).double().sum() + x.square().sum()), [
        torch.tensor(rng.standard_normal((4, 6)))]  # fmt: skip


def powers_beside_zero(rng):
    x = rng.uniform(0.3, 1.0, (3, 4)) * rng.choice([-1, 1], (3, 4))
    x[rng.integers(3), rng.integers(4)] = 10.0 ** rng.uniform(-12, -1)
    power = rng.choice([0.5, 1.0, 1.25, 1.5, 1.75, 1.9])
    return (lambda x: x.abs().pow(power).sum()), [torch.tensor(x)]


def penalty_without_effect(rng):
    X = torch.tensor(rng.random((3, 2))) * torch.tensor([1.0, -1.0])
    return (lambda l1: hntf.torch.nnls(X, torch.eye(2, dtype=torch.float64), l1=l1)), [torch.tensor([0.01, 0.01])]


RIGHT = {
    "layer": layer,
    "layer with penalties": lambda rng: layer(rng, l1=0.05, l2=0.1),
    "condition 1e5": lambda rng: layer(rng, ILL),
    "condition 1e5, signed data": lambda rng: (layer(rng, ILL)[0], [rng.standard_normal((4, 7))]),
    "columns of 1e-6 to 1e6": scaled,
    "rows and samples of 1e-4 to 1e4": scaled_rows,
    "zero samples and rows": zero_rows,
    "margins of 1e-9 to 1e-4": small_margin,
    "ranks (2, 1, 1)": lambda rng: stack(rng, ranks=(2, 1, 1)),
    "ranks (4, 3, 2)": stack,
    "ranks (4, 3, 2), condition 1e5": lambda rng: stack(rng, ILL),
    "sparse data": sparse,
    "CP": cp,
    "CP, condition 1e5": lambda rng: cp(rng, ILL),
    "Tucker": tucker,
    "energy": lambda rng: with_loss(ENERGY([1.0, 0.5, 2.0]))(rng, 1.0),
    "energy, ranks (2, 1, 1)": lambda rng: (ENERGY(), [(p := stack(rng, ranks=(2, 1, 1)))[0], np.abs(p[1][0])]),
    "energy and labels": lambda rng: with_loss(AndLabels(), Y)(rng, 1.0),
    "torch, weighted": torch_weighted,
    "torch, second derivatives": torch_second,
    "torch, second derivatives written out": lambda rng: of_torch(second(), order=2)(rng, 1.0),
    "torch, a Tucker module": torch_tucker,
    "torch, in single precision": in_single_precision,
    "torch, partly in single precision": partly_in_single_precision,
    "powers beside zero": powers_beside_zero,
    "a penalty without effect": penalty_without_effect,
    "callable": lambda rng: ((lambda x: (np.sum(np.exp(3 * x)), [3 * np.exp(3 * x)])), [rng.uniform(-4, 4, 6)]),
}
