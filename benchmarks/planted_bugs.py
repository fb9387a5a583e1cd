# ruff: noqa: D101, D102
"""Whether `hntf.gradcheck` finds bugs that are planted into right gradients, and passes the right ones.

    python benchmarks/planted_bugs.py [N]

Every kind of bug is planted into several draws, on well- and on ill-conditioned problems (condition 1e5); draws on which it changes
no entry by a thousandth are drawn again. Then `N` right gradients are checked, hard ones among them.

Goals: every bug is found on every draw; none of the right gradients fails.
"""

import argparse
import sys
import time
from copy import copy

import numpy as np
import scipy.sparse
import torch

import hntf
from hntf.layers import NNLSLayer
from hntf.maps import Dense, KhatriRao, ModeProduct
from hntf.models.stack import dense_hierarchy

CHANGE = 1e-3
ILL = 1e5


# Problems. Each returns what gradcheck takes: a function and its inputs.


def dictionary(rng, m, k, condition=1.0):
    """Draw a dictionary; an ill-conditioned one has geometric singular values."""
    if condition == 1.0:
        return rng.uniform(0.1, 1.0, (m, k))
    U, V = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in (m, k))
    return U * np.geomspace(1.0, 1.0 / condition, k) @ V.T


def samples(rng, A, n=5):
    """Draw samples whose codes have zeros and positive entries, also where the dictionary is ill-conditioned."""
    m, k = A.shape
    codes = rng.uniform(0.3, 1.0, (n, k)) * (rng.random((n, k)) < 0.7)
    Q = np.linalg.qr(A)[0]
    noise = rng.standard_normal((n, m))
    # A noise that is orthogonal to the range moves no code; zeros stay zero by their duals.
    duals = rng.uniform(0.1, 0.3, (n, k)) * (codes == 0)
    return codes @ A.T - duals @ np.linalg.pinv(A) + 0.2 * (noise - noise @ Q @ Q.T)


def layer(rng, condition=1.0, shape=(7, 4), **penalties):
    A = dictionary(rng, *shape, condition)
    return NNLSLayer(Dense(A), **penalties), [samples(rng, A)]


def stack(rng, condition=1.0, ranks=(4, 3, 2), m=7):
    factors = [dictionary(rng, a, b) for a, b in zip((m, *ranks), ranks, strict=False)]
    factors[0] = dictionary(rng, m, ranks[0], condition)
    return dense_hierarchy(factors), [samples(rng, factors[0])]


def cp(rng, condition=1.0, d=4):
    factors = [dictionary(rng, d, 3, condition), dictionary(rng, d, 3)]
    return NNLSLayer(KhatriRao(factors)), [samples(rng, khatri_rao(*factors)).reshape(5, d, d)]


def khatri_rao(U, V):
    return (U[:, None] * V).reshape(-1, U.shape[1])


def tucker(rng, condition=1.0, d=4):
    factors = [dictionary(rng, d, 2, condition), dictionary(rng, d, 2)]
    return NNLSLayer(ModeProduct(factors)), [samples(rng, np.kron(*factors)).reshape(5, d, d)]


# Bugs. A bug of a layer or stack takes it, its tape, the gradient of its codes and the right gradients.


def planted(model, bug):
    """Return the layer or stack with a backward pass that has the bug."""

    class Planted(type(model)):
        def backward(self, tape, d):
            return bug(self, tape, d, *super().backward(tape, d))

    spoiled = copy(model)
    spoiled.__class__ = Planted
    return spoiled


def of_layer(tape, A, V, S, gram=1.0):
    """Return the gradients of a dense layer from `V`, written out."""
    X = tape.X.array
    return V @ A.T, [X.T @ V - gram * A @ (V.T @ S + S.T @ V)]


def v_of(layer, tape, dS):
    return layer.solution_pullback(tape, dS)[1]


def ridged(layer, tape):
    return tape.G + layer.l2 * np.eye(len(tape.G))


def on(support, G, dS):
    V = np.zeros_like(dS)
    for i, P in enumerate(support):
        if P.any():
            V[i, P] = np.linalg.lstsq(G[np.ix_(P, P)], dS[i, P], rcond=None)[0]
    return V


def at_one_entry(gradients, change, rng_seed=0):
    """Change one entry of the first gradient that is among the larger half."""
    spoiled = [dA.copy() for dA in gradients]
    sizes = np.abs(spoiled[0])
    candidates = np.argwhere(sizes >= np.median(sizes[sizes > 0]))
    at = tuple(candidates[rng_seed % len(candidates)])
    spoiled[0][at] = change(spoiled[0][at])
    return spoiled


def smallest_to_zero(gradients):
    """Set the smallest entry that is not zero to zero, of those that are at least 1e-8 of the largest."""
    spoiled = [dA.copy() for dA in gradients]
    sizes = np.abs(spoiled[0])
    sizes[sizes < 1e-8 * sizes.max()] = np.inf
    spoiled[0][np.unravel_index(sizes.argmin(), sizes.shape)] = 0.0
    return spoiled


def beside_zero(gradients):
    """Put a small number where the derivative is zero, or the smallest."""
    spoiled = [dA.copy() for dA in gradients]
    sizes = np.abs(spoiled[0])
    spoiled[0][np.unravel_index(sizes.argmin(), sizes.shape)] += 1e-3 * sizes.max()
    return spoiled


def stale(layer, tape, dS, dX, dfactors):
    support = tape.support.copy()
    i = int(support.any(axis=1).argmax())
    support[i, support[i].argmax()] = False
    V = on(support, ridged(layer, tape), dS)
    return of_layer(tape, layer.map.A, V, tape.S)


def without_l1(layer, tape, dS, dX, dfactors):
    other = layer.with_penalties(0.0, layer.l2)
    return of_layer(tape, layer.map.A, v_of(layer, tape, dS), other.solve(tape.X).S)


def float16(dX, dfactors):
    unit = max(np.abs(dA).max() for dA in dfactors)
    return dX, [(dA / unit).astype(np.float16).astype(float) * unit for dA in dfactors]


def rounded(dX, dfactors):
    noise = np.random.default_rng(0)
    return dX, [dA * (1 + 1e-4 * np.sign(noise.standard_normal(dA.shape))) for dA in dfactors]


LAYER_BUGS = {
    "half of the gradient": (layer, lambda M, t, d, dX, dA: (dX, [0.5 * D for D in dA])),
    "half of the Gram term": (layer, lambda M, t, d, dX, dA: of_layer(t, M.map.A, v_of(M, t, d), t.S, gram=0.5)),
    "other sign": (layer, lambda M, t, d, dX, dA: (dX, [-D for D in dA])),
    "other sign of the Gram term": (layer, lambda M, t, d, dX, dA: of_layer(t, M.map.A, v_of(M, t, d), t.S, gram=-1.0)),
    "Gram term missing": (layer, lambda M, t, d, dX, dA: of_layer(t, M.map.A, v_of(M, t, d), t.S, gram=0.0)),
    "dG not symmetric": (
        layer,
        lambda M, t, d, dX, dA: (dX, [t.X.array.T @ v_of(M, t, d) - 2 * M.map.A @ (v_of(M, t, d).T @ t.S)]),
    ),
    "l2 missing in the backward pass": (
        lambda rng, condition=1.0: layer(rng, condition, l2=0.1),
        lambda M, t, d, dX, dA: of_layer(t, M.map.A, on(t.support, t.G, d), t.S),
    ),
    "l1 missing in the backward pass": (lambda rng, condition=1.0: layer(rng, condition, l1=0.05), without_l1),
    "transposed": (
        lambda rng, condition=1.0: layer(rng, condition, shape=(4, 4)),
        lambda M, t, d, dX, dA: (dX, [D.T for D in dA]),
    ),
    "one entry times 1.001": (layer, lambda M, t, d, dX, dA: (dX, at_one_entry(dA, lambda x: 1.001 * x))),
    "one entry zero": (layer, lambda M, t, d, dX, dA: (dX, at_one_entry(dA, lambda x: 0.0))),
    "a small derivative zero": (layer, lambda M, t, d, dX, dA: (dX, smallest_to_zero(dA))),
    "a small number for the smallest": (layer, lambda M, t, d, dX, dA: (dX, beside_zero(dA))),
    "wrong row of dX": (layer, lambda M, t, d, dX, dA: (np.roll(dX, 1, axis=0), dA)),
    "dX missing": (layer, lambda M, t, d, dX, dA: (0 * dX, dA)),
    "off by one column": (layer, lambda M, t, d, dX, dA: (dX, [np.roll(D, 1, axis=1) for D in dA])),
    "support ignored": (
        layer,
        lambda M, t, d, dX, dA: of_layer(t, M.map.A, on(np.ones_like(t.support), t.G, d), t.S),
    ),
    "solved whole, then cut to the support": (
        layer,
        lambda M, t, d, dX, dA: of_layer(t, M.map.A, on(np.ones_like(t.support), t.G, d) * t.support, t.S),
    ),
    "dS cut to the support, not solved": (layer, lambda M, t, d, dX, dA: of_layer(t, M.map.A, d * t.support, t.S)),
    "stale support": (layer, stale),
    "mean instead of sum": (layer, lambda M, t, d, dX, dA: (dX, [D / len(dX) for D in dA])),
    "errors of 1e-4": (layer, lambda M, t, d, dX, dA: rounded(dX, dA)),
    "half precision": (layer, lambda M, t, d, dX, dA: float16(dX, dA)),
    "not a number": (layer, lambda M, t, d, dX, dA: (dX, at_one_entry(dA, lambda x: np.nan))),
    "factors of a CP swapped": (cp, lambda M, t, d, dX, dA: (dX, dA[::-1])),
    "a factor of a CP missing": (cp, lambda M, t, d, dX, dA: (dX, [dA[0], 0 * dA[1]])),
    "modes of a Tucker swapped": (tucker, lambda M, t, d, dX, dA: (dX, dA[::-1])),
    "axes of dX swapped": (cp, lambda M, t, d, dX, dA: (np.swapaxes(dX, 1, 2), dA)),
    "gradient of the wrong level": (
        lambda rng, condition=1.0: stack(rng, condition, ranks=(3, 3, 3)),
        lambda M, t, d, dX, dA: (dX, [dA[0], dA[2], dA[1]]),
    ),
    "direct gradient of the code of the wrong level": (
        lambda rng, condition=1.0: stack(rng, condition, ranks=(3, 3)),
        lambda M, t, d, dX, dA: hntf.Hierarchy.backward(M, t, d[::-1]),
    ),
    "levels above not passed down": (
        stack,
        lambda M, t, d, dX, dA: (dX, [M.layers[0].backward(t[0], d[0])[1][0], *dA[1:]]),
    ),
    "a level missing": (stack, lambda M, t, d, dX, dA: (dX, [*dA[:-1], 0 * dA[-1]])),
}


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


def changes(model, bug, X):
    """Tell whether the bug changes an entry by more than a thousandth of its size."""
    codes, tape = model.forward(X)
    levels = codes if isinstance(codes, list) else [codes]
    direction = [np.cos(level + np.arange(S.size)).reshape(S.shape) for level, S in enumerate(levels)]
    d = direction if isinstance(codes, list) else direction[0]
    dX, dfactors = model.backward(tape, d)
    wrong_dX, wrong = planted(model, bug).backward(tape, d)
    pairs = zip([dX, *dfactors], [wrong_dX, *wrong], strict=True)
    return any(bool(np.any(~(abs(a - b) <= 0.9 * CHANGE * np.maximum(abs(a), abs(b))))) for a, b in pairs)


def plant(name, seed, condition):
    """Check a draw of a bug; return None if it changes nothing."""
    rng = np.random.default_rng(seed)
    if name in OTHER_BUGS:
        function, inputs, *order = OTHER_BUGS[name](rng, condition)
        return hntf.gradcheck(function, inputs, order=order[0] if order else 1)
    problem, bug = LAYER_BUGS[name]
    model, (X,) = problem(rng, condition)
    if name not in ("errors of 1e-4", "half precision") and not changes(model, bug, X):
        return None
    return hntf.gradcheck(planted(model, bug), X)


# Right gradients.


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
    "callable": lambda rng: ((lambda x: (np.sum(np.exp(3 * x)), [3 * np.exp(3 * x)])), [rng.uniform(-4, 4, 6)]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=1000, help="number of right gradients")
    parser.add_argument("--only", default="", help="run the kinds whose names contain this text")
    parser.add_argument("--first", type=int, default=0, help="the first seed of the right gradients")
    parser.add_argument(
        "--draws", type=int, default=5, help="draws of each bug and condition; 0 for right gradients alone"
    )
    arguments = parser.parse_args()

    start, missed = time.perf_counter(), 0
    print(f"{'bug':48} {'well':>8} {f'{ILL:.0e}':>8}  missed (seed, report)", flush=True)
    for name in [name for name in (*LAYER_BUGS, *OTHER_BUGS) if arguments.only in name and arguments.draws]:
        cells, notes = [], []
        for condition in (1.0, ILL):
            caught = of = 0
            for seed in range(20 * arguments.draws):
                report = plant(name, seed, condition)
                if report is not None:
                    of += 1
                    caught += not report.ok and not report.at_kink
                    if report.ok or report.at_kink:
                        notes.append(f"{condition:.0e}, {seed}: {report}")
                if of == arguments.draws:
                    break
            cells.append(f"{caught} of {of}")
            missed += of - caught
        print(f"{name:48} {cells[0]:>8} {cells[1]:>8}  {' | '.join(notes)}", flush=True)
    print(f"missed {missed} in {time.perf_counter() - start:.0f} s\n")

    start = time.perf_counter()
    kinds = [name for name in RIGHT if arguments.only in name]
    passed, of = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for seed in range(arguments.first, arguments.first + arguments.n if kinds else 0):
        name = kinds[seed % len(kinds)]
        function, inputs, *order = RIGHT[name](np.random.default_rng(seed))
        report = hntf.gradcheck(function, inputs, order=order[0] if order else 1)
        of[name] += 1
        passed[name] += report.ok
        if not report.ok:
            print(f"{name}, seed {seed}: {report}", flush=True)
    print("right gradients")
    for name in kinds:
        print(f"{name:48} {passed[name]} of {of[name]}")
    print(f"passed {sum(passed.values())} of {sum(of.values())} in {time.perf_counter() - start:.0f} s")
    sys.exit(bool(missed or passed != of))


if __name__ == "__main__":
    main()
