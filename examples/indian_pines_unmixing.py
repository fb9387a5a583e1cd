"""Indian pines: spectra that do not depend on where the fit starts, by a penalty on the volume they span.

Unmixing takes the 21,025 pixels of a hyperspectral image (200 bands, shipped with TensorLy) apart into a few spectra and their
shares. Many sets of spectra explain the pixels as well as each other: those that span the least volume are the ones closest to the
pixels (De Handschutter & Gillis 2023). Here a hierarchy of 6 spectra and 3 gathered ones is fitted from three random starts,
without the penalty, with it, and with the layer-centric loss of the same paper; shown is the angle between the spectra of
different starts, matched as well as they can be. Columns of the factors are held on the simplex.

Reference: Baumgardner, Biehl, Landgrebe (2015), *220 band AVIRIS hyperspectral image data set: June 12, 1992 Indian Pine test
site 3*; see `tensorly.datasets.load_indian_pines`.
"""

import argparse
import itertools
import time
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from tensorly.datasets import load_indian_pines

import hntf

RANKS = (6, 3)
SEEDS = (0, 1, 2)
EVERY = 7
"""Of so many pixels one takes part in the fits; the maps show all."""

SETTINGS = {
    "data-centric": {"loss": "data-centric"},
    "data-centric, small volume": {"loss": "data-centric", "volume_weight": 1e-4},
    "layer-centric, small volume": {"loss": "layer-centric", "level_weights": (1.0, 0.1), "volume_weight": 1e-4},
}


def matched(spectra, reference):
    """Return the order of the spectra that matches the reference best, and the angles between them in degrees."""
    unit, other = (A / np.linalg.norm(A, axis=1, keepdims=True) for A in (spectra, reference))
    angles = np.degrees(np.arccos(np.clip(other @ unit.T, -1.0, 1.0)))
    rows, order = linear_sum_assignment(angles)
    return order, angles[rows, order]


def disagreement(fits, level):
    """Return the mean angle between matched spectra of different starts."""
    pairs = itertools.combinations([fit.components_[level] for fit in fits], 2)
    return np.mean([matched(a, b)[1].mean() for a, b in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/indian_pines_unmixing.png"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)

    data = load_indian_pines()
    # The sensor adds an offset of 1000 to every reflectance.
    pixels = np.maximum(np.asarray(data.tensor) - 1000.0, 0.0).reshape(-1, 200)
    pixels /= pixels.mean()
    wavelengths = np.asarray(data.ticks[1])

    found = {}
    print(f"{'loss':28} {'relative error':>15} {'angle between starts':>22} {'a fit':>7}")
    for name, options in SETTINGS.items():
        start = time.perf_counter()
        fits = [
            hntf.NeuralNMF(RANKS, simplex=True, init="random", max_iter=1000, random_state=seed, **options).fit(
                pixels[::EVERY]
            )
            for seed in SEEDS
        ]
        seconds = (time.perf_counter() - start) / len(SEEDS)
        errors = np.mean([fit.reconstruction_err_ for fit in fits], axis=0)
        angles = " / ".join(f"{disagreement(fits, level):.1f}°" for level in range(len(RANKS)))
        print(f"{name:28} {' / '.join(f'{e:.4f}' for e in errors):>15} {angles:>22} {seconds:5.1f} s", flush=True)
        found[name] = fits

    figure, axes = plt.subplots(len(SETTINGS), RANKS[0] + 1, figsize=(18, 8), layout="constrained")
    for row, (name, fits) in zip(axes, found.items(), strict=True):
        reference = fits[0].components_[0]
        for fit, style in zip(fits, ("-", "--", ":"), strict=True):
            order, _ = matched(fit.components_[0], reference)
            row[0].set_prop_cycle(None)
            row[0].plot(wavelengths, fit.components_[0][order].T, style, linewidth=0.8)
        row[0].set(title=name, xlabel="wavelength (nm)")
        maps = fits[0].transform(pixels, level=0).reshape(145, 145, -1)
        for i, axis in enumerate(row[1:]):
            axis.axis("off")
            axis.imshow(maps[..., i], cmap="magma")
            axis.set_title(f"share of spectrum {i + 1}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}: the spectra of three starts, and where those of the first one are")


if __name__ == "__main__":
    main()
