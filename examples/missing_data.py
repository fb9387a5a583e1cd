"""Missing data: hidden pixels of handwritten digits, filled in by parts.

Of the 1,797 digits that ship with scikit-learn (8 × 8 pixels) 30 % of the pixels are hidden. A fit looks at the others alone, and
fills in what is hidden. Many parts and few pixels of each digit leave codes undetermined: without penalties the error of what
was seen falls with every part, while what is filled in explodes. With small penalties of codes and factors, more parts do no harm.
Neighbours among the digits fill in better still; parts tell what digits are made of.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.impute import KNNImputer, SimpleImputer

import hntf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/missing_data.png"))
    arguments = parser.parse_args()

    X = load_digits().data
    hidden = np.random.default_rng(0).random(X.shape) < 0.3
    holed = np.where(hidden, np.nan, X)

    def error(filled):
        return np.linalg.norm((filled - X)[hidden]) / np.linalg.norm(X[hidden])

    print("relative error of the hidden pixels:")
    print(f"  the mean of the pixel    {error(SimpleImputer(keep_empty_features=True).fit_transform(holed)):.3f}")
    print(f"  five nearest neighbours  {error(KNNImputer(keep_empty_features=True).fit_transform(holed)):.3f}")
    print("  parts   without penalties   code_l2 = factor_l2 = 1")
    for k in (4, 8, 16, 24):
        plain = hntf.NMF(k, random_state=0).fit(holed, mask="nan")
        penalised = hntf.NMF(k, code_l2=1.0, factor_l2=1.0, random_state=0).fit(holed, mask="nan")
        print(f"  {k:5d}   {error(plain.fill(holed)):17.3f}   {error(penalised.fill(holed)):23.3f}")
    model = hntf.NeuralNMF((16, 6), code_l2=1.0, factor_l2=1.0, random_state=0).fit(holed, mask="nan")
    filled = model.fill(holed, level=0)
    print(f"  16 parts that gather in six, with penalties: {error(filled):.3f}")

    figure, axes = plt.subplots(3, 10, figsize=(11, 3.6), layout="constrained")
    for column, i in zip(axes.T, range(10), strict=True):
        for axis, image in zip(column, (holed[i], filled[i], X[i]), strict=True):
            axis.imshow(image.reshape(8, 8), cmap=hntf.plot.axes.HEAT, vmin=0, vmax=16)
            axis.set_xticks([])
            axis.set_yticks([])
    for axis, name in zip(axes[:, 0], ("seen", "filled in", "true"), strict=True):
        axis.set_ylabel(name)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
