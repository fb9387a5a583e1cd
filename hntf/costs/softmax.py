"""Softmax regression on codes: the regularised cross-entropy of scores, and the best linear classifier."""

from __future__ import annotations

import numpy as np

from hntf.arrays import Array, backend_of, from_numpy, to_numpy
from hntf.costs.targets import Labels

RIDGE = 1e-2
"""Weight `ρ` of the squared scores of a labelled sample, which bounds them if the codes separate the classes."""

DIRECTIONS = 1e-12
"""Eigenvalues of `SᵀS` below this fraction of the largest one count as zero."""

TOLERANCE = 1e-11
"""Tolerance on the gradient in orthonormal coordinates, relative to the number of known labels."""

MAX_NEWTON, MAX_CONJUGATE = 50, 200


def softmax(scores: Array) -> Array:
    """Return the softmax of scores `(n, p)`, row by row."""
    tl = backend_of(scores)
    shifted = tl.exp(scores - tl.max(scores, axis=1)[:, None])
    return shifted / shifted.sum(1)[:, None]


def cross_entropy(scores: Array, labels: Labels) -> tuple[float, Array]:
    """Return the regularised cross-entropy of scores `Z` and its gradient.

    It is `−Σ Y∘log softmax(Z) + ½ρ Σ_i w_i ‖z_i‖²`, with the row sums `w` of `Y`.
    """
    tl = backend_of(scores)
    shifted = scores - tl.max(scores, axis=1)[:, None]
    log_sum = tl.log(tl.exp(shifted).sum(1))[:, None]
    mass = labels.Y.sum(1)[:, None]
    value = float((mass * log_sum).sum() - (labels.Y * shifted).sum())
    value += 0.5 * RIDGE * float((mass * scores * scores).sum())
    return value, mass * tl.exp(shifted - log_sum) - labels.Y + RIDGE * mass * scores


def softmax_classifier(S: Array, labels: Labels) -> Array:
    """Return `argmin_B cross_entropy(S B)`, `(k, p)`; of several solutions, the one of least norm.

    Newton's method in coordinates in which the columns of the labelled codes are orthonormal. There the curvature is between `ρ`
    and `½ + ρ`, so that conjugate gradients solve each step in a few products.
    """
    Y = to_numpy(labels.Y)
    mass = Y.sum(axis=1)
    rows = mass > 0
    Y, mass = Y[rows], mass[rows, None]
    codes = to_numpy(S)[rows]
    values, vectors = np.linalg.eigh((mass * codes).T @ codes)
    kept = values > DIRECTIONS * max(values[-1], 0.0)
    to_codes = vectors[:, kept] / np.sqrt(values[kept])
    Q = codes @ to_codes
    V = np.zeros((Q.shape[1], Y.shape[1]))
    known = Labels(Y, labels.known, labels.classes)
    at, gradient = _objective(Q, V, known)
    for _ in range(MAX_NEWTON):
        if np.linalg.norm(gradient) <= TOLERANCE * mass.sum() ** 0.5:
            break
        step = _newton_step(Q, mass, softmax(Q @ V), gradient)
        length, slope = 1.0, float((step * gradient).sum())
        while True:
            moved, moved_gradient = _objective(Q, V + length * step, known)
            # Near the minimum, differences of the value are at rounding level; there a full step is right.
            if moved <= at + 1e-4 * length * slope + 1e-14 * abs(at) or length < 1e-8:
                break
            length *= 0.5
        V = V + length * step
        at, gradient = moved, moved_gradient
    return from_numpy(to_codes @ V, S)


def _objective(Q: np.ndarray, V: np.ndarray, labels: Labels) -> tuple[float, np.ndarray]:
    value, dscores = cross_entropy(Q @ V, labels)
    return value, Q.T @ dscores


def _newton_step(Q: np.ndarray, mass: np.ndarray, P: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return `−H⁻¹ g` by conjugate gradients on `H D = Qᵀ w∘(P∘(Q D) − P (P∘(Q D))·1 + ρ Q D)`."""

    def curvature(D: np.ndarray) -> np.ndarray:
        scores = Q @ D
        weighted = P * scores
        return Q.T @ (mass * (weighted - P * weighted.sum(axis=1, keepdims=True) + RIDGE * scores))

    step, residual = np.zeros_like(gradient), -gradient
    direction, squared = residual, float((residual * residual).sum())
    target = 1e-20 * squared
    for _ in range(MAX_CONJUGATE):
        product = curvature(direction)
        length = squared / float((direction * product).sum())
        step = step + length * direction
        residual = residual - length * product
        previous, squared = squared, float((residual * residual).sum())
        if squared <= target:
            break
        direction = residual + squared / previous * direction
    return step
