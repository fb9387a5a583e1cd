"""Indian pines: a hyperspectral image taken apart into materials, and those into fewer, pixel by pixel.

The image, shipped with TensorLy, has 145 × 145 pixels and 200 bands. A Tucker network compresses the bands alone (`modes=[2]`): at
every level a pixel's code tells how much of each spectrum is in it. A healthy plant reflects the near infrared and takes in the
red: the vegetation index of a spectrum, (nir − red) / (nir + red), tells plants from soil. It says something only of spectra that
have light in these bands: a material that is seen in other bands gets any index, so its index is left out.

Reference: Baumgardner, Biehl, Landgrebe (2015), *220 band AVIRIS hyperspectral image data set: June 12, 1992 Indian Pine test
site 3*; see `tensorly.datasets.load_indian_pines`.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_indian_pines

import hntf

RANKS = (6, 2)

ENOUGH = 1.0
"""Mean of a spectrum in the red and near infrared, relative to its mean over all bands, from which on its index says something."""


def bands(spectra, wavelengths):
    """Return the means of spectra in the red and in the near infrared."""
    red = spectra[..., (wavelengths > 640) & (wavelengths < 680)].mean(axis=-1)
    near_infrared = spectra[..., (wavelengths > 780) & (wavelengths < 900)].mean(axis=-1)
    return red, near_infrared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/indian_pines.png"))
    arguments = parser.parse_args()

    data = load_indian_pines()
    # The sensor adds an offset of 1000 to every reflectance.
    X = np.maximum(np.asarray(data.tensor) - 1000.0, 0.0)
    wavelengths = np.asarray(data.ticks[1])
    model = hntf.NeuralNTF(tuple((rank,) for rank in RANKS), modes=[2], random_state=0).fit(X)
    errors = " / ".join(f"{e:.3f}" for e in model.reconstruction_err_)
    print(f"{' × '.join(map(str, X.shape))}: relative errors {errors} with {RANKS} spectra")

    red, near_infrared = bands(X, wavelengths)
    index = (near_infrared - red) / (near_infrared + red)
    spectra = [model.tucker_tensor(level).factors[2].T for level in range(len(RANKS))]
    # Of the light that the model has in a pixel, the part that comes from each material.
    maps = [S.reshape(145, 145, -1) * A.sum(axis=1) for S, A in zip(model.codes_, spectra, strict=True)]
    maps = [light / light.sum(axis=-1, keepdims=True) for light in maps]
    titles = []
    for level, name in enumerate(("material", "supermaterial")):
        titles.append([])
        for i, spectrum in enumerate(spectra[level]):
            r, n = bands(spectrum, wavelengths)
            share = maps[level][..., i]
            says = (r + n) / 2 > ENOUGH * spectrum.mean()
            titles[-1].append(f"{i}: index {(n - r) / (n + r):.2f}" if says else f"{i}: other bands")
            correlation = np.corrcoef(share.ravel(), index.ravel())[0, 1]
            print(f"{name} {titles[-1][-1]:16} {share.mean():4.0%} of the light; where it is, pixels have vegetation "
                  f"indices {'above' if correlation > 0 else 'below'} the mean (correlation {correlation:5.2f})")  # fmt: skip

    figure, axes = plt.subplots(2, RANKS[0] + 1, figsize=(18, 5.5), layout="constrained")
    for row, level in zip(axes, (0, 1), strict=True):
        for i, spectrum in enumerate(spectra[level]):
            row[0].plot(wavelengths, spectrum / spectrum.max(), color=hntf.plot.axes.color(i), label=i)
        row[0].set(xlabel="wavelength (nm)", title=f"{RANKS[level]} spectra")
        row[0].legend(fontsize=6)
        for i, axis in enumerate(row[1:]):
            axis.axis("off")
            if i < RANKS[level]:
                axis.imshow(maps[level][..., i], cmap=hntf.plot.axes.HEAT, vmin=0)
                axis.set_title(titles[level][i])
    axes[1, 3].imshow(index, cmap=hntf.plot.axes.HEAT)
    axes[1, 3].set_title("vegetation index")
    axes[1, 4].imshow(np.array(data.ticks[0]), cmap="tab20")
    axes[1, 4].set_title("crops on the ground")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=70)
    print(
        f"the picture is in {arguments.output}: spectra, and the part of the light of each pixel that comes from each"
    )


if __name__ == "__main__":
    main()
