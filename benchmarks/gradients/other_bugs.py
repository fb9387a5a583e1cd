# ruff: noqa: D101, D102
"""Bugs of losses, of torch functions and modules, and of functions of one's own."""

import numpy as np
import torch
from gradients.problems import dictionary, samples, stack

import hntf


class OtherGradient(hntf.losses.Loss):
    """The value of one loss with the gradient of another."""

    def __init__(self, right, wrong):
        self.right, self.wrong = right, wrong

    def evaluate(self, *arguments):
        raise NotImplementedError

    def value_and_grad(self, *arguments):
        return self.right.value_and_grad(*arguments)[0], self.wrong.value_and_grad(*arguments)[1]


class WithoutLabels(hntf.losses.Loss):
    def evaluate(self, *arguments):
        raise NotImplementedError

    def value_and_grad(self, hierarchy, X, y):
        energy, gradients = hntf.losses.Energy().value_and_grad(hierarchy, X)
        return energy + hntf.losses.LabelL2(5.0).value_and_grad(hierarchy, X, y)[0], gradients


class AndLabels(WithoutLabels):
    def value_and_grad(self, hierarchy, X, y):
        value, gradients = super().value_and_grad(hierarchy, X, y)
        of_labels = hntf.losses.LabelL2(5.0).value_and_grad(hierarchy, X, y)[1]
        return value, [a + b for a, b in zip(gradients, of_labels, strict=True)]


class HiddenEntries(hntf.losses.Loss):
    """The energy of masked data with the gradient of all entries."""

    def evaluate(self, *arguments):
        raise NotImplementedError

    def value_and_grad(self, hierarchy, X):
        mask = np.arange(X.size).reshape(X.shape) % 5 != 0
        return (
            hntf.losses.Energy().value_and_grad(hierarchy, X, mask=mask)[0],
            hntf.losses.Energy().value_and_grad(hierarchy, X)[1],
        )


def with_loss(loss, *labels):
    def problem(rng, condition):
        model, (X,) = stack(rng, condition)
        return loss, [model, X, *labels]

    return problem


Y = np.array([0, 1, 0, 1, 1])
ENERGY = hntf.losses.Energy


# Functions of torch. The second argument of each is the right one, for the check that the bug changes something.


class Planted2(torch.autograd.Function):
    """A code whose backward pass is written out by a function of `(X, A, S, dS)` that returns `(dX, dA)`."""

    @staticmethod
    def forward(ctx, X, A, S, pullback):
        ctx.save_for_backward(X, A, S)
        ctx.pullback = pullback
        return S.clone()

    @staticmethod
    def backward(ctx, dS):
        X, A, S = ctx.saved_tensors
        return *ctx.pullback(X, A, S, dS), None, None


def v_torch(G, S, dS):
    """Return `V` on the supports of `S`, differentiable in `G` and `dS`."""
    rows = []
    for s, d in zip(S, dS, strict=True):
        P = torch.diag((s > 0).to(G.dtype))
        rows.append(torch.linalg.solve(P @ G @ P + torch.eye(len(G), dtype=G.dtype) - P, P @ d))
    return torch.stack(rows)


def pullback_torch(X, A, S, dS, *, detach=(), weights=None):
    """Return the gradients `(dX, dA)`; `detach` names what a second derivative forgets."""
    G = A.mT @ A
    S = S.detach() if "S" in detach else codes_of(X, A)
    V = v_torch(G.detach() if "G" in detach else G, S, dS)
    A = A.detach() if "A" in detach else A
    return V @ A.mT, X.mT @ V - A @ (V.mT @ S + S.mT @ V)


def codes_of(X, A):
    return hntf.torch.nnls(X, A)


def of_torch(wrong, order=1):
    def problem(rng, condition):
        A = dictionary(rng, 6, 3, min(condition, 1e3) if order == 2 else condition)
        return wrong, [torch.tensor(samples(rng, A, 3)), torch.tensor(A)], order

    return problem


def second(*detach):
    def function(X, A):
        with torch.no_grad():
            S = hntf.torch.nnls(X, A)
        return Planted2.apply(X, A, S, lambda X, A, S, dS: pullback_torch(X, A, S, dS, detach=detach))

    return function


def forgotten_weights(X, A):
    weights = torch.linspace(0.5, 2.0, 6, dtype=X.dtype)

    def pullback(X, A, S, dS):
        V = v_torch(A.mT @ A, S, dS)
        return V @ A.mT, X.mT @ V - A @ (V.mT @ S + S.mT @ V)

    with torch.no_grad():
        S = hntf.torch.nnls(X, A, weights=weights)
    return Planted2.apply(X, A, S, pullback)


def detached_between(X, A):
    S = hntf.torch.nnls(X, A)
    return hntf.torch.nnls(S.detach(), A[:3, :2].abs() + 0.1) + 0.01 * S[:, :2]


class Cut(hntf.torch.NNLS):
    def forward(self, X):
        return hntf.torch.nnls(X, self.A.detach()) + 0 * self.A.sum()


def module(kind):
    def problem(rng, condition):
        A = dictionary(rng, 6, 3, condition)
        network = kind(6, 3).double().set_factors_([A])
        return network, [torch.tensor(samples(rng, A, 3))]

    return problem


def callable_beside(size):
    def function(x):
        value = np.sin(x[:-1]).sum() * size + np.sin(x[-1])
        return value, [np.append(size * np.cos(x[:-1]), 0.0)]

    return lambda rng, condition: (function, [rng.uniform(0.2, 1.2, 4)])


OTHER_BUGS = {
    "label term missing": with_loss(WithoutLabels(), Y),
    "weights of levels forgotten": with_loss(OtherGradient(ENERGY([1.0, 0.5, 2.0]), ENERGY())),
    "weights of levels squared": with_loss(OtherGradient(ENERGY([1.0, 0.5, 2.0]), ENERGY([1.0, 0.25, 4.0]))),
    "gradient of the last level alone": with_loss(OtherGradient(ENERGY(), hntf.losses.Reconstruction())),
    "errors of layers for errors of data": with_loss(OtherGradient(ENERGY(), hntf.losses.LayerCentric())),
    "mask forgotten": with_loss(HiddenEntries()),
    "torch: weights forgotten": of_torch(forgotten_weights),
    "torch: dictionary detached": of_torch(lambda X, A: hntf.torch.nnls(X, A.detach()) + 0 * A.sum()),
    "torch: code detached between layers": of_torch(detached_between),
    "torch: parameter of a module detached": module(Cut),
    "torch: second derivative without that of V": of_torch(second("G"), order=2),
    "torch: second derivative without that of S": of_torch(second("S"), order=2),
    "torch: second derivative without that of A": of_torch(second("A"), order=2),
    "missing beside one 1e4 times larger": callable_beside(1e4),
    "missing beside one 1e8 times larger": callable_beside(1e8),
}
