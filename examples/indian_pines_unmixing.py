"""Indian pines: spectra that depend less on where the fit starts, by a penalty on the volume they span.

Unmixing takes the pixels of a hyperspectral image (200 bands, shipped with TensorLy) apart into a few spectra and their shares.
Many sets of spectra explain the pixels as well as each other: those that span the least volume are the ones closest to the pixels
(De Handschutter & Gillis 2023). Here a hierarchy of 4 spectra and 2 gathered ones is fitted from five random starts, with and
without the penalty. Shown are the errors, the mean angle between the spectra of different starts, matched as well as they can be,
and the largest correlation of two spectra of one fit: a penalty that is too large makes them collapse into one, which also agrees
between starts.

Reference: Baumgardner, Biehl, Landgrebe (2015), *220 band AVIRIS hyperspectral image data set: June 12, 1992 Indian Pine test
site 3*; see `tensorly.datasets.load_indian_pines`.
"""

import argparse
import itertools
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from tensorly.datasets import load_indian_pines

import hntf

RANKS = (4, 2)
SEEDS = range(5)
EVERY = 11
"""Of so many pixels one takes part in the fits; the maps show all."""

WEIGHTS = (0.0, 1e-4, 1e-3)
"""The weights of the volume that are tried."""


def matched(spectra, reference):
    """Return the order of the spectra that matches the reference best, and the angles between them in degrees."""
    unit, other = (A / np.linalg.norm(A, axis=1, keepdims=True) for A in (spectra, reference))
    angles = np.degrees(np.arccos(np.clip(other @ unit.T, -1.0, 1.0)))
    rows, order = linear_sum_assignment(angles)
    return order, angles[rows, order]


def disagreement(fits):
    """Return the mean angle between matched spectra of different starts."""
    pairs = itertools.combinations([fit.components_[0] for fit in fits], 2)
    return np.mean([matched(a, b)[1].mean() for a, b in pairs])


def closest(fit):
    """Return the largest correlation of two spectra of a fit."""
    return (np.corrcoef(fit.components_[0]) - 2 * np.eye(RANKS[0])).max()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/indian_pines_unmixing.png"))
    arguments = parser.parse_args()

    data = load_indian_pines()
    # The sensor adds an offset of 1000 to every reflectance.
    pixels = np.maximum(np.asarray(data.tensor) - 1000.0, 0.0).reshape(-1, 200)
    pixels /= pixels.mean()
    wavelengths = np.asarray(data.ticks[1])

    found = {}
    print("volume weight   relative errors   angle between starts   closest spectra correlate at")
    for weight in WEIGHTS:
        fits = [
            hntf.NeuralNMF(RANKS, loss="data-centric", simplex=True, volume_weight=weight, init="random", max_iter=1000,
                           random_state=seed).fit(pixels[::EVERY])
            for seed in SEEDS
        ]  # fmt: skip
        errors = np.mean([fit.reconstruction_err_ for fit in fits], axis=0)
        print(f"{weight:13.0e}   {' / '.join(f'{e:.4f}' for e in errors)}   {disagreement(fits):19.1f}°   "
              f"{np.mean([closest(fit) for fit in fits]):.2f}", flush=True)  # fmt: skip
        found[weight] = fits

    figure, axes = plt.subplots(len(WEIGHTS), RANKS[0] + 1, figsize=(15, 8), layout="constrained")
    for row, (weight, fits) in zip(axes, found.items(), strict=True):
        reference = fits[0].components_[0]
        for fit in fits:
            order, _ = matched(fit.components_[0], reference)
            for i, spectrum in enumerate(fit.components_[0][order]):
                row[0].plot(wavelengths, spectrum, linewidth=0.8, color=hntf.plot.axes.color(i))
        row[0].set(title=f"volume weight {weight:g}: {len(SEEDS)} starts", xlabel="wavelength (nm)")
        shares = fits[0].proportions(pixels, level=0).reshape(145, 145, -1)
        for i, axis in enumerate(row[1:]):
            axis.axis("off")
            picture = axis.imshow(shares[..., i], cmap=hntf.plot.axes.HEAT, vmin=0, vmax=1)
            axis.set_title(f"share of spectrum {i}", color=hntf.plot.axes.color(i))
        figure.colorbar(picture, ax=row[-1])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=70)
    print(f"the picture is in {arguments.output}: the spectra of all starts, and the shares of the first one")


if __name__ == "__main__":
    main()
