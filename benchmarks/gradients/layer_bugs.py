"""Bugs of layers and stacks: each takes the layer, its tape, the gradient of its codes and the right gradients."""

from copy import copy

import numpy as np
from gradients.problems import cp, layer, stack, tucker

import hntf


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
