"""Indian pines: a hyperspectral image taken apart into materials, and those into fewer, pixel by pixel.

The image, shipped with TensorLy, has 145 × 145 pixels and 200 bands, with a map of the crops on the ground. A Tucker network
compresses the bands alone (`modes=[2]`): at every level a pixel's code tells how much of each spectrum is in it. A healthy
plant reflects the near infrared and takes in the red: the vegetation index of a spectrum, (nir − red) / (nir + red), tells
plants from soil.

Reference: Baumgardner, Biehl, Landgrebe (2015), *220 band AVIRIS hyperspectral image data set: June 12, 1992 Indian Pine test
site 3*; see `tensorly.datasets.load_indian_pines`.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from tensorly.datasets import load_indian_pines

import hntf

RANKS = (6, 2)


def vegetation_index(spectra, wavelengths):
    """Return (nir − red) / (nir + red) along the last axis."""
    red = spectra[..., (wavelengths > 640) & (wavelengths < 680)].mean(axis=-1)
    near_infrared = spectra[..., (wavelengths > 780) & (wavelengths < 900)].mean(axis=-1)
    return (near_infrared - red) / (near_infrared + red)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/indian_pines.png"))
    arguments = parser.parse_args()

    data = load_indian_pines()
    X = np.asarray(data.tensor)
    # The sensor adds an offset of 1000 to every reflectance.
    X = np.maximum(X - 1000.0, 0.0)
    wavelengths = np.asarray(data.ticks[1])
    start = time.perf_counter()
    model = hntf.NeuralNTF(tuple((rank,) for rank in RANKS), modes=[2], random_state=0).fit(X)
    print(f"{' × '.join(map(str, X.shape))}: relative error {' / '.join(f'{e:.3f}' for e in model.reconstruction_err_)} "
          f"with {RANKS} spectra, {time.perf_counter() - start:.1f} s")  # fmt: skip

    spectra = [model.tucker_tensor(level).factors[2].T for level in range(len(RANKS))]
    maps = [S.reshape(145, 145, -1) for S in model.codes_]
    index = vegetation_index(X, wavelengths)
    for level, name in enumerate(("materials", "supermaterials")):
        for i, spectrum in enumerate(spectra[level]):
            share = maps[level][..., i] * spectrum.sum() / X.sum(axis=-1)
            correlation = np.corrcoef(share.ravel(), index.ravel())[0, 1]
            print(f"{name[:-1]} {i + 1}: vegetation index {vegetation_index(spectrum, wavelengths):5.2f}; "
                  f"its share in a pixel and the pixel's index correlate at {correlation:5.2f}")  # fmt: skip

    figure, axes = plt.subplots(2, RANKS[0] + 1, figsize=(18, 5.5), layout="constrained")
    for row, level in zip(axes, (0, 1), strict=True):
        row[0].plot(wavelengths, (spectra[level] / spectra[level].max(axis=1, keepdims=True)).T)
        row[0].set(xlabel="wavelength (nm)", title=f"{RANKS[level]} spectra")
        row[0].legend(range(1, RANKS[level] + 1), fontsize=6)
        for i, axis in enumerate(row[1:]):
            axis.axis("off")
            if i < RANKS[level]:
                axis.imshow(maps[level][..., i], cmap="magma")
                axis.set_title(f"{i + 1}: index {vegetation_index(spectra[level][i], wavelengths):.2f}")
    axes[1, 3].imshow(index, cmap="RdYlGn")
    axes[1, 3].set_title("vegetation index")
    axes[1, 4].imshow(np.array(data.ticks[0]), cmap="tab20")
    axes[1, 4].set_title("crops on the ground")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=100)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
